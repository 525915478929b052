"""Rebuilds a flow's function so that it, and all code of its user below it, sees the simulated world.

A rebuilt function has the same code (but for ``mutate=``, see `late_mutate`) with globals and closure cells
of its own, in which random numbers and clocks are replaced by those of `random_and_clock`.
The user's modules, and those replaced, stay as they are.
"""

from __future__ import annotations

import builtins
import copy
import enum
import functools
import os
import random
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from deep_faker.declare.actions import NewEvent, SetState
from deep_faker.declare.foreign import foreign_name
from deep_faker.declare.schema import BaseEvent, Entity
from deep_faker.simulate.live.late_mutate import TURN, LaterActions, rewritten, sourceless_codes
from deep_faker.simulate.live.random_and_clock import Forbidden, Namespace, Shims, Source

_PATHS = sysconfig.get_paths()
_LIBRARY = tuple(
    dict.fromkeys(
        str(Path(_PATHS[name]).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
)
_PACKAGE = str(Path(__file__).resolve().parents[2])
T = TypeVar("T")
_PLAIN = (str, int, float, bytes, bool, type(None))
_EAGER = ("__name__", "__file__", "__package__", "__spec__", "__loader__", "__doc__")


@functools.lru_cache(maxsize=4096)
def is_user_file(file: str) -> bool:
    """Whether code of this file is the user's: not ours, not a library's."""
    if file.startswith("<"):
        return not file.startswith(("<frozen", "<deep_faker "))
    path = str(Path(file).resolve())
    return not path.startswith((*_LIBRARY, _PACKAGE + os.sep))


class _Globals(dict[str, object]):
    """The globals of rebuilt functions: those of the module, translated as they are looked up.

    What a flow assigns to a global stays here, so that every run starts afresh.
    """

    def __init__(self, real: dict[str, object], patcher: Patcher) -> None:
        eager = {name: real[name] for name in _EAGER if name in real}
        super().__init__(eager, __builtins__=patcher.builtins, **{TURN: patcher.turn})
        self._real, self._patcher = real, patcher

    def __missing__(self, name: str) -> object:
        value = self._real[name]
        translated = self._patcher.translate(value)
        if translated is not value:
            self[name] = translated
        return translated


class Patcher:
    """Translates what user code refers to; one for each run."""

    def __init__(self, source: Source, later: LaterActions) -> None:
        self.shims = Shims(source, self.translate)
        self.turn = source.turn
        self.sourceless: set[types.CodeType] = set()
        self._globals: dict[int, _Globals] = {}
        self._made: dict[int, tuple[object, object]] = {}  # id → (the original, kept alive; its translation)
        self.builtins = dict(vars(builtins))
        self.builtins |= {name: Forbidden(name) for name in ("id", "input")}
        self.builtins |= {"hash": self.shims.table[id(hash)], "__import__": self._import}
        self.shims.table[id(NewEvent)] = later.new_event
        self.shims.table[id(SetState)] = later.set_state

    def function(self, function: Callable[..., object]) -> Callable[..., object]:
        """The flow's function in the simulated world."""
        translated = self.translate(function)
        assert callable(translated)
        return translated

    def _import(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.translate(__import__(name, *args, **kwargs))

    def translate(self, value: object) -> object:
        """What user code gets to see instead of ``value``; most values are their own translation."""
        if isinstance(value, _PLAIN):
            return value
        shim = self.shims.table.get(id(value))
        if shim is not None:
            return shim
        kept = self._made.get(id(value))
        if kept is not None:
            return kept[1]
        return self._translate(value)

    def _keep(self, value: object, translated: T) -> T:
        self._made[id(value)] = (value, translated)
        return translated

    def _translate(self, value: object) -> object:
        foreign = foreign_name(value)
        if foreign is not None:
            return self._keep(value, Forbidden(foreign))
        if isinstance(value, types.ModuleType):
            return self._keep(value, self._module(value))
        if isinstance(value, types.FunctionType):
            return self._function(value) if is_user_file(value.__code__.co_filename) else value
        if isinstance(value, (types.MethodType, types.BuiltinMethodType)):
            if isinstance(value.__self__, types.ModuleType):
                return value
            owner = self.translate(value.__self__)
            return value if owner is value.__self__ else getattr(owner, value.__name__)
        if isinstance(value, random.Random):
            return self.shims.random_instance
        if isinstance(value, functools.partial):
            inner, args = self.translate(value.func), self._all(value.args)
            named = {name: self.translate(argument) for name, argument in value.keywords.items()}
            assert callable(inner)
            return functools.partial(inner, *(args or ()), **named)
        if isinstance(value, functools._lru_cache_wrapper):  # noqa: SLF001 - the type of every cache
            # A cache would carry one flow's draws to the next one.
            inner = self.translate(value.__wrapped__)
            return value if inner is value.__wrapped__ else inner
        if isinstance(value, (list, tuple, dict)):
            return self._container(value)
        if isinstance(value, type):
            return self._class(value)
        return self._instance(value)

    def _module(self, module: types.ModuleType) -> object:
        name = module.__name__
        if name == "shortuuid":
            self.shims.use_shortuuid()
        if name in self.shims.modules:
            return self.shims.modules[name]
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        theirs = name == "__main__" or (file is not None and is_user_file(file))
        return Namespace(module, {}, self.translate) if theirs or name == "numpy" else module

    def _function(self, function: types.FunctionType) -> object:
        code = rewritten(function, NewEvent)
        if code is None:
            code = function.__code__
            self.sourceless |= sourceless_codes(code)
        globals_ = self._globals.setdefault(id(function.__globals__), _Globals(function.__globals__, self))
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure = tuple(self._cell(cells[name]) for name in code.co_freevars)
        built = types.FunctionType(code, globals_, function.__name__, None, closure)
        # Kept before its cells are filled and its defaults made: a function may refer to itself.
        self._keep(function, built)
        for name, cell in zip(code.co_freevars, closure, strict=True):
            if cell is not cells[name]:
                cell.cell_contents = self.translate(cells[name].cell_contents)
        built.__defaults__ = self._all(function.__defaults__)
        defaults = function.__kwdefaults__
        built.__kwdefaults__ = (
            None if defaults is None else {name: self.translate(defaults[name]) for name in defaults}
        )
        built.__qualname__, built.__module__ = function.__qualname__, function.__module__
        built.__dict__.update(function.__dict__)
        return built

    def _cell(self, cell: types.CellType) -> types.CellType:
        """The cell of a rebuilt function: the same for all of them that shared one.

        Plain values stay in the cell that they are in, so that a ``nonlocal`` counter is seen outside.
        """
        try:
            if isinstance(cell.cell_contents, _PLAIN):
                return cell
        except ValueError:  # not assigned yet
            return cell
        _, twin = self._made.get(id(cell), (None, None))
        if isinstance(twin, types.CellType):
            return twin
        return self._keep(cell, types.CellType(cell.cell_contents))

    def _all(self, values: tuple[object, ...] | None) -> tuple[object, ...] | None:
        return None if values is None else tuple(map(self.translate, values))

    def _container(self, value: list[object] | tuple[object, ...] | dict[object, object]) -> object:
        """A copy if something in it is translated; looked through once."""
        if type(value) not in (list, tuple, dict):
            return value
        self._keep(value, value)
        inside = value.values() if isinstance(value, dict) else value
        if all(isinstance(item, _PLAIN) for item in inside):
            return value
        after = [self.translate(item) for item in inside]
        if all(a is b for a, b in zip(after, inside, strict=True)):
            return value
        return self._keep(
            value, dict(zip(value, after, strict=True)) if isinstance(value, dict) else type(value)(after)
        )

    def _class(self, cls: type) -> object:
        """A user's class whose methods refer to something translated: a subclass with rebuilt methods."""
        module = sys.modules.get(cls.__module__)
        theirs = is_user_file(getattr(module, "__file__", None) or "<main>") and cls.__module__ != "builtins"
        if not theirs or issubclass(cls, (BaseEvent, Entity, enum.Enum, BaseException)):
            return self._keep(cls, cls)
        self._keep(cls, cls)
        methods: dict[str, Any] = {}
        for base in reversed(cls.__mro__[:-1]):
            for name, method in vars(base).items():
                plain = getattr(method, "__func__", method)
                if isinstance(plain, types.FunctionType) and self._is_affected(plain):
                    rebuilt = self._function(plain)
                    methods[name] = rebuilt if plain is method else type(method)(rebuilt)
                else:
                    methods.pop(name, None)
        if not methods:
            return cls
        meta: Any = type(cls)
        try:
            return self._keep(
                cls, meta(cls.__name__, (cls,), {"__module__": cls.__module__, "__slots__": (), **methods})
            )
        except Exception:  # noqa: BLE001 - a class that refuses to be subclassed
            return cls

    def _is_affected(self, function: types.FunctionType) -> bool:
        if not is_user_file(function.__code__.co_filename):
            return False
        codes, names = [function.__code__], set(function.__code__.co_freevars)
        while codes:
            code = codes.pop()
            names |= set(code.co_names)
            codes += [const for const in code.co_consts if isinstance(const, types.CodeType)]
        known = function.__globals__
        if "hash" in names and "hash" not in known:
            return True
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        seen = [*(known[name] for name in names if name in known), *cells]
        return any(self.translate(value) is not value for value in seen)

    def _instance(self, value: Any) -> object:
        """An object of a user's class with rebuilt methods: a copy of it, of the rebuilt class."""
        if type(value).__module__ == "shortuuid.main":
            self.shims.use_shortuuid()
            return self._keep(value, self.shims.shortuuid(value))
        self._keep(value, value)
        cls = self.translate(type(value))
        if cls is type(value) or not isinstance(cls, type):
            return value
        try:
            twin = copy.copy(value)
            twin.__class__ = cls
        except Exception:  # noqa: BLE001 - what cannot be copied stays what it is
            return value
        return self._keep(value, twin)


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
