"""Checks of the settings of a simulation and of its runs: a refusal names the value and the mend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from deep_faker.declare.schema import is_entity
from deep_faker.errors import near, wrong_setting

K = TypeVar("K")  # a class of entities, or its name

MOST_FLOWS = 100_000_000
MOST_ENTITIES = 1_000_000_000


def check_progress(progress: object) -> None:
    """Raise `SettingsError` unless it is True, False or None."""
    if progress is not None and not isinstance(progress, bool):
        mend = "use True or False, or None for a bar where there is a terminal"
        raise wrong_setting("progress", progress, mend)


def whole(value: object, name: str, *, least: int | None, most: int | None = None) -> int:
    """A whole number within bounds. Raises `SettingsError` for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        limit = "" if least is None else f" of at least {least}"
        raise wrong_setting(name, value, f"give a whole number{limit}")
    if most is not None and value > most:
        raise wrong_setting(name, value, f"give at most {most:,}: no machine has the memory for more")
    return value


def flag(name: str, value: object) -> bool:
    """True or False. Raises `SettingsError` for anything else."""
    if not isinstance(value, bool):
        raise wrong_setting(name, value, "use True or False")
    return value


def one_of(name: str, value: object, known: tuple[str, ...]) -> object:
    """One of these words. Raises `SettingsError` for anything else."""
    if not isinstance(value, str) or value not in known:
        mend = near(value, known) if isinstance(value, str) else f"use {' or '.join(map(repr, known))}"
        raise wrong_setting(name, value, mend)
    return value


def counts(entities: Mapping[K, int]) -> dict[K, int]:
    """How many entities of each class. Raises `SettingsError` for what is no such mapping."""
    if not isinstance(entities, Mapping):
        raise wrong_setting("initial_entities", entities, "give a mapping such as {Customer: 100}")
    for key, count in entities.items():
        name = key if isinstance(key, str) else getattr(key, "__name__", repr(key))
        setting = f"initial_entities[{name}]"
        if not isinstance(key, str) and not is_entity(key):
            mend = "give a class of Entity, or its name, as the key: {Customer: 100}"
            raise wrong_setting(setting, count, mend)
        whole(count, setting, least=0, most=MOST_ENTITIES)
    return dict(entities)
