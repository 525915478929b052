"""Growing columns, and rows that are found again when their time has come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deep_faker.plan import Array

I64 = npt.NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
EMPTY: I64 = np.empty(0, np.int64)


class Column:
    """One growing array. Generated code holds the column and reads ``a`` anew each time."""

    __slots__ = ("a", "fill")

    def __init__(self, dtype: npt.DTypeLike, fill: object, capacity: int = 0) -> None:
        self.fill = fill
        self.a: Array = np.full(capacity, fill, dtype)

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` rows; new ones hold ``fill``."""
        old = self.a
        self.a = np.zeros(capacity, old.dtype) if not self.fill else np.empty(capacity, old.dtype)
        self.a[: len(old)] = old
        if self.fill or old.dtype == np.dtype(object):  # zeros cost nothing until they are used
            self.a[len(old) :] = self.fill


class Columns:
    """Columns of one length, growing together by doubling.

    >>> columns = Columns()
    >>> clock = columns.add("clock", np.int64, -1)
    >>> columns.reserve(3)
    >>> clock.a[:3].tolist()
    [-1, -1, -1]
    """

    def __init__(self) -> None:
        self.capacity = 0
        self.by_name: dict[str, Column] = {}

    def add(self, name: str, dtype: npt.DTypeLike, fill: object) -> Column:
        column = self.by_name[name] = Column(dtype, fill, self.capacity)
        return column

    def reserve(self, rows: int) -> None:
        if rows > self.capacity:
            self.capacity = max(rows, self.capacity + min(self.capacity, 1 << 20), 64)
            for column in self.by_name.values():
                column.grow(self.capacity)


class Agenda:
    """Which rows are due, without looking at all of them at every step.

    ``when`` says when each row is due (`NEVER`: not at all). Rows due before ``horizon`` are in a short
    list; when time passes the horizon, one scan over all rows makes the next list. The scan's span
    follows what it finds: few rows, a longer span.
    """

    def __init__(self, when: Column, span: int) -> None:
        self.when = when
        self.span = span
        self.horizon = -NEVER
        self.near: I64 = EMPTY
        self.fresh: list[I64] = []

    def add(self, rows: I64, when: I64) -> None:
        """Rows whose time was set (in ``when.a`` too); those beyond the horizon are found later."""
        soon = when < self.horizon
        if soon.all():
            self.fresh.append(rows)
        elif soon.any():
            self.fresh.append(rows[soon])

    def due(self, limit: int, used: int) -> I64:
        """Takes out the rows due before ``limit``, of the first ``used`` rows."""
        self._merge()
        if limit > self.horizon:
            self._scan(limit, used)
        if not len(self.near):
            return EMPTY
        ready = np.take(self.when.a, self.near, mode="clip") < limit
        if not ready.any():
            return EMPTY
        rows = self.near[ready]
        self.near = self.near[~ready]
        return rows

    def next(self, used: int) -> int:
        """When the first row of all is due (`NEVER`: none is)."""
        self._merge()
        while True:
            if len(self.near):
                soonest = int(np.take(self.when.a, self.near, mode="clip").min())
                if soonest < self.horizon:
                    return soonest
            soonest = int(self.when.a[:used].min()) if used else NEVER
            if soonest == NEVER:
                return NEVER
            self._scan(soonest + 1, used)

    def _merge(self) -> None:
        if self.fresh:
            self.near = np.concatenate([self.near, *self.fresh])
            self.fresh = []

    def _scan(self, limit: int, used: int) -> None:
        self.horizon = min(limit + self.span, NEVER)
        when = self.when.a[:used]
        self.near = np.flatnonzero(when < self.horizon)
        # The list should be long against a step's harvest and short against all rows.
        if len(self.near) * 8 > used > 4096:
            self.span = max(self.span // 2, 1)
        elif len(self.near) * 64 < used or used <= 4096:
            self.span = min(self.span * 2, 1 << 60)


def joined(parts: Sequence[Array]) -> Array:
    """One array of one or more parts; a single one is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def distinct(parts: Sequence[I64], size: int) -> I64:
    """The distinct row numbers of all parts, ascending; all are below ``size``."""
    if not parts:
        return EMPTY
    rows = joined(parts)
    if len(rows) * 32 > size:  # marking and finding costs 0.1 ns for each row that there is
        mark = np.zeros(size, np.bool_)
        mark[rows] = True
        return np.flatnonzero(mark)
    rows = np.sort(rows)
    return rows[np.concatenate([[True], rows[1:] != rows[:-1]])] if len(rows) else rows
