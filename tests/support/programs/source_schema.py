"""Random events and entities as Python source, for the simulations of `source_flows`."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

HEADER = '''"""Random flows, case {seed}."""
import math
import random
from datetime import date, datetime, timedelta
from typing import Optional

from pydantic import field_validator

from deep_faker import (
    AddDecay, BaseEvent, Choice, Entity, Exponential, Field, LogNormal, NewEvent, Normal, Now, Select, SetState,
    Simulation, StateField, Uniform,
)

WORDS = ["red", "green", "Blue", "x", "", "gold"]


def grade(value: float) -> str:
    if value > 10:
        return "gold"
    return "red" if value > 2 else "x"


def scaled(value, by=2):
    shifted = value % 50 + random.random()
    return round(shifted * by, 2)
'''

WORDS = ("red", "green", "Blue", "x", "", "gold")
KEYS = (
    'str = Field(faker="shortuuid", length=8)',
    'str = Field(faker="uuid4")',
    'int = Field(faker="random_int", min=1, max=90000)',
    'str = Field(faker="lexify", text="k-????", letters="ABCDEFGH")',
    'str = Field(faker="numerify", text="#####")',
    'str = Field(faker="first_name")',
    'str = Field(faker="random_element", elements=[f"{a}{b}" for a in "abcdefghijkl" for b in range(400)])',
)
FREE = {
    "int": ('int = Field(faker="random_int", min=-5, max=20)', "int = Field(default=3)"),
    "float": (
        'float = Field(faker="pyfloat", min_value=0.0, max_value=40.0, right_digits=2)',
        "float = Field(default=1.25)",
    ),
    "str": (
        'str = Field(faker="random_element", elements=WORDS)',
        'str = Field(faker="word")',
        'str = Field(faker="shortuuid", length=10)',
        'str = Field(faker="name")',
    ),
    "bool": ('bool = Field(faker="boolean", chance_of_getting_true=40)',),
    "datetime": ('datetime = Field(faker="now")',),
}
DEFAULTS = {
    "int": ("0", "1", "7", "-2"),
    "float": ("0.0", "1.5", "10.0"),
    "str": ('"red"', '"x"', '""', '"gold"'),
    "bool": ("True", "False"),
    "datetime": ("datetime(2024, 1, 1)", "datetime(2024, 1, 1, 0, 1, 30)"),
}
KINDS = tuple(DEFAULTS)
ORDERED_OPS = ("greater_than", ">", "less_than", "<", "greater_or_equal", ">=", "less_or_equal", "<=")
EQUAL_OPS = ("is", "=", "==", "is_not", "!=")


@dataclass
class EntityText:
    """What flows need to know of a generated entity class."""

    name: str
    key: str
    key_kind: str
    event: str | None
    fields: dict[str, str] = field(default_factory=dict)  # state field → kind
    optional: set[str] = field(default_factory=set)
    event_fields: dict[str, str] = field(default_factory=dict)  # what NewEvent may be given


@dataclass
class EventText:
    """What flows need to know of a generated event class."""

    name: str
    fields: dict[str, str] = field(default_factory=dict)
    required_keys: set[str] = field(default_factory=set)  # entity names whose key it must have
    required: set[str] = field(default_factory=set)


class Schema:
    """Random events and entities."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.entities = [self._entity(n) for n in range(rng.choice((1, 2, 2, 3, 3)))]
        self.events = [self._event(n) for n in range(rng.choice((1, 2, 3)))]

    def _entity(self, number: int) -> EntityText:
        rng, name = self.rng, f"E{number}"
        key, made = f"e{number}_id", f"E{number}Made"
        own_event = number == 0 or rng.random() < 0.85
        generator = rng.choice(KEYS)
        made_kinds: dict[str, str] = {}
        if own_event:
            self.lines += ["", "", f"class {made}(BaseEvent):", f"    {key}: {generator}"]
            for place in range(rng.randrange(4)):
                kind = rng.choice(KINDS)
                made_kinds[f"m{place}"] = kind
                self.lines.append(f"    m{place}: {rng.choice(FREE[kind])}")
            self._validator(made_kinds)
            key_kind = "int" if generator.startswith("int") else "str"
        else:
            key_kind = "str"
        out = EntityText(name, key, key_kind, made if own_event else None, event_fields=made_kinds)
        self.lines += ["", "", f"class {name}(Entity):"]
        self.lines += [f"    source_event = {made if own_event else None}", f'    primary_key = "{key}"']
        for place in range(rng.randrange(2, 6)):
            self._state_field(out, place)
        # never below 0, so that `weight` can take it
        self.lines.append(
            f"    w: {rng.choice(('int', 'float'))} = StateField(default={rng.choice((0, 1, 3))})"
        )
        if rng.random() < 0.15:
            self.lines += [
                "",
                "",
                f"class {name}Sub({name}):",
                "    extra: int = StateField(default=2, type_=int)",
            ]
            out.name = f"{name}Sub"
            out.fields["extra"] = "int"
        return out

    def _state_field(self, entity: EntityText, place: int) -> None:
        rng = self.rng
        name = f"s{place}"
        copied = sorted(entity.event_fields)
        if copied and rng.random() < 0.3:
            source = rng.choice(copied)
            kind = entity.event_fields[source]
            if kind == "int" and rng.random() < 0.3:
                kind = "float"
            self.lines.append(f'    {name}: {kind} = StateField(from_field="{source}", type_={kind})')
        elif rng.random() < 0.25:
            kind = rng.choice(KINDS)
            given = rng.choice(("None", "None", rng.choice(DEFAULTS[kind])))
            self.lines.append(
                f"    {name}: Optional[{kind}] = StateField(default={given}, type_=Optional[{kind}])"
            )
            entity.optional.add(name)
        else:
            kind = rng.choice(KINDS)
            self.lines.append(
                f"    {name}: {kind} = StateField(default={rng.choice(DEFAULTS[kind])}, type_={kind})"
            )
        entity.fields[name] = kind

    def _validator(self, fields: dict[str, str]) -> None:
        """Now and then a validator of the user's own, whose result differs when it is made twice."""
        texts = [name for name, kind in fields.items() if kind == "str"]
        if texts and self.rng.random() < 0.15:
            self.lines += [
                "",
                f'    @field_validator("{texts[0]}")',
                "    @classmethod",
                "    def shout(cls, value):",
                '        return (value + "!")[-9:]',
            ]

    def _event(self, number: int) -> EventText:
        rng = self.rng
        out = EventText(f"A{number}")
        self.lines += ["", "", f"class {out.name}(BaseEvent):"]
        for entity in self.entities:
            chance = rng.random()
            if chance < 0.3:
                self.lines.append(f"    {entity.key}: {entity.key_kind}")
                out.required_keys.add(entity.name)
            elif chance < 0.45:
                self.lines.append(f"    {entity.key}: Optional[{entity.key_kind}] = None")
            elif chance < 0.55 and entity.key_kind == "str":
                self.lines.append(f'    {entity.key}: str = Field(faker="shortuuid", length=8)')
        for place in range(rng.randrange(1, 5)):
            kind = rng.choice(KINDS)
            name = f"f{place}"
            out.fields[name] = kind
            if rng.random() < 0.4:
                self.lines.append(f"    {name}: {kind}")
                out.required.add(name)
            else:
                self.lines.append(f"    {name}: {rng.choice(FREE[kind])}")
        self._validator(out.fields)
        return out
