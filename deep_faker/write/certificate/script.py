"""Is this data set what its certificate says? Needs DuckDB and nothing else: python verify.py [FOLDER]."""

from __future__ import annotations

import sys
from pathlib import Path


def faults(folder: Path) -> tuple[list[str], int]:
    """Run verify.sql in the folder: what does not hold, and how many statements there are."""
    import duckdb

    base = duckdb.connect()
    base.execute(f"SET file_search_path = '{str(folder.resolve()).replace(chr(39), chr(39) * 2)}'")
    found: list[str] = []
    count = 0
    for statement in base.extract_statements((folder / "verify.sql").read_text(encoding="utf-8")):
        count += statement.query.lstrip().startswith("INSERT")
        try:
            base.execute(statement)
        except duckdb.Error as error:
            name = " ".join(statement.query.split())[:90]
            found.append(f"cannot be checked: {name} … {str(error).splitlines()[0]}")
    try:
        rows = base.execute("SELECT * FROM certificate WHERE faults > 0 ORDER BY ALL").fetchall()
    except duckdb.Error as error:
        rows = []
        found.append(f"no certificate: {str(error).splitlines()[0]}")
    return [*found, *(f"{check}: {number} faults, such as {shown}" for check, number, shown in rows)], count


def main(folder: Path) -> int:
    """Show each statement that does not hold; 0 where all do."""
    found, count = faults(folder)
    print(*found, f"{count} statements, {len(found)} of them do not hold", sep="\n")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
