"""The text of a certificate: views over the files, then each statement's faults into one table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.write.certificate.check import EVENTS, Check, Shape, literal, quoted
from deep_faker.write.certificate.entities import entity_checks, history_checks, holding_checks
from deep_faker.write.certificate.rows import count_checks, event_checks, session_checks, table_checks

FACTS = "-- promised: "
_HEAD = """\
-- What holds of this data set, in DuckDB's SQL. Run it in this folder: duckdb < verify.sql, or python verify.py
-- Each statement's faults are counted in the table certificate; the last query shows those that have any.
"""


def sql_text(manifest: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> str:
    """The certificate of a data set as SQL. ``facts``: what its plan promises, as plain values.

    Raises `DatasetError` where the data set is not one of Parquet files with the exact order.
    """
    shape = Shape(manifest, facts or {})
    if manifest["layout"] != "parquet":
        label, mend = f"it is of {manifest['layout']}", 'DuckDB reads Parquet: run with format="parquet"'
        raise DatasetError(Diagnostic("no certificate of these files", None, label, mend))
    events = shape.group("events")
    if any("sys__order" not in shape.tables[f"events/{name}"] for name in events):
        label = "events have no sys__order"
        raise DatasetError(Diagnostic("no exact order", None, label, "run again: this version keeps it"))
    lines = [_HEAD, f"{FACTS}{json.dumps(facts, ensure_ascii=False)}\n\n"]
    lines += [f"{text};\n" for text in _views(shape)]
    table = 'CREATE OR REPLACE TEMP TABLE certificate ("check" VARCHAR, faults BIGINT, example VARCHAR)'
    lines.append(f"\n{table};\n")
    for check in checks(shape):
        lines.append(
            f"\nINSERT INTO certificate SELECT {literal(check.name)}, count(*), min(thing)::VARCHAR\n"
            f"FROM ({check.query}) faulty(thing);\n"
        )
    lines.append("\nSELECT * FROM certificate WHERE faults > 0 ORDER BY ALL;\n")
    return "".join(lines)


def checks(shape: Shape) -> Iterator[Check]:
    """All statements about a data set."""
    yield from table_checks(shape)
    if shape.group("events"):
        yield from event_checks(shape)
        if "sessions" in shape.tables:
            yield from session_checks(shape)
            yield from holding_checks(shape)
        yield from entity_checks(shape)
        yield from history_checks(shape)
    if "sessions" in shape.tables:
        yield from count_checks(shape)


def _views(shape: Shape) -> Iterator[str]:
    for table in shape.tables:
        hive = bool(shape.manifest["tables"][table].get("partitioned_by"))
        options = f"filename = true, file_row_number = true, hive_partitioning = {str(hive).lower()}, union_by_name = false"
        options += ", hive_types_autocast = false" if hive else ""
        part = (
            ", regexp_extract(filename, 'part-([0-9]+)-[0-9]+[.][a-z]+$', 1) AS part"
            if table.startswith("events/")
            else ""
        )
        yield (
            (
                f"CREATE OR REPLACE TEMP VIEW {quoted(table)} AS\n"
                f"SELECT * FROM read_parquet({literal(shape.folder(table))}, {options})"
            )
            if not part
            else (
                f"CREATE OR REPLACE TEMP VIEW {quoted(table)} AS\n"
                f"SELECT *{part} FROM read_parquet({literal(shape.folder(table))}, {options})"
            )
        )
    common = "sys__eid, sys__ets, sys__sid, sys__time, sys__order, part, filename, file_row_number"
    selects = [
        f"SELECT {literal(name)} AS event_type, {common} FROM {quoted(f'events/{name}')}"
        for name in shape.group("events")
    ]
    if selects:
        yield f"CREATE OR REPLACE TEMP VIEW {EVENTS} AS\n" + "\nUNION ALL ".join(selects)
    for entity in shape.group("history"):
        if entity in shape.keys:
            k = quoted(shape.keys[entity][0])
            before = ", ".join(
                f"lag({quoted(name)}) OVER w AS {quoted('was_' + name)}"
                for name in (*shape.fields(entity), "valid_to", "sys__order")
            )
            yield (
                f"CREATE OR REPLACE TEMP VIEW {quoted(f'steps/{entity}')} AS\n"
                f"SELECT *, {before} FROM {quoted(f'history/{entity}')} WINDOW w AS (PARTITION BY {k} ORDER BY sys__version)"
            )
