"""Where events go: console, files, memory, Kafka, MySQL, and whatever a user brings."""

from deep_faker.outputs.console import StdOutOutput
from deep_faker.outputs.custom import as_output
from deep_faker.outputs.folder import ParquetOutput
from deep_faker.outputs.jsonl import FileOutput
from deep_faker.outputs.jsonlines import json_lines
from deep_faker.outputs.kafka import KafkaOutput
from deep_faker.outputs.memory import MemoryOutput
from deep_faker.outputs.mysql import MySQLOutput
from deep_faker.outputs.protocol import EventChunk, FileReceipt, Output, RunInfo

__all__ = [
    "EventChunk",
    "FileOutput",
    "FileReceipt",
    "KafkaOutput",
    "MemoryOutput",
    "MySQLOutput",
    "Output",
    "ParquetOutput",
    "RunInfo",
    "StdOutOutput",
    "as_output",
    "json_lines",
]
