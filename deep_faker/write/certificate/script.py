"""Is this data set what its certificate says? Needs DuckDB and nothing else: python verify.py [FOLDER]."""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: Path) -> int:
    """Run verify.sql in the folder, show each statement that does not hold; 0 where all do."""
    import duckdb

    base = duckdb.connect()
    base.execute(f"SET file_search_path = '{str(folder.resolve()).replace(chr(39), chr(39) * 2)}'")
    faults: list[str] = []
    count = 0
    for statement in base.extract_statements((folder / "verify.sql").read_text(encoding="utf-8")):
        count += statement.query.lstrip().startswith("INSERT")
        try:
            base.execute(statement)
        except duckdb.Error as error:
            name = " ".join(statement.query.split())[:70]
            faults.append(f"cannot be checked: {name} … {str(error).splitlines()[0]}")
    try:
        found = base.execute("SELECT * FROM certificate WHERE faults > 0 ORDER BY ALL").fetchall()
    except duckdb.Error as error:
        found = []
        faults.append(f"no certificate: {str(error).splitlines()[0]}")
    faults += [f"{check}: {number} faults, such as {example}" for check, number, example in found]
    print(*faults, f"{count} statements, {len(faults)} of them do not hold", sep="\n")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
