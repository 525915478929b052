"""What can be said of a function whose source cannot be read, from what it was compiled to (F3, R1)."""

from __future__ import annotations

import dis
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from types import CodeType, FunctionType
from typing import NoReturn

from deep_faker.compile.read.library import is_mutating
from deep_faker.compile.read.source import line_span
from deep_faker.errors import CompileError, Diagnostic

_CONTAINERS = (MutableSequence, MutableMapping, MutableSet)
_MAKES_SETS = ("BUILD_SET", "SET_ADD")
_NAMES_SETS = ("set", "frozenset")
_LOADS = ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CLASSDEREF")


def check_code(function: FunctionType) -> None:
    """Refuse sets, of which nobody sees where they go, and changes of what is of outside.

    Raises `CompileError` at the line of the function.
    """
    for code in _codes(function.__code__):
        before: list[dis.Instruction] = []
        for step in dis.get_instructions(code):
            named = step.opname in _LOADS and step.argval in _NAMES_SETS
            if step.opname in _MAKES_SETS or named:
                _refuse_set(function, code, step)
            changed = _changed(function, before, step)
            if changed is not None:
                _refuse_change(code, step, changed)
            before = [*before[-1:], step]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _changed(function: FunctionType, before: list[dis.Instruction], step: dis.Instruction) -> str | None:
    """The name of an object of outside that this instruction changes, as far as two before it tell."""
    owner: dis.Instruction | None = None
    if step.opname in ("STORE_ATTR", "DELETE_ATTR") and before:
        owner = before[-1]
    elif step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR") and len(before) > 1:
        owner = before[-2]
    elif step.opname in ("LOAD_METHOD", "LOAD_ATTR") and before and is_mutating(str(step.argval)):
        owner = before[-1] if isinstance(_held(function, before[-1]), _CONTAINERS) else None
    if owner is None or owner.opname not in _LOADS or _held(function, owner) is None:
        return None
    return str(owner.argval)


def _held(function: FunctionType, step: dis.Instruction) -> object:
    """The object that a load gives, if it is there already."""
    code, name = function.__code__, step.argval
    if step.opname == "LOAD_GLOBAL":
        return function.__globals__.get(name)
    if step.opname in _LOADS and name in code.co_freevars:
        try:
            return (function.__closure__ or ())[code.co_freevars.index(name)].cell_contents
        except ValueError:  # not filled yet
            return None
    return None


def _refuse_set(function: FunctionType, code: CodeType, step: dis.Instruction) -> NoReturn:
    label = f"the source of {function.__name__}() cannot be read: whether this set's order counts is unknown"
    _refuse(code, step, "the order of a set", label, "write a list or a tuple, or put the flow into a file")


def _refuse_change(code: CodeType, step: dis.Instruction, name: str) -> NoReturn:
    label = f"{name!r} would depend on the order in which flows run, and keep it for the next run"
    mend = "keep it in the state of an entity: SetState(…), or make it inside the flow"
    _refuse(code, step, "a flow cannot change what is not its own", label, mend)


def _refuse(code: CodeType, step: dis.Instruction, title: str, label: str, mend: str) -> NoReturn:
    line = step.positions.lineno if step.positions is not None else None
    span = line_span(code.co_filename, line or code.co_firstlineno)
    raise CompileError(Diagnostic(title, span, label, mend))
