"""Where events go: console, files, memory, Kafka, MySQL, PostgreSQL, and whatever a user brings."""

from deep_faker.write.console import StdOutOutput
from deep_faker.write.custom import as_output
from deep_faker.write.delta.output import DeltaOutput
from deep_faker.write.destination import destination
from deep_faker.write.files.folder import ParquetOutput
from deep_faker.write.files.manifest import versions
from deep_faker.write.files.one_file import FileOutput
from deep_faker.write.kafka.output import KafkaOutput
from deep_faker.write.lines.json_lines import json_lines
from deep_faker.write.memory import MemoryOutput
from deep_faker.write.paths import checked_path, output_path
from deep_faker.write.protocol import (
    ARRIVING,
    STAMPS,
    EventChunk,
    FileReceipt,
    Output,
    Resumable,
    RunInfo,
    RunSettings,
    is_resumable,
    is_settling,
    keeps_progress,
    takes_coded_keys,
    takes_counts,
    takes_entities,
    takes_history,
    takes_sessions,
    takes_tables,
)
from deep_faker.write.sql.mysql import MySQLOutput
from deep_faker.write.sql.postgres import PostgresOutput
from deep_faker.write.whole.staging import checkpoint_place

__all__ = [
    "ARRIVING",
    "STAMPS",
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
    "RunSettings",
    "StdOutOutput",
    "as_output",
    "checked_path",
    "checkpoint_place",
    "destination",
    "is_resumable",
    "is_settling",
    "json_lines",
    "keeps_progress",
    "output_path",
    "takes_coded_keys",
    "takes_counts",
    "takes_entities",
    "takes_history",
    "takes_sessions",
    "takes_tables",
    "versions",
]
