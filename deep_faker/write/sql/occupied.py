"""What lies in a run's tables before it, and whose it is (R6): refused, added to, or replaced.

While a run is under way, `PROGRESS` holds a row for each table that it writes, its claim, beside the row
that says how far it is. Who replaces the rows of a table removes all that the table's runs have there, so
that none of them can be resumed as though its rows still stood.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deep_faker.errors import Diagnostic, OutputExistsError
from deep_faker.write.sql.database import PROGRESS, Database
from deep_faker.write.whole.staging import guarded_place

_COUNTED = 1_000_000  # rows: beyond that the number is not worth the time to find it out


class Occupied:
    """The tables that one output writes, in one database."""

    def __init__(self, database: Database, tables: Sequence[str]) -> None:
        self._database, self.tables = database, tuple(tables)

    def check(self, kind: str) -> None:
        """Raise `OutputExistsError` where a table has rows. ``kind`` is the output's name, for the mend."""
        lines = []
        for table in self.tables:
            rows = self._rows(table, _COUNTED + 1)
            if rows:
                number = f"more than {_COUNTED:,}" if rows > _COUNTED else f"{rows:,}"
                whose = "of a run that has not ended" if self._runs(table) else "that this run did not write"
                lines.append(f"table {table} holds {number} row{'s' if rows > 1 else ''} {whose}")
        if lines:
            raise OutputExistsError(
                Diagnostic(
                    f"{self._database.place} holds data already",
                    None,
                    "\n".join(lines) + "\nnothing was written",
                    "pass overwrite=True (--overwrite) to replace them, "
                    f"{kind}(append=True) to add to them, or map the types to other tables",
                )
            )

    def holds(self, written: Mapping[str, int]) -> bool:
        """Whether each table has as many rows as ``written`` says."""
        return all(self._rows(table) == written.get(table, 0) for table in self.tables)

    def counts(self) -> dict[str, int]:
        """The rows of each table."""
        return {table: self._rows(table) for table in self.tables}

    def clear(self) -> None:
        """Delete all rows, and what runs that wrote here have in `PROGRESS`; the caller commits."""
        database = self._database
        progress = database.quoted(PROGRESS)
        for table in self.tables:
            # first this, which a run that is still going locks for each of its slices, and then misses
            for run in self._runs(table):
                database.execute(f"DELETE FROM {progress} WHERE run_id = %s", run)  # noqa: S608 - a fixed name
        for table in self.tables:
            # not TRUNCATE: readers see the old rows until the commit, and a rollback brings them back
            database.execute(f"DELETE FROM {database.quoted(table)}")  # noqa: S608 - names are quoted

    def claim(self, run_id: str) -> None:
        """Note that the run writes these tables."""
        progress = self._database.quoted(PROGRESS)
        self.release(run_id)
        for table in self.tables:
            statement = f"INSERT INTO {progress} (run_id, output_id, events) VALUES (%s, %s, 0)"  # noqa: S608
            self._database.execute(statement, run_id, _claim(table))

    def release(self, run_id: str) -> None:
        """Remove the run's claims."""
        progress = self._database.quoted(PROGRESS)
        for table in self.tables:
            statement = f"DELETE FROM {progress} WHERE run_id = %s AND output_id = %s"  # noqa: S608
            self._database.execute(statement, run_id, _claim(table))

    def is_free(self, table: str) -> bool:
        """Whether a table has no rows, and no run has a claim on it."""
        return not self._rows(table, 1) and (table == PROGRESS or not self._runs(table))

    def _runs(self, table: str) -> list[str]:
        if not self._database.exists(PROGRESS):
            return []
        query = f"SELECT run_id FROM {self._database.quoted(PROGRESS)} WHERE output_id = %s"  # noqa: S608
        return [str(row[0]) for row in self._database.execute(query, _claim(table))]

    def _rows(self, table: str, most: int | None = None) -> int:
        if not self._database.exists(table):
            return 0
        counted = self._database.quoted(table)
        if most is not None:
            counted = f"(SELECT 1 FROM {counted} LIMIT {most}) counted"  # noqa: S608 - names are quoted
        counts = self._database.execute(f"SELECT COUNT(*) FROM {counted}")  # noqa: S608
        return int(counts[0][0])


class Marks:
    """Notes beside the run's checkpoints: what has been committed, where the database no longer says so."""

    def __init__(self, scratch: Path | None) -> None:
        self._scratch = scratch

    def set(self, name: str, value: int = 0) -> None:
        """Note ``value`` under ``name``, for good."""
        if self._scratch is None:
            return
        path, new = self._scratch / name, self._scratch / f".{name}"
        with guarded_place(self._scratch, "the checkpoint before it is whole"):
            with new.open("w") as file:
                file.write(str(value))
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)

    def get(self, name: str) -> int | None:
        """What was noted under ``name``; None: nothing."""
        path = None if self._scratch is None else self._scratch / name
        return int(path.read_text()) if path is not None and path.is_file() else None


def _claim(table: str) -> str:
    return f"table {hashlib.sha256(table.encode()).hexdigest()[:16]}"
