"""Mappings event type → topic or table, as Kafka and MySQL take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from deep_faker.errors import Diagnostic, OutputError, SettingsError, near, warn

# Keys are event classes or their names. A mapping is of one type of keys only, and `type[Login]` is no other
# class: whatever is narrower than Any would refuse what users have in a variable.
NamesOf: TypeAlias = Mapping[Any, str]


def by_name(mapping: object, argument: str) -> dict[str, str]:
    """``mapping`` with the classes' names for keys.

    Raises `SettingsError` for what is no mapping of event types to names.

    >>> by_name({"UserLogin": "logins"}, "topic_mapping")
    {'UserLogin': 'logins'}
    """
    if not isinstance(mapping, Mapping) or not mapping:
        raise _wrong(argument, mapping, f"give a mapping such as {argument}={{UserLogin: 'name'}}")
    out = {}
    for key, target in mapping.items():
        name = key if isinstance(key, str) else getattr(key, "__name__", None)
        if not isinstance(name, str) or not isinstance(target, str) or not target:
            raise _wrong(argument, {key: target}, "keys are event classes or their names, values are names")
        out[name] = target
    return out


def check_events(mapping: Mapping[str, str], events: Iterable[str], argument: str, owner: str) -> None:
    """Raise for types that no flow emits; warn once of each that is emitted and not mapped (R7)."""
    known = list(events)
    for name in mapping:
        if name not in known:
            label = f"no flow emits {name!r}"
            raise OutputError(
                Diagnostic(
                    f"unknown event type in {argument}", None, label, near(name, known, "the simulation")
                )
            )
    for name in known:
        if name not in mapping:
            label = f"{name} is not in {argument}: its events do not go there"
            mend = f"add it to {argument}, or send it to another output"
            warn(Diagnostic(f"{owner} gets no {name}", None, label, mend))


def _wrong(argument: str, value: object, mend: str) -> SettingsError:
    return SettingsError(Diagnostic(f"wrong {argument}", None, f"{argument}={value!r}", mend))
