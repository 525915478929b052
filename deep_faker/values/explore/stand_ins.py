"""Stand-ins in Faker's modules while a method of theirs is explored: chance, `json`, `csv` and `range`."""

from __future__ import annotations

import builtins
import csv
import io
import json
import random
import re
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, SupportsIndex

from deep_faker.values.explore.marks import PLACES, MarkedFloat, MarkedInt, NeededError
from deep_faker.values.explore.methods import MarkedText, Opaque, escaped
from deep_faker.values.explore.recorder import Recorder
from deep_faker.values.library.libraries import of_providers
from deep_faker.values.text.grammar import NotAGrammarError

_NUMBER = "\ue000"  # of the private plane of Unicode, begins what stands for a drawn number in JSON
_MISSING = object()
_GLOBAL = random.random.__self__  # type: ignore[attr-defined]  # a method of the module's own source


@contextmanager
def shims(recorder: Recorder) -> Iterator[None]:
    """In Faker's modules: chance from the recorder, and functions that know what is drawn."""
    from faker.generator import random as common

    texts = types.ModuleType("json")
    vars(texts).update({**vars(json), "dumps": lambda value, **named: _dumps(recorder, value, named)})
    tables = types.ModuleType("csv")
    vars(tables).update({**vars(csv), "writer": lambda *args, **named: _Writer(recorder, *args, **named)})
    stand_ins = {id(random): recorder, id(common): recorder, id(json): texts, id(csv): tables}
    changed: list[tuple[types.ModuleType, str, object]] = []
    try:
        for module_name, module in list(sys.modules.items()):
            if not of_providers(module_name):
                continue
            changed.append((module, "range", vars(module).get("range", _MISSING)))
            module.range = _range  # type: ignore[attr-defined]  # in place of the builtin one
            for name, value in list(vars(module).items()):
                stand_in = stand_ins.get(id(value)) or _chance(recorder, value)
                if stand_in is not None:
                    changed.append((module, name, value))
                    setattr(module, name, stand_in)
        yield
    finally:
        for module, name, value in changed:
            if value is _MISSING:
                delattr(module, name)
            else:
                setattr(module, name, value)


def _chance(recorder: Recorder, value: object) -> object:
    """What stands for a function that a module has by ``from random import choice``; None for others."""
    if getattr(value, "__self__", None) is not _GLOBAL:
        return None
    return getattr(recorder, getattr(value, "__name__", ""), None)


def _range(*bounds: SupportsIndex) -> range:
    """A range, whose bounds must be known."""
    for bound in bounds:
        if isinstance(bound, MarkedInt):
            raise NeededError(bound.node.draw)
    return builtins.range(*bounds)


def _dumps(recorder: Recorder, value: object, named: dict[str, Any]) -> str:
    """JSON, with what is drawn escaped where it is made."""
    if recorder.drawn is not None or named.pop("cls", None) is not None:
        return json.dumps(value, **named)
    numbers: list[str] = []
    text = json.dumps(_unmarked(recorder, value, numbers), **{**named, "ensure_ascii": False})
    text = re.sub(f'"{_NUMBER}(\\d+)"', lambda match: numbers[int(match[1])], text)
    fixed = re.sub(f"[^\\x00-\\x7f{PLACES.pattern[1:]}", _outside_ascii, text)
    return MarkedText.of(recorder.book, escaped(recorder.book, fixed, ("json", None)))


def _unmarked(recorder: Recorder, value: object, numbers: list[str]) -> object:
    """A structure with texts in place of drawn numbers, which ``numbers`` then has."""
    if isinstance(value, dict):
        return {key: _unmarked(recorder, item, numbers) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unmarked(recorder, item, numbers) for item in value]
    if isinstance(value, Opaque) and value.node.kind in ("int", "float", "bool"):
        numbers.append(str.__str__(recorder.book.text(value.node.stepped(("to json", None)))))
    elif isinstance(value, (MarkedInt, MarkedFloat)):
        numbers.append(str.__str__(str(value)))
    else:
        return value
    return f"{_NUMBER}{len(numbers) - 1}"


def _outside_ascii(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


class _Writer:
    """`csv.writer`, with what is drawn quoted where it is made."""

    def __init__(self, recorder: Recorder, out: io.StringIO, *args: Any, **named: Any) -> None:
        self._recorder, self._inner = recorder, csv.writer(out, *args, **named)

    def writerow(self, row: Iterable[object]) -> None:
        """As that of a writer."""
        self._inner.writerow([self._cell(cell) for cell in row])

    def _cell(self, cell: object) -> object:
        dialect = self._inner.dialect
        if self._recorder.drawn is not None or not isinstance(cell, str) or not PLACES.search(cell):
            return cell
        quote = dialect.quotechar
        if quote is None or dialect.quoting != csv.QUOTE_ALL or not dialect.doublequote or dialect.escapechar:
            raise NotAGrammarError("cells that are quoted where they need it")
        return str.__str__(escaped(self._recorder.book, cell, ("replace", (quote, quote * 2))))
