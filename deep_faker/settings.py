"""The settings of a simulation and of its runs: their names, and what each may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deep_faker.errors import near, wrong_setting
from deep_faker.schema import is_entity

SETTINGS = ("duration", "start_time", "time_step", "n_flows", "random_seed", "initial_entities", "on_end",
            "emit_initial_entities", "locale")  # fmt: skip
"""The arguments of `Simulation`, which are its attributes too."""

MOST_FLOWS = 100_000_000
MOST_ENTITIES = 1_000_000_000
MEANT = {"seed": "random_seed", "start": "start_time", "step": "time_step", "end": "duration"}


def check_progress(progress: Any) -> None:
    """Refuse what is neither True, False nor None. Raises `SettingsError`, as all here."""
    if progress is not None and not isinstance(progress, bool):
        raise wrong_setting(
            "progress", progress, "use True or False, or None for a bar where there is a terminal"
        )


def whole(value: Any, name: str, *, least: int | None, most: int | None = None) -> int:
    """The whole number, which is neither less nor more than these."""
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        limit = "" if least is None else f" of at least {least}"
        raise wrong_setting(name, value, f"give a whole number{limit}")
    if most is not None and value > most:
        raise wrong_setting(name, value, f"give at most {most:,}: no machine has the memory for more")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that Python takes for them."""
    if not isinstance(value, bool):
        raise wrong_setting(name, value, "use True or False")
    return value


def one_of(name: str, value: Any, known: tuple[str, ...]) -> Any:
    """One of the texts."""
    if not isinstance(value, str) or value not in known:
        mend = near(value, known) if isinstance(value, str) else f"use {' or '.join(map(repr, known))}"
        raise wrong_setting(name, value, mend)
    return value


def counts(given: Mapping[Any, Any]) -> dict[Any, int]:
    """The numbers of initial entities, by class or name."""
    if not isinstance(given, Mapping):
        raise wrong_setting("initial_entities", given, "give a mapping such as {Customer: 100}")
    for key, count in given.items():
        if not isinstance(key, str) and not is_entity(key):
            raise wrong_setting(
                f"initial_entities[{getattr(key, '__name__', repr(key))}]",
                count,
                "give a class of Entity, or its name, as the key: {Customer: 100}",
            )
        whole(
            count,
            f"initial_entities[{key if isinstance(key, str) else key.__name__}]",
            least=0,
            most=MOST_ENTITIES,
        )
    return dict(given)
