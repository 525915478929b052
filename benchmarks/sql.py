"""Rows a second into MariaDB and PostgreSQL, against the bare statements with the same rows, ready-made.

    python benchmarks/sql.py --rows 600000

Private servers are started on the loopback interface with their own durable defaults. Each case is a
process of its own; the clock runs from the connection to the last COMMIT. The bare cases have all their SQL
text ready before that and only send it, 50,000 rows a transaction, as the outputs do; the outputs make theirs
from columns meanwhile.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from deep_faker import BaseEvent, MySQLOutput, PostgresOutput  # noqa: E402
from deep_faker.declare.schema import event_spec  # noqa: E402
from deep_faker.outputs import EventChunk, RunInfo  # noqa: E402
from deep_faker.write.sql import output as sql_output  # noqa: E402
from deep_faker.write.sql.layout import event_shape  # noqa: E402
from deep_faker.write.sql.mysqldb import as_file  # noqa: E402
from deep_faker.write.sql.text import insert_rows, pieces, tab_rows  # noqa: E402
from tests.support.servers.sql_servers import DATABASE, PASSWORD, USER, MariaDB, PostgreSQL  # noqa: E402

CASES = {
    "mysql": ["insert-bare", "insert", "load-bare", "load"],
    "postgres": ["copy-bare", "copy"],
}


class Viewed(BaseEvent):
    user_id: str
    price: float
    count: int
    platform: str
    ok: bool
    at: dt.datetime
    note: str


def rows(n: int) -> pa.Table:
    """Ten columns, some 120 bytes a row."""
    rng = np.random.default_rng(1)
    letters = np.frombuffer(b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", np.uint8)

    def ids(length: int) -> pa.Array:
        text = letters[rng.integers(0, 57, n * length)]
        offsets = np.arange(n + 1, dtype=np.int32) * length
        return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))

    clock = np.sort(rng.integers(1_704_067_200_000_000, 1_704_153_600_000_000, n))
    columns = {
        "sys__eid": ids(12),
        "sys__ets": pa.array(clock // 1000),
        "sys__sid": ids(8),
        "user_id": ids(8),
        "price": pa.array(np.round(rng.lognormal(3, 0.5, n), 2)),
        "count": pa.array(rng.integers(0, 1000, n)),
        "platform": pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(0, 3, n).astype(np.int32)), pa.array(["web", "mobile", "api"])
        ),
        "ok": pa.array(rng.random(n) < 0.5),
        "at": pa.array(clock).cast(pa.timestamp("us")),
        "note": pa.array([f"it's note {i}" for i in rng.integers(0, 10**6, n)]),
    }
    table = pa.table(columns)
    return table.cast(pa.schema([f.with_nullable(False) for f in table.schema]))


def info(table: pa.Table) -> RunInfo:
    spec = event_spec(Viewed)
    return RunInfo(1, 0, 1, 1, {"Viewed": spec}, {}, {"Viewed": table.schema}, run_id="bench")


def child(case: str, port: int, n: int) -> None:
    """One case; prints what was measured."""
    table = rows(n)
    there = {"host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD, "database": DATABASE}
    kind = PostgresOutput if case.startswith("copy") else MySQLOutput
    bulk = {"bulk": "load"} if case.startswith("load") else {}
    # rows that `bare` has written are none of the output's own: it must not mind them
    output = kind(**there, table_mapping={"Viewed": "viewed"}, append=True, **bulk)
    shape = event_shape("viewed", table.schema, event_spec(Viewed).by_name, info(table))
    cuts = [table.slice(first, sql_output.SLICE) for first in range(0, n, sql_output.SLICE)]
    ready = []
    if case == "insert-bare":
        ready = [[b"".join(p) for p in _inserts(shape, cut)] for cut in cuts]
    elif case.endswith("bare"):
        ready = [tab_rows(cut, shape) for cut in cuts]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    output.open(info(table))
    if ready:
        _bare(case, output, ready, shape)
    else:
        for first in range(0, n, 131_072):
            piece = table.slice(first, 131_072)
            output.write(
                EventChunk({"Viewed": piece}, np.zeros(piece.num_rows, np.uint16), ("Viewed",), first)
            )
    output.finish()
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": round(seconds, 3), "more_mib": (after - before) // 1024}))


def _inserts(shape, cut):
    names = ", ".join(f"`{column.name}`" for column in shape.columns)
    head = f"INSERT INTO viewed ({names}) VALUES ".encode()
    for text in pieces(insert_rows(cut, shape), 4 << 20):
        yield head, bytes(text[:-1])


def _bare(case, output, ready, shape) -> None:
    connection = output._database.connection
    names = ", ".join(column.name if column.name != "count" else "`count`" for column in shape.columns)
    for part in ready:
        if case == "insert-bare":
            for statement in part:
                connection.query(statement)
        elif case == "load-bare":
            with as_file([part]) as path:
                connection.query(
                    f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE viewed CHARACTER SET utf8mb4"
                    f" FIELDS TERMINATED BY 0x09 ESCAPED BY 0x5C LINES TERMINATED BY 0x0A ({names})"
                )
        else:
            with connection.cursor() as cursor, cursor.copy("COPY viewed FROM STDIN") as copy:
                for text in pieces(part, 1 << 20):
                    copy.write(text)
        connection.commit()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case")
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    if given.case:
        child(given.case, given.port, given.rows)
        return
    found: dict[str, list[dict[str, float]]] = {}
    for system, make in (("mysql", MariaDB), ("postgres", PostgreSQL)):
        with make() as server:
            for _ in range(given.repeat):
                for case in CASES[system]:
                    command = [sys.executable, __file__, "--case", case, "--port", str(server.port)]
                    done = subprocess.run(
                        [*command, "--rows", str(given.rows)], stdout=subprocess.PIPE, text=True, check=True
                    )
                    found.setdefault(case, []).append(json.loads(done.stdout.splitlines()[-1]))
                    counted = server.rows("SELECT COUNT(*) FROM viewed")
                    assert [tuple(counted[0])] == [(given.rows,)], counted
                    with server.connect() as connection, connection.cursor() as cursor:
                        cursor.execute("DROP TABLE viewed")
    best = {case: min(run["seconds"] for run in runs) for case, runs in found.items()}
    for case, runs in found.items():
        against = f"  {best[f'{case}-bare'] / best[case]:.2f} of bare" if f"{case}-bare" in best else ""
        memory = max(run["more_mib"] for run in runs)
        print(f"{case:12} {given.rows / best[case]:10,.0f} rows/s  +{memory} MiB{against}")
    now = dt.datetime.now(dt.UTC)
    result = {
        "date": now.isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("pyarrow", "PyMySQL", "psycopg")},
        "rows": given.rows,
        "cases": found,
    }
    file = HERE / "results" / f"sql-{now:%Y-%m-%d-%H%M}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
