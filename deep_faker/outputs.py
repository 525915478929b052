"""Where events go, by one import: all outputs, and what an output of a user's own is given."""

from deep_faker.write import (
    DeltaOutput,
    EventChunk,
    FileOutput,
    FileReceipt,
    KafkaOutput,
    MemoryOutput,
    MySQLOutput,
    Output,
    ParquetOutput,
    PostgresOutput,
    Resumable,
    RunInfo,
    StdOutOutput,
)

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
]
