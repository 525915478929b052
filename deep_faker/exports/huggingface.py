"""A folder for a hub of data sets: Parquet tables, a card in Markdown, Croissant metadata."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deep_faker.exports.croissant import croissant
from deep_faker.exports.staged import staged
from deep_faker.exports.tables import Tables
from deep_faker.exports.yaml_text import yaml_text
from deep_faker.write.names import folder_of

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
          (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))  # fmt: skip


def huggingface(
    tables: Tables,
    path: object,
    *,
    name: str = "deep_faker",
    description: str = "",
    license: str = "cc0-1.0",  # noqa: A002 - the word of the card
    url: str = "",
    truth: bool = False,
    overwrite: bool = False,
) -> None:
    """A folder with ``data/``, ``README.md`` (the card) and ``croissant.json``, to be uploaded as it is.

    Each table is a configuration of the card, so that ``load_dataset(folder, "Order")`` gives one. Files of a
    Parquet data set on this machine are copied, others are written anew. Croissant describes every file with
    its SHA-256, and each table's columns as a record set; nested columns are text there and left out.
    ``url`` is where it will be found. Tables of ``truth/`` go with it only when ``truth`` says so.
    """
    with staged(path, overwrite=overwrite, folder=True, marker="croissant.json") as place:
        written: dict[str, list[str]] = {}
        for table in tables.source.names():
            if table.startswith("truth/") and not truth:
                continue
            written[table] = _files(tables, table, place)
        files = {file: _entry(place / file) for of in written.values() for file in of}
        about = (
            description
            or f"Events of a simulated world, made by Deep Faker with seed {tables.manifest['seed']}."
        )
        (place / "README.md").write_text(card(tables, written, name, about, license), encoding="utf-8")
        columns = {table: dict(tables.source.columns(table)) for table in written}
        document = croissant(
            columns, written, files, name=name, description=about, license_=license, url=url or f"urn:{name}",
            published=str(tables.manifest["start_time"])[:10],
        )  # fmt: skip
        (place / "croissant.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _files(tables: Tables, table: str, place: Path) -> list[str]:
    """The table's Parquet files, below ``data/``."""
    folder = place / "data" / folder_of(table)
    folder.mkdir(parents=True)
    manifest = tables.manifest
    base = Path(tables.place)
    own = [each for each in _listed(manifest, table) if each.endswith(".parquet")]
    partitioned = manifest.get("tables", {}).get(table, {}).get("partitioned_by")
    if own and not partitioned and all((base / each).is_file() for each in own):
        for each in own:
            shutil.copyfile(base / each, folder / Path(each).name)
    else:
        frame = tables.scan_event(table.removeprefix("events/")) if table.startswith("events/") else None
        (tables.source.scan(table) if frame is None else frame).sink_parquet(folder / "part-00000.parquet")
    return [file.relative_to(place).as_posix() for file in sorted(folder.iterdir())]


def _listed(manifest: Mapping[str, Any], table: str) -> list[str]:
    head = f"{folder_of(table)}/"
    return [str(file["path"]) for file in manifest.get("files", []) if str(file["path"]).startswith(head)]


def _entry(file: Path) -> tuple[str, int]:
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest(), raw.tell()


def card(
    tables: Tables, files: Mapping[str, Sequence[str]], name: str, description: str, license_: str
) -> str:
    """The data set's card: what the hub reads, then what people read."""
    events = sum(tables.source.rows(table) for table in files if table.startswith("events/"))
    configs = [
        {"config_name": config,
         "data_files": [{"split": "train", "path": f"data/{folder_of(table)}/*.parquet"}],
         **({"default": True} if config == next(iter(config_names(files).values())) else {})}
        for table, config in config_names(files).items()
    ]  # fmt: skip
    head = {
        "pretty_name": name,
        "license": license_,
        "size_categories": [next((size for most, size in _SIZES if events < most), "n>1T")],
        "task_categories": ["tabular-classification", "time-series-forecasting"],
        "tags": ["synthetic", "event-stream", "tabular"],
        "configs": configs,
    }
    manifest = tables.manifest
    lines = [f"---\n{yaml_text(head)}---\n", f"# {name}\n", f"{description}\n"]
    lines.append(
        f"{events:,} events from {_instant(manifest['start_time'])} to {_instant(manifest['end_time'])} "
        "(simulated time, UTC). No person or firm in it is real.\n"
    )
    for table, config in config_names(files).items():
        lines += [
            f"## {config}\n",
            f"`{table}`, {tables.source.rows(table):,} rows.\n",
            "| column | type |\n| --- | --- |",
        ]
        lines += [f"| `{column}` | {kind} |" for column, kind in tables.source.columns(table).items()]
        lines.append("")
    versions = ", ".join(f"{package} {version}" for package, version in manifest["versions"].items())
    lines.append(
        f"Made with seed {manifest['seed']}, {versions}: the same program with these gives the same bytes.\n"
    )
    return "\n".join(lines)


def config_names(tables: Mapping[str, object]) -> dict[str, str]:
    """Each table's name as a configuration: an event type's own, others with their group.

    >>> config_names({"events/Order": 0, "history/Order": 0, "sessions": 0})
    {'events/Order': 'Order', 'history/Order': 'history_Order', 'sessions': 'sessions'}
    """
    return {
        table: folder_of(table.removeprefix("events/")).replace("/", "_")
        for table in sorted(tables, key=lambda table: (not table.startswith("events/"), table))
    }


def _instant(text: object) -> str:
    return dt.datetime.fromisoformat(str(text)).isoformat(sep=" ")
