"""What the name of an output means: ``-``, one file of JSON lines, or the folder of a data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.spans import caller_span
from deep_faker.write.console import StdOutOutput
from deep_faker.write.files.folder import ParquetOutput
from deep_faker.write.files.object_store import is_url
from deep_faker.write.files.one_file import FileOutput
from deep_faker.write.paths import checked_path

_LINES = (".jsonl", ".ndjson")
# endings of one file's name → the format of a data set that such files would be in
_TABLES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow",
           ".feather": "arrow", ".ipc": "arrow", ".json": "jsonl", ".avro": "parquet", ".orc": "parquet",
           ".xlsx": "csv", ".txt": "csv"}  # fmt: skip


def kind_of(path: object) -> Literal["stdout", "lines", "folder"]:
    """What ``path`` names. Raises `SettingsError` for one file of another format: a data set is a folder.

    >>> kind_of("-"), kind_of("events.jsonl.gz"), kind_of("shop")
    ('stdout', 'lines', 'folder')
    """
    if path == "-":
        return "stdout"
    place = Path(path) if isinstance(path, str) and is_url(path) else checked_path(path, "output")
    plain = place.with_suffix("") if place.suffix in (".gz", ".zst") else place
    if plain.suffix in _LINES:
        return "lines"
    if plain.suffix in _TABLES and not place.is_dir():
        folder, ending = str(plain.with_suffix("")), _TABLES[plain.suffix]
        label = f"{path} is the name of one file, and a data set is a folder with files for each event type"
        mend = f'name a folder: "{folder}" with format="{ending}" (--output {folder} --format {ending})'
        if plain.suffix == ".json":
            mend = f'name a file of JSON lines, "{folder}.jsonl", or a folder, "{folder}"'
        raise SettingsError(Diagnostic("a file and a folder", caller_span(), label, mend))
    return "folder"


def destination(path: str | os.PathLike[str], **shape: Any) -> StdOutOutput | FileOutput | ParquetOutput:
    """The output that ``path`` names, of that shape: see `ParquetOutput` for what is given.

    Raises `SettingsError` for what such an output has not.

    >>> destination("events.jsonl.gz"), destination("shop", format="csv")
    (FileOutput('events.jsonl.gz'), ParquetOutput('shop', format='csv'))
    """
    kind = kind_of(path)
    shape = {name: value for name, value in shape.items() if value is not None}
    if kind == "folder":
        return ParquetOutput(path, **shape)
    known = ("compression", "overwrite") if kind == "lines" else ("overwrite",)
    other = [n for n in shape if n not in known and (n, shape[n]) != ("format", "jsonl")]
    if other:
        means = "one file of JSON lines" if kind == "lines" else "JSON lines on standard output"
        option = f"--{other[0].replace('_', '-')} {_on_the_command_line(shape[other[0]])}"
        label = f"{other[0]} ({option}) is for folders; the name in --output {path} means {means}"
        mend = "leave that out, or give the name of a folder"
        raise SettingsError(Diagnostic("a file and a folder", caller_span(), label, mend))
    return FileOutput(path, **shape) if kind == "lines" else StdOutOutput()


def _on_the_command_line(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
