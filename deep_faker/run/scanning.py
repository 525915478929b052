"""A simulation as a source of lazy Polars queries, with what they need of it pushed down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from deep_faker.run.batches import frame_of

if TYPE_CHECKING:
    import polars as pl

    from deep_faker.run.batches import Batches


def scanned(batches: Batches[pl.DataFrame]) -> pl.LazyFrame:
    """The batches of one event type as a lazy frame.

    Polars says which columns a query needs, which rows it keeps, and how many it takes: only these columns
    are drawn, and the run ends with the last row that is taken.
    """
    from polars.io.plugins import register_io_source

    names = list(batches.schema)

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # a hint: batches have the rows that were asked for
        wanted = names if columns is None else columns
        needed = set(wanted) if predicate is None else {*wanted, *predicate.meta.root_names()}
        # a frame without columns has no rows: some column stands for them
        drawn = [name for name in names if name in needed] or names[:1]
        left = n_rows
        with closing(batches.select(drawn).tables()) as tables:
            while left is None or left > 0:
                table = next(tables, None)
                if table is None:
                    return
                frame = frame_of(table if left is None else table.slice(0, left))
                if left is not None:
                    left -= frame.height
                yield (frame if predicate is None else frame.filter(predicate)).select(wanted)

    return register_io_source(
        source,
        schema=dict(batches.schema),
        is_pure=True,
        explain_name="DEEP_FAKER",
        explain_detail=repr(batches),
    )
