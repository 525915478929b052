"""Merges of very many lanes, by way of files: what is open at once does not grow with the parts.

A Parquet file that is being read holds a page of each column: some 20 MB of a large one. Where all lanes
together would hold more than `BUDGET`, those of one type are merged, some at a time, into a file of small
stretches, of which hundreds can be read at once. Each row is so written and read once more for each
hundredfold of lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deep_faker.run.giving_back import give_back
from deep_faker.run.replay.merge import Lane, Merged, merged

BUDGET = 128 << 20
"""Bytes that lanes which are read at once may hold, about."""
_ROWS = 1024  # of a stretch in a spilled file
_SPILLED = 1 << 20  # what such a file holds while it is read


@dataclass(frozen=True)
class Opener:
    """A lane before its turn: ``open`` gives its rows, so many at a time; then it holds ``cost`` bytes."""

    open: Callable[[int], Iterator[pa.Table]]
    cost: int


def merged_by_files(
    lanes: Mapping[str, Sequence[Opener]],
    names: tuple[str, ...],
    folder: Callable[[], Path],
    *,
    budget: int = BUDGET,
) -> Iterator[Merged]:
    """The rows of all lanes, by type, in one order; ``folder`` gives the place for files, if any is needed.

    A file is removed when it has been read.
    """
    asked = {name: list(some) for name, some in lanes.items() if some}
    made = 0
    while _cost(opener for some in asked.values() for opener in some) > budget:
        groups = {name: list(_groups(some, budget)) for name, some in asked.items()}
        if all(len(some) == 1 and some[0].cost <= _SPILLED for some in asked.values()):
            break  # a file for each type: of these there are no more than the program has
        asked = {}
        for name, parts in groups.items():
            for group in parts:
                asked.setdefault(name, []).append(_spilled(name, group, folder() / f"{made}.arrows"))
                made += 1
    yield from merged([Lane(name, each.open(_ROWS)) for name, some in asked.items() for each in some], names)


def _cost(openers: Iterator[Opener]) -> int:
    return sum(opener.cost for opener in openers)


def _groups(openers: Sequence[Opener], budget: int) -> Iterator[list[Opener]]:
    """Lanes that can be read at once, two at least where there are two."""
    group: list[Opener] = []
    for opener in openers:
        if len(group) > 1 and _cost(iter([*group, opener])) > budget:
            yield group
            group = []
        group.append(opener)
    yield group


def _spilled(name: str, openers: Sequence[Opener], path: Path) -> Opener:
    """The lanes of one type as one, in a file."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    writer = None
    with pa.OSFile(str(path), "wb") as sink:
        try:
            for stretch in merged([Lane(name, each.open(_ROWS)) for each in openers], (name,)):
                table = stretch.tables[name]
                writer = writer or pa.ipc.new_stream(sink, table.schema, options=options)
                writer.write_table(table, max_chunksize=_ROWS)
        finally:
            if writer is not None:
                writer.close()
    is_empty = writer is None
    give_back()

    def read(_: int) -> Iterator[pa.Table]:
        if not is_empty:
            with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    yield pa.Table.from_batches([batch])
        path.unlink()

    return Opener(read, _SPILLED)
