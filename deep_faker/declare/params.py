"""Parameters: numbers and words that a simulation declares, its flows read, and a run may set anew."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

from deep_faker.errors import near, wrong_setting

Scalar = bool | int | float | str
NamedScalars = tuple[tuple[str, Scalar], ...]

_NAMELESS = "the simulation declares none: Simulation(params={…})"


class Params(Mapping[str, Scalar]):
    """The parameters of a run: ``ctx.params.discount``, ``ctx.params["discount"]``.

    They do not change while a run goes on. Raises `AttributeError` or `KeyError`, with the nearest name, for
    one that the simulation does not declare.

    >>> params = Params({"discount": 0.2})
    >>> params.discount == params["discount"] == 0.2, dict(params)
    (True, {'discount': 0.2})
    """

    __slots__ = ("_values",)
    _values: dict[str, Scalar]

    def __init__(self, values: Mapping[str, Scalar] | NamedScalars = ()) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Scalar:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(self.unknown(name)) from None

    def __getitem__(self, name: str) -> Scalar:
        try:
            return self._values[name]
        except KeyError:
            raise KeyError(self.unknown(name)) from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"parameters do not change in a run: give params={{{name!r}: {value!r}}} to it")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return list(self._values)

    def __repr__(self) -> str:
        return f"Params({self._values!r})"

    def __reduce__(self) -> tuple[type[Params], tuple[dict[str, Scalar]]]:
        return Params, (self._values,)

    def unknown(self, name: object) -> str:
        """What is said of a name that is not declared."""
        mend = near(str(name), self._values, "params") if self._values else _NAMELESS
        return f"no parameter {name!r}; {mend}"


def declared_params(values: object) -> dict[str, Scalar]:
    """The ``params=`` of a simulation. Raises `SettingsError` for a name or value that cannot be one.

    >>> declared_params({"discount": 0.1, "banner": "plain"})
    {'discount': 0.1, 'banner': 'plain'}
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise wrong_setting("params", values, 'give names and values: params={"discount": 0.1}')
    for name, value in values.items():
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise wrong_setting("params", values, f"{name!r} is no name: take letters, digits and _")
        if keyword.iskeyword(name) or hasattr(Mapping, name):
            raise wrong_setting("params", values, f"{name!r} means something else in ctx.params: rename it")
        _checked(f"params[{name}]", value)
    return dict(values)


def set_params(declared: Mapping[str, Scalar], given: object) -> dict[str, Scalar]:
    """The declared parameters, with the values that a run gives some of them.

    Raises `SettingsError` for a name that is not declared, with the nearest, and for a value of another type.

    >>> set_params({"discount": 0.1, "banner": "plain"}, {"discount": 0})
    {'discount': 0.0, 'banner': 'plain'}
    """
    if given is None:
        return dict(declared)
    if not isinstance(given, Mapping):
        raise wrong_setting("params", given, 'give names and values: params={"discount": 0.1}')
    values = dict(declared)
    for name, value in given.items():
        if name not in declared:
            known = near(str(name), declared, "params") if declared else _NAMELESS
            raise wrong_setting("params", {name: value}, f"no parameter {name!r}; {known}")
        values[name] = _as_declared(f"params[{name}]", value, declared[name])
    return values


def _as_declared(setting: str, value: object, usual: Scalar) -> Scalar:
    """The value as the type of its default."""
    known = _checked(setting, value)
    if type(usual) is float and type(known) is int:
        known = float(known)
    if type(known) is not type(usual):
        raise wrong_setting(setting, value, f"give {_kind(usual)}, as its default {usual!r} is")
    return known


def read_params(declared: Mapping[str, Scalar], texts: Mapping[str, str]) -> dict[str, Scalar]:
    """Parameters as texts of a command line, each read as its default's type.

    >>> read_params({"discount": 0.1, "open": True}, {"discount": "0.2", "open": "no"})
    {'discount': 0.2, 'open': False}
    """
    values: dict[str, Scalar] = {}
    for name, text in texts.items():
        usual = declared.get(name, text)
        try:
            values[name] = _read(usual, text)
        except ValueError:
            raise wrong_setting(f"params[{name}]", text, f"give {_kind(usual)}") from None
    return set_params(declared, values)


def filled_in(text: str, params: Mapping[str, Scalar]) -> str:
    """A text with its ``{names}`` replaced by parameters. Raises `KeyError`, `ValueError` or `IndexError`.

    >>> filled_in("{visits}/h", {"visits": 120})
    '120/h'
    """
    plain = {
        name: f"{Decimal(repr(value)):f}" if isinstance(value, float) else value
        for name, value in params.items()
    }
    return text.format_map(plain)


def _read(usual: Scalar, text: str) -> Scalar:
    if isinstance(usual, bool):
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]
    return type(usual)(text)


def _checked(setting: str, value: object) -> Scalar:
    if not isinstance(value, (bool, int, float, str)):
        raise wrong_setting(setting, value, "give a number, a text, True or False")
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong_setting(setting, value, "give a finite number")
    if type(value) is int and abs(value) >= 1 << 63:
        raise wrong_setting(setting, value, "give a number below 2**63")
    return value


def _kind(value: Scalar) -> str:
    return {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}[type(value)]
