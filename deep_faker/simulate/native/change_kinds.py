"""What the kernel calls the changes of `SetState`: its numbers from the rows of their operators, and back."""

from __future__ import annotations

from typing import Final

from deep_faker.declare.change_operators import CHANGE_OPERATORS
from deep_faker.declare.schema import StateSpec
from deep_faker.plan import Type
from deep_faker.simulate.columns.changes import value_type
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.layout import K_BORN, K_IS, K_PYTHON


def _number(op: str, name: str) -> int:
    number = getattr(layout, name, None)
    if number is None:
        raise TypeError(f"the kernel has no change {name}, which the operator {op} names")
    return int(number)


KINDS: Final = {
    (op, kind): _number(op, name)
    for op, rule in CHANGE_OPERATORS.items()
    for kind, name in rule.native.items()
}
"""(Operator, kind of column) → how the kernel makes the change."""

BY_PYTHON: Final = {op: K_PYTHON + place for place, op in enumerate(CHANGE_OPERATORS)}
"""Operator → the change that is written down for Python to make; its value is the word of an object."""

OPERATOR_OF: Final = (
    {K_IS: "is", K_BORN: "born"}
    | {number: op for (op, _), number in KINDS.items()}
    | {number: op for op, number in BY_PYTHON.items()}
)
"""What a change that is written down is called outside of the kernel."""


def is_picky(spec: StateSpec) -> bool:
    """Whether a field takes only some values of its type."""
    return spec.literal is not None or spec.enum is not None or spec.row_validated is not None


def kind_of_change(spec: StateSpec, kind: str, op: str) -> int | None:
    """How the kernel makes a change by an operator other than ``is``, None: only Python can."""
    return None if is_picky(spec) else KINDS.get((op, kind))


def taken_type(type_: Type, kind: int) -> Type:
    """The type of the value of a change of a ``type_`` field that is written down."""
    return Type("object") if kind >= K_PYTHON else value_type(type_, OPERATOR_OF[kind])
