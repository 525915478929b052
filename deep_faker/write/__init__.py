"""Where events go: console, files, memory, Kafka, MySQL, PostgreSQL, and whatever a user brings."""

from deep_faker.outputs.console import StdOutOutput
from deep_faker.outputs.custom import as_output
from deep_faker.outputs.delta import DeltaOutput
from deep_faker.outputs.destination import destination
from deep_faker.outputs.folder import ParquetOutput
from deep_faker.outputs.jsonl import FileOutput
from deep_faker.outputs.jsonlines import json_lines
from deep_faker.outputs.kafka import KafkaOutput
from deep_faker.outputs.manifest import versions
from deep_faker.outputs.memory import MemoryOutput
from deep_faker.outputs.mysql import MySQLOutput
from deep_faker.outputs.paths import checked_path, output_path
from deep_faker.outputs.postgres import PostgresOutput
from deep_faker.outputs.protocol import (
    EventChunk,
    FileReceipt,
    Output,
    Resumable,
    RunInfo,
    is_resumable,
    is_settling,
)
from deep_faker.outputs.staging import checkpoint_place

__all__ = [
    "DeltaOutput",
    "EventChunk",
    "FileOutput",
    "FileReceipt",
    "KafkaOutput",
    "MemoryOutput",
    "MySQLOutput",
    "Output",
    "ParquetOutput",
    "PostgresOutput",
    "Resumable",
    "RunInfo",
    "StdOutOutput",
    "as_output",
    "checked_path",
    "checkpoint_place",
    "destination",
    "is_resumable",
    "is_settling",
    "json_lines",
    "output_path",
    "versions",
]
