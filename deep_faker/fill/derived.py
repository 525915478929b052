"""Makers of fields that depend on other fields of their event: ``derive=`` and ``of=``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from deep_faker.compile.lower.derive import Derived, local_of
from deep_faker.declare.schema import EventSpec, FieldSpec, Rejection, to_kind
from deep_faker.errors import DeepFakerError, Diagnostic, InvalidValueError, shown
from deep_faker.expressions import column_source
from deep_faker.fill.typed import typed_values
from deep_faker.plan import Array, Type
from deep_faker.plan.conversion import UnstorableError, convert, to_arrow_list
from deep_faker.plan.storage import from_arrow, from_python, to_arrow
from deep_faker.values import Related, Rows

Columns: TypeAlias = Mapping[str, pa.Array]
_Run: TypeAlias = Callable[..., tuple[Array, Array | None]]


class Making(Protocol):
    """Makes one field's values from the values of the fields that it depends on."""

    needs: tuple[str, ...]
    how: str
    detail: str

    def column(self, rows: Rows, others: Columns) -> pa.Array: ...


class DependentMaker:
    """Makes a field from others; what is not there of them is generated too."""

    def __init__(
        self, event: EventSpec, spec: FieldSpec, making: Making, other: Callable[[str, Rows], pa.Array]
    ) -> None:
        self.event, self.spec, self._making, self._other = event.name, spec, making, other
        self.needs, self.how, self.detail = making.needs, making.how, making.detail
        none = np.empty(0, np.uint64)
        self.type: pa.DataType = self.column(Rows(none, none, np.empty(0, np.int64))).type

    def column(self, rows: Rows, attempt: int = 0, others: Columns | None = None) -> pa.Array:
        """The converted values for ``rows``; ``others`` are columns of other fields, in the same rows."""
        del attempt  # nothing is drawn: a second time gives the same
        known = others or {}
        plain = replace(rows, rank=None)  # as it is made without the stream's order
        needed = {name: known[name] if name in known else self._other(name, plain) for name in self.needs}
        return self._making.column(rows, needed)

    def one(self, flow: int, action: int, clock: int, attempt: int = 0) -> object:
        """The same value as a Python object."""
        return typed_values(self.column(Rows.of(flow, action, clock), attempt), self.spec)[0]


class DefaultMaker:
    """Makes the keys of a field without a generator: what its default factory gives, or its one default."""

    needs: tuple[str, ...] = ()
    how, detail = "row", "its default"

    def __init__(self, event: str, spec: FieldSpec) -> None:
        self.event, self.spec = event, spec
        self.type: pa.DataType = to_arrow_list([], spec).type

    def column(self, rows: Rows, attempt: int = 0, others: Columns | None = None) -> pa.Array:
        """A value for each of ``rows``."""
        del attempt, others
        return to_arrow_list([self.spec.make_default() for _ in range(len(rows))], self.spec)

    def one(self, flow: int, action: int, clock: int, attempt: int = 0) -> object:
        """One of them."""
        del flow, action, clock, attempt
        return self.spec.make_default()


class RelatedMaking:
    """``of=``: a provider's values that agree with those of other fields."""

    def __init__(self, spec: FieldSpec, related: Related) -> None:
        assert spec.generator is not None, "a generated field"
        self._spec, self._related = spec, related
        self.needs, self.how, self.detail = spec.generator.of, related.how, related.detail

    def column(self, rows: Rows, others: Columns) -> pa.Array:
        values = tuple(others[name] for name in self.needs)
        return convert(self._related.column(rows, values), self._related.kind, self._spec)


class DerivedMaking:
    """``derive=``: an expression by column, else a function of rows."""

    def __init__(self, event: EventSpec, how: Derived) -> None:
        self._event, self._derived, self._spec = event, how, how.field
        self.needs = how.reads
        self.how = "row" if how.by_row else "column"
        self.detail = how.by_row or f"of {', '.join(how.reads)}" if how.reads else how.by_row or ""
        self._run = _function(how) if how.expr is not None else None

    def column(self, rows: Rows, others: Columns) -> pa.Array:
        try:
            if self._run is None:
                return self._by_row(len(rows), others)
            return self._by_column(len(rows), others)
        except DeepFakerError:
            raise
        except Exception as error:  # whatever the user's function raises
            name = f"{self._event.name}.{self._spec.name}"
            label = f"{name}: {type(error).__name__}: {error}"
            raise InvalidValueError(
                Diagnostic(f"derive failed for {name}", self._spec.span, label, "let it work for every event")
            ) from error

    def _by_column(self, n: int, others: Columns) -> pa.Array:
        how = self._derived
        assert how.expr is not None
        assert self._run is not None
        columns: list[Array | None] = []
        for name in how.reads:
            type_ = how.types[local_of(name)]
            values, nulls = _storage(others[name], type_, self._event.by_name[name])
            columns += [values, nulls] if type_.optional else [values]
        values, nulls = self._run(n, *columns)
        type_ = how.expr.type
        if type_.kind in ("object", "none"):
            return self._lax([None] * n if type_.kind == "none" else values.tolist())
        array = to_arrow(values, nulls, type_, how.texts)
        return convert(array, "str" if type_.kind == "code" else type_.kind, self._spec)

    def _by_row(self, n: int, others: Columns) -> pa.Array:
        columns = {name: typed_values(others[name], self._event.by_name[name]) for name in self.needs}
        # a call for each event: `explain` says so, and why
        rows = [_View({name: column[row] for name, column in columns.items()}) for row in range(n)]
        return self._lax([self._derived.function(row) for row in rows])

    def _lax(self, values: list[object]) -> pa.Array:
        """Values of no single type: pydantic decides on each (V1)."""
        spec, valid = self._spec, []
        for value in values:
            parsed = value if value is None else to_kind(spec, value)
            if isinstance(parsed, Rejection):
                name = f"{self._event.name}.{spec.name}"
                label = f"{value!r}: {parsed.reason}"
                raise InvalidValueError(
                    Diagnostic(f"invalid value for {name}", spec.span, label, "mend the function of derive=")
                )
            valid.append(parsed)
        try:
            return to_arrow_list(valid, spec)
        except UnstorableError as error:
            name = f"{self._event.name}.{spec.name}"
            label = f"{shown(error.value)}: {error.reason}"
            raise InvalidValueError(
                Diagnostic(f"invalid value for {name}", spec.span, label, error.mend)
            ) from None


class _View:
    """The event as its function sees it: the earlier fields as attributes, or by name in brackets."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.__dict__.update(values)

    def __getitem__(self, name: str) -> object:
        return self.__dict__[name]


def _function(how: Derived) -> _Run:
    """The expression as a function of columns."""
    assert how.expr is not None
    source = column_source(how.expr, how.types, how.texts, "d_")
    names = [
        n
        for name, type_ in how.types.items()
        for n in ([name, f"{name}__null"] if type_.optional else [name])
    ]
    lines = [f"def run({', '.join(['n', *names])}):", *(f"    {line}" for line in source.lines)]
    lines.append(f"    return {source.value}, {source.nulls}")
    space: dict[str, Any] = dict(source.env)
    exec("\n".join(lines), space)  # noqa: S102 - the user's own expression, translated
    run: _Run = space["run"]
    return run


def _storage(array: pa.Array, type_: Type, spec: FieldSpec) -> tuple[Array, Array | None]:
    if type_.kind != "object":
        return from_arrow(array, type_)
    return from_python(typed_values(array, spec), type_, ())
