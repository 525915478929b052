"""What the generated functions of one flow call for all that is more than a numpy expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from deep_faker.declare.operators import check_condition
from deep_faker.declare.schema import check_state_value
from deep_faker.draws.distributions.drawn import FUNCTIONS, OF_DISTRIBUTIONS
from deep_faker.draws.ids import flow_counter, scramble, texts
from deep_faker.draws.to_micros import wait_micros
from deep_faker.expressions import row_function
from deep_faker.plan import Array, Expr, FlowTable, Type
from deep_faker.plan.storage import from_python, to_python
from deep_faker.simulate import computed
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.changes import Item, Masked, Who, recast, value_type
from deep_faker.simulate.columns.holding import hold_born, let_go, use
from deep_faker.simulate.failures import not_held, stalled
from deep_faker.spans import Span

if TYPE_CHECKING:
    from deep_faker.simulate.columns.world import World

Given = tuple[str, str, Array, "Array | None", Type]  # field, operator, values, nulls, their type
_NATURAL = {"f": Type("float"), "i": Type("int"), "u": Type("int"), "b": Type("bool"), "O": Type("object")}


class Runtime:
    """The functions behind ``R.`` in generated source."""

    def __init__(self, world: World, flow: FlowTable) -> None:
        self.world, self.flow = world, flow
        self.texts = world.plan.texts
        self.tables = world.store.tables
        self.changes = world.changes
        self.slots = world.slots
        self._fixed: dict[int, object] = {}
        self._sessions = world.draws.id_key("sid")

    # ------------------------------------------------------------ values

    def recast(self, values: Array, nulls: Array | None, have: Type, want: Type) -> Masked:
        return recast(values, nulls, have, want, self.texts)

    def python(self, values: Array, nulls: Array | None, type_: Type) -> list[object]:
        return to_python(values, nulls, type_, self.texts)

    def rows(self, values: Array, nulls: Array | None, type_: Type) -> Array:
        """The Python values as an array: a list could be taken for one argument of all rows."""
        return np.fromiter(self.python(values, nulls, type_), object, len(values))

    def fixed(self, expr: Expr) -> object:
        """The value of an expression without locals."""
        if id(expr) not in self._fixed:
            self._fixed[id(expr)] = row_function(expr)()
        return self._fixed[id(expr)]

    def use(self, entity: str, rows: I64, numbers: I64) -> None:
        use(self.world, entity, rows, numbers)

    def let_go(self, entity: str, rows: I64) -> None:
        let_go(self.world, entity, rows)

    def session(self, number: Array) -> Array:
        draws = self.world.draws
        characters = scramble(self._sessions, flow_counter(draws.partition, draws.partitions, number), 8)
        return np.fromiter(texts(characters), object, len(number))

    def early(self, event: str, name: str, number: Array, action: Array, clock: Array) -> Masked:
        return self.world.fields.early(event, name, number, action, clock)

    def draw(self, function: str, want: Type, u: Array, *args: object) -> Masked:
        """One draw a row, by column where the function has a form for arrays."""
        array = FUNCTIONS[function].array
        plain = function in OF_DISTRIBUTIONS or all(isinstance(a, (int, float, np.ndarray)) for a in args)
        if array is None or not plain:
            return self.draw_rows(function, want, u, *args)
        try:
            with np.errstate(all="ignore"):  # infinity and nan are Python's own results
                values = array(u, *args)
        except (OverflowError, TypeError, ValueError, IndexError, ArithmeticError):
            # Python decides, value by value, whether there is an error, and which.
            return self.draw_rows(function, want, u, *args)
        have = _NATURAL[values.dtype.kind]
        if have.kind == want.kind and not want.optional:
            return values, None
        return recast(values, None, have, want, self.texts)

    def draw_rows(self, function: str, want: Type, u: Array, *args: object) -> Masked:
        scalar = FUNCTIONS[function].scalar
        columns = [_rows(arg, len(u)) for arg in args]
        return from_python(list(map(scalar, u.tolist(), *columns)), want, self.texts)

    # ------------------------------------------------------------ waits

    def wait(
        self, kind: str, params: tuple[Any, ...], unit: int, key: int, number: Array, action: Array
    ) -> I64:
        return wait_micros(kind, params, unit, key, number, action.view(np.uint64))

    def varying(
        self, kind: str, params: tuple[Any, ...], unit: int, span: Span
    ) -> tuple[Any, ...] | computed.Doubted:
        """Parameters of a distribution that the flow computed."""
        return computed.parameters(kind, params, unit, span)

    def fitting(self, params: tuple[Any, ...] | computed.Doubted, unit: int, span: Span) -> tuple[Any, ...]:
        """The same, of a distribution of waits."""
        return computed.fitting(params, unit, span)

    def length(
        self,
        values: Array,
        nulls: Array | None,
        type_: Type,
        unit: int,
        span: Span,
        key: int,
        number: Array,
        action: Array,
    ) -> I64:
        """Waiting times that the flow computed; distributions among them draw by ``key``."""
        if type_.kind in ("int", "float") and (nulls is None or not nulls.any()):
            return computed.lengths(values, unit, span)
        python = to_python(values, nulls, type_, self.texts)
        return computed.lengths_of(python, unit, span, key, number, action)

    def clocks(self, clock: I64, delay: I64 | int, span: Span) -> I64:
        """The clocks after a wait."""
        return computed.clocks(clock, delay, self.flow.name, span)

    def rate(self, values: Array, nulls: Array | None, type_: Type, span: Span) -> Array:
        """Probabilities that the flow computed."""
        if type_.kind not in ("int", "float") or nulls is not None:
            values = np.fromiter(to_python(values, nulls, type_, self.texts), object, len(values))
        return computed.rates(values, span)

    # ------------------------------------------------------------ entities

    def judge(self, entity: str, field: str, op: str, values: list[object], span: Span) -> None:
        """Values of conditions that may be of a type that the field has not."""
        spec = self.tables[entity].plan.spec
        for value in values:
            check_condition(spec, field, op, value, span)

    def keys(self, entity: str, number: I64, want: Type) -> Masked:
        return from_python(self.tables[entity].key_list(number), want, self.texts)

    def view(self, entity: str, field: str, number: I64, flow: Array, rows: I64) -> Masked:
        return self.changes[entity].view(field, number, flow, rows)

    def change(
        self,
        entity: str,
        number: I64,
        shared: Array | None,
        who: Who,
        items: tuple[Given, ...],
        is_event: bool,
        newborn: bool,
        span: Span,
    ) -> None:
        """The changes of one action to one entity type; rows that never asked for one are left out."""
        redo = self.world.redo
        if redo.skip:
            items = redo.rest(items)
        absent = number < 0
        if absent.any():
            present = np.flatnonzero(~absent)
            if not len(present):
                redo.done += len(items)
                return
            number = number[present]
            shared = None if shared is None else shared[present]
            who = (who[0][present], who[1][present], who[2][present], who[3][present])
            items = tuple(
                (f, op, v[present], None if m is None else m[present], t) for f, op, v, m, t in items
            )
        self.tables[entity].is_changed = True
        self.changes[entity].context = (span, self.flow.name)
        fitted = tuple(self._fitted(entity, item, span) for item in items)
        self.changes[entity].apply(number, shared, who, fitted, is_event, newborn=newborn)

    def _fitted(self, entity: str, item: Given, span: Span) -> Item:
        """Values in the storage that the change takes them in."""
        field, op, values, nulls, have = item
        column = self.tables[entity].types[field]
        want = value_type(column, op)
        wide = op == "is" or column.kind in ("int", "float", "datetime", "date", "timedelta")
        near = have.kind == want.kind or (have.kind, want.kind) in (("code", "str"), ("int", "float"))
        if wide and near and (nulls is None or want.optional or not nulls.any()):
            return field, op, *recast(values, nulls, have, want, self.texts)
        python = to_python(values, nulls, have, self.texts)
        if op != "is":
            return field, op, np.fromiter(python, object, len(python)), None
        spec = self.tables[entity].plan.spec.by_name[field]
        checked = [
            check_state_value(spec, value, entity=entity, span=span, flow=self.flow.name) for value in python
        ]
        return field, op, *from_python(checked, want, self.texts)

    def born(self, entity: str, number: I64, who: Who) -> None:
        self.changes[entity].born(number, who, is_event=True)

    def hold(self, entity: str, rows: I64, flow: Array, number: I64) -> None:
        hold_born(self.world, entity, rows, flow, number)

    # ------------------------------------------------------------ errors

    def stalled(self, span: Span) -> NoReturn:
        raise stalled(self.flow.name, span)

    def not_held(self, entity: str) -> NoReturn:
        raise not_held(entity)


def _rows(arg: object, n: int) -> list[object]:
    if isinstance(arg, np.ndarray):
        out: list[object] = arg.tolist()
        return out
    return [arg] * n
