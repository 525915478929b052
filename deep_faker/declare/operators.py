"""Conditions of `Select` and changes of `SetState`: what their operators allow.

The same checks serve the actions, which know their values, and the compiler, which knows fields
and operators and often only the kind of a value (`Unknown`).
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deep_faker.declare.change_operators import CHANGE_OPERATORS, ChangeOperator
from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.declare.operator_rows import NUMBERS, spellings
from deep_faker.declare.schema import EntitySpec, Rejection, StateSpec, check_state_value, state_value
from deep_faker.declare.schema.kinds import SCALARS, a_type
from deep_faker.errors import DeclarationError, Diagnostic, near, shown, warn
from deep_faker.spans import Span, caller_frame, narrow
from deep_faker.times import Grid, format_instant, to_micros

OPERATORS: Final = spellings(CONDITION_OPERATORS)
"""Operator of a condition, as it may be written → its one name inside."""

SET_OPERATORS: Final = spellings(CHANGE_OPERATORS)
"""Operator of a change, as it may be written → its one name inside."""

WITHOUT_VALUE: Final = frozenset(n for n, rule in CONDITION_OPERATORS.items() if rule.takes == "nothing")
ORDERING: Final = frozenset(name for name, rule in CONDITION_OPERATORS.items() if rule.flip is not None)

_TAKES = {"float": {"int", "float"}, "decimal": {"int", "decimal"}}


@dataclass(frozen=True)
class Unknown:
    """A value that only the run knows; ``kind`` where the compiler knows that much.

    >>> Unknown("str")
    a str that the flow computes
    """

    kind: str | None = None

    def __repr__(self) -> str:
        return f"a {self.kind or 'value'} that the flow computes"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Now:
    """The instant of the step in which a filter is evaluated; takes ``+`` and ``-`` a ``timedelta``.

    >>> from datetime import timedelta
    >>> Now() - timedelta(seconds=2)
    Now(offset_micros=-2000000)
    """

    offset_micros: int = 0

    def __add__(self, other: dt.timedelta) -> Now:
        if not isinstance(other, dt.timedelta):
            return NotImplemented
        return Now(self.offset_micros + other // dt.timedelta(microseconds=1))

    __radd__ = __add__

    def __sub__(self, other: dt.timedelta) -> Now:
        if not isinstance(other, dt.timedelta):
            return NotImplemented
        return Now(self.offset_micros - other // dt.timedelta(microseconds=1))


@dataclass(frozen=True)
class Condition:
    """One checked condition: ``op`` is a canonical name, lists are tuples, no value is None."""

    field: str
    op: str
    value: Any = None


@dataclass(frozen=True)
class Change:
    """One checked change: ``op`` is a canonical name, ``value`` of the field's type."""

    field: str
    op: str
    value: Any


def check_condition(
    entity: EntitySpec, field: object, op: object, value: object = UNKNOWN, span: Span | None = None
) -> Condition:
    """Check a condition of ``where``; `UNKNOWN` values are left to the run.

    Raises `DeclarationError` for an unknown field or operator, or a value of the wrong type.
    """
    state = _field(entity, field, span, key=True)
    rule = CONDITION_OPERATORS[_operator(op, OPERATORS, span)]
    name, what = rule.name, f"{entity.name}.{state.name}"
    if rule.takes == "nothing":
        if value is not None and value is not True and not isinstance(value, Unknown):
            mend = f'write ("{state.name}", "{name}")'
            raise _refused(f"{name} takes no value", span, value, f"got {shown(value)}", mend)
        return Condition(state.name, name)
    if rule.fits is not None and state.kind not in rule.fits:
        label = f"it is {a_type(state.type_)}"
        raise _refused(f"{what} {rule.misfit}", span, op, label, f"use {_fitting(state.kind)}")
    if isinstance(value, Unknown):
        if rule.takes in ("value", "text"):
            _check_unknown(state, value, what, span, comparing=True)
        return Condition(state.name, name, value)
    if rule.takes == "list":
        return Condition(state.name, name, _members(state, value, what, span))
    if rule.takes == "range":
        low, high = (_bound(state, bound, what, span) for bound in _pair(value, what, span))
        if _is_above(low, high) and not _in_a_flow():
            label = f"{what} is never between {shown(low)} and {shown(high)}"
            raise _refused("an empty range", span, value, label, "give the smaller value first")
        return Condition(state.name, name, (low, high))
    if rule.takes == "text":
        state = StateSpec(state.name, SCALARS["str"], "str", True, None, None, state.span)
    if rule.flip is not None:
        return Condition(state.name, name, _bound(state, value, what, span))
    return Condition(state.name, name, _compared(state, value, what, span))


def _fitting(kind: str) -> str:
    """The operators that a field of some kind may be asked with, as one would write them."""
    rows = CONDITION_OPERATORS.values()
    *names, last = (f'"{rule.name}"' for rule in rows if rule.fits is None or kind in rule.fits)
    return f"{', '.join(names)} or {last}"


def check_change(
    entity: EntitySpec,
    field: object,
    op: object,
    value: object = UNKNOWN,
    span: Span | None = None,
    *,
    flow: str | None = None,
) -> Change:
    """Check a change of ``SetState``; `UNKNOWN` values are left to the run.

    Raises `DeclarationError` for an unknown field or operator, or a value of the wrong type; for the
    latter `InvalidValueError` when ``flow`` says that a run is under way.
    """
    state = _field(entity, field, span, key=False)
    rule = CHANGE_OPERATORS[_operator(op, SET_OPERATORS, span)]
    name, what = rule.name, f"{entity.name}.{state.name}"
    if isinstance(value, Now):
        mend = "use ctx.flow_clock or datetime.now(), the flow's clock"
        raise _refused("Now() is for filters", span, value, f"{what} cannot be set to it", mend)
    operand = _operand(state, rule, what, op, span)
    if isinstance(value, Unknown):
        # what an int field is set to may be an int all the same: the run will tell
        _check_unknown(operand, value, what, span, comparing=name == "is")
        return Change(state.name, name, value)
    return Change(state.name, name, _stored(entity, operand, value, span, flow))


def _stored(entity: EntitySpec, state: StateSpec, value: object, span: Span | None, flow: str | None) -> Any:
    return check_state_value(state, value, entity=entity.name, span=narrow(span, value), flow=flow)


def present(entity: EntitySpec) -> tuple[Condition, ...]:
    """What all selections of a type ask for beside their own conditions: who has retired is none of it."""
    return () if entity.retirement is None else (Condition(entity.retirement, "is_null"),)


def nobody(entity: EntitySpec) -> tuple[Condition, ...]:
    """Conditions that no entity meets, of a type that can retire."""
    return () if entity.retirement is None else (*present(entity), Condition(entity.retirement, "not_null"))


def check_asked(entity: EntitySpec, field: object, span: Span | None = None) -> None:
    """Refuse conditions of a user on a retirement. Raises `DeclarationError`."""
    if field is not None and field == entity.retirement:
        label, mend = f"{entity.name} that have retired are never selected", "leave the condition out"
        raise _refused("a condition on a retirement", span, field, label, mend)


def check_set(entity: EntitySpec, field: object, span: Span | None = None) -> None:
    """Refuse changes of a user of a retirement. Raises `DeclarationError`."""
    if field is not None and field == entity.retirement:
        label, mend = f"{entity.name}.{field} is set by Retire", f"yield Retire(ctx, {entity.name})"
        raise _refused("a retirement that is set", span, field, label, mend)


def check_shared(entity: EntitySpec, shared: object, span: Span | None = None) -> None:
    """Refuse sharing of those who can retire. Raises `DeclarationError`."""
    if shared is True and entity.retirement is not None:
        label = f"a {entity.name} can retire while others use it, and their events would come after that"
        raise _refused("sharing who can retire", span, shared, label, "select it without shared=True")


def check_weight(entity: EntitySpec, weight: object, span: Span | None = None) -> str:
    """The name of the numeric state field that `Select` weighs by. Raises `DeclarationError`."""
    state = _field(entity, weight, span, key=False)
    if state.kind not in ("int", "float") or state.optional:
        label = f"{entity.name}.{state.name} is {state.kind}{', and may be None' if state.optional else ''}"
        mend = "weigh by an int or float field that is never None"
        raise _refused("a weight is a number", span, weight, label, mend)
    return state.name


def warn_literal_times(
    entity: EntitySpec, condition: Condition, grid: Grid, span: Span | None = None
) -> None:
    """Warn of a datetime in ``where`` that lies outside the run's time: it is a constant (T8)."""
    given = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    for moment in given:
        if isinstance(moment, dt.datetime) and not grid.start <= to_micros(moment) <= grid.end:
            times = f"the run goes from {format_instant(grid.start)} to {format_instant(grid.end)}"
            label = f"{entity.name}.{condition.field} is compared with {moment}, and {times}"
            mend = "a datetime here is a constant; Now() - timedelta(…) moves with simulated time"
            warn(Diagnostic("a time outside the run", narrow(span, moment), label, mend))


def key_state(entity: EntitySpec) -> StateSpec:
    """The key as if it were a state field, for conditions on it."""
    field = entity.key_field
    if field is None:
        return StateSpec(entity.primary_key, str, "str", False, None, None, entity.span)
    return StateSpec(
        name=field.name,
        type_=field.annotation,
        kind=field.kind,
        optional=False,
        default=None,
        from_field=None,
        span=field.span,
    )


def _field(entity: EntitySpec, field: object, span: Span | None, *, key: bool) -> StateSpec:
    if isinstance(field, str) and field in entity.by_name:
        return entity.by_name[field]
    if field == entity.primary_key:
        if key:
            return key_state(entity)
        label = f"{field!r} identifies a {entity.name}"
        raise _refused("the key cannot change", span, field, label, "use a state field")
    names = [*entity.by_name, *([entity.primary_key] if key else [])]
    label = f"{entity.name} has no state field {field!r}"
    raise _refused("unknown state field", span, field, label, near(str(field), names, entity.name))


def _operator(op: object, known: dict[str, str], span: Span | None) -> str:
    if isinstance(op, str) and op in known:
        return known[op]
    raise _refused("unknown operator", span, op, f"no operator {op!r}", near(str(op), known.values()))


def _refused(title: str, span: Span | None, value: object, label: str, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic(title, narrow(span, value), label, mend))


def _check_unknown(
    state: StateSpec, value: Unknown, what: str, span: Span | None, *, comparing: bool
) -> None:
    """Refuse what cannot fit by its kind alone; ``comparing``: numbers go with numbers of any kind."""
    if value.kind is None or value.kind == state.kind:
        return
    comparing = comparing and state.kind in NUMBERS and value.kind in NUMBERS
    if value.kind not in _TAKES.get(state.kind, ()) and not comparing:
        label = f"{what} is {state.kind}, the value is {value.kind}"
        raise _refused("wrong type", span, value, label, f"give {a_type(state.type_)}")


def _compared(state: StateSpec, value: object, what: str, span: Span | None) -> Any:
    """A value that the field is compared with; None is allowed, also where it can never match."""
    if value is None:
        return None
    if isinstance(value, Unknown):  # a member of a list
        _check_unknown(state, value, what, span, comparing=True)
        return value
    if isinstance(value, Now):
        mend = "use less_than, greater_than, less_or_equal, greater_or_equal or between"
        label = f"{what} would have to equal it to the microsecond"
        raise _refused("Now() is no constant", span, value, label, mend)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and state.kind in ("int", "float") and state.literal is None and state.row_validated is None:
        return value
    if state.kind == "decimal" and isinstance(value, int) and not isinstance(value, bool):
        value = decimal.Decimal(value)
    checked = state_value(state, value)
    if isinstance(checked, Rejection):
        # A value outside the field's constraints is a fair thing to compare with; another type is not.
        if state.row_validated is not None and state.kind != "json":
            bare = StateSpec(state.name, state.type_, state.kind, True, None, None, state.span)
            checked = state_value(bare, value)
        if isinstance(checked, Rejection):
            raise _refused(
                f"wrong type for {what}",
                span,
                value,
                checked.reason,
                f"compare it with {a_type(state.type_)}",
            )
    return checked


def _bound(state: StateSpec, value: object, what: str, span: Span | None) -> Any:
    if isinstance(value, Now):
        if state.kind != "datetime":
            label = f"{what} is {a_type(state.type_)}"
            raise _refused(
                "Now() is an instant", span, value, label, "compare it with a field of type datetime"
            )
        return value
    return _compared(state, value, what, span)


def _members(state: StateSpec, value: object, what: str, span: Span | None) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        mend = f'write ("{state.name}", "in", [{value!r}])'
        raise _refused('"in" takes a list', span, value, f"got {shown(value)}", mend)
    return tuple(_compared(state, member, what, span) for member in value)


def _pair(value: object, what: str, span: Span | None) -> tuple[object, object]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) != 2:
        mend = "write [low, high]; both ends are included"
        raise _refused(
            '"between" takes two values', span, value, f"{what} is compared with {shown(value)}", mend
        )
    return value[0], value[1]


def _in_a_flow() -> bool:
    """Whether a flow runs just now: a range that it computes may hold nothing, and then nobody matches."""
    frame = caller_frame()
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith("deep_faker.simulate"):
            return True
        frame = frame.f_back
    return False


def _is_above(low: object, high: object) -> bool:
    """Whether both ends of a range are known, and it is empty."""
    if isinstance(low, Now) and isinstance(high, Now):
        return low.offset_micros > high.offset_micros
    if low is None or high is None or isinstance(low, (Now, Unknown)) or isinstance(high, (Now, Unknown)):
        return False
    return bool(low > high)  # type: ignore[operator]  # both are of the field's type, which has an order


def _operand(
    state: StateSpec, rule: ChangeOperator, what: str, written: object, span: Span | None
) -> StateSpec:
    """The field as the type of what it is set to, or of what is added to it, or compared with it."""
    op = rule.name
    if rule.fits is None:
        return state
    if state.optional:
        mend = f"give {state.name} a default other than None, and a type that is not Optional"
        raise _refused(f"{op} on a field that can be None", span, written, f"{what} can be None", mend)
    if state.kind not in rule.fits or state.literal is not None:
        kind = "a choice of values" if state.literal is not None else a_type(state.type_)
        mend = f"{op} takes a field of type {', '.join(rule.fits)}"
        raise _refused(f"cannot {op}", span, written, f"{what} is {kind}", mend)
    if rule.chooses:
        return state
    if state.row_validated is not None:
        label = f"{what} has a {state.row_validated}, which the result may break"
        raise _refused(f"cannot {op}", span, written, label, f"give {state.name} a plain type")
    if state.kind not in rule.takes:
        return state
    kind = rule.takes[state.kind]
    return StateSpec(state.name, SCALARS[kind], kind, False, None, None, state.span)
