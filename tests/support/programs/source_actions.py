"""Random actions as Python source: `NewEvent`, `AddDecay`, `Select`, `SetState`."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

from tests.support.programs.source_expressions import Expressions
from tests.support.programs.source_schema import EQUAL_OPS, ORDERED_OPS, EntityText, EventText, Schema


def _in_order(low: str, high: str) -> tuple[str, str]:
    """The ends of a range, the smaller one first where both are known: an empty range is refused."""
    if low.startswith("Now") != high.startswith("Now"):
        return low, high
    names = {"datetime": datetime, "timedelta": timedelta, "Now": lambda: datetime(2024, 1, 1), "math": math}
    if "hash" in low + high:
        return low, high
    try:
        is_empty = eval(f"({low}) > ({high})", names)
    except Exception:  # noqa: BLE001 - it reads what only the flow knows
        return low, high
    return (high, low) if is_empty else (low, high)


class Actions:
    """What a flow can yield at a point where the locals of ``expressions`` are known."""

    def __init__(self, rng: random.Random, schema: Schema, expressions: Expressions, tried: set[str]) -> None:
        self.rng, self.schema, self.expressions, self.tried = rng, schema, expressions, tried

    # ------------------------------------------------ events

    def new_event(self) -> str:
        """An event of any type that can be filled here; some save an entity."""
        rng = self.rng
        savable = [entity for entity in self.schema.entities if entity.event is not None]
        chance = rng.random()
        if savable and chance < 0.3:
            return self._made(rng.choice(savable), save=chance < 0.25)
        events = [event for event in self.schema.events if event.required_keys <= self.tried]
        return self._plain(rng.choice(events)) if events else self._made(savable[0], save=False)

    def _made(self, entity: EntityText, *, save: bool) -> str:
        given = self._values(
            {name: kind for name, kind in entity.event_fields.items() if self.rng.random() < 0.3}
        )
        mutate = self._mutate(dict(entity.event_fields), {entity.name} if save else set())
        if save:
            self.tried.add(entity.name)
        return f"NewEvent(ctx, {entity.event}{given}{f', save_entity={entity.name}' if save else ''}{mutate})"

    def _plain(self, event: EventText) -> str:
        rng = self.rng
        wanted = {n: kind for n, kind in event.fields.items() if n in event.required or rng.random() < 0.3}
        given = self._values(wanted)
        for name, entity in self.expressions.handles.items():
            if entity.name in event.required_keys and f" {entity.key}=" not in given and rng.random() < 0.15:
                given += f", {entity.key}={name}.{entity.key}"
        return f"NewEvent(ctx, {event.name}{given}{self._mutate(event.fields, set())})"

    def _values(self, fields: dict[str, str]) -> str:
        return "".join(f", {name}={self.expressions.of(kind)}" for name, kind in fields.items())

    def _mutate(self, fields: dict[str, str], born: set[str]) -> str:
        rng = self.rng
        if rng.random() < 0.45:
            return ""
        entities = [entity for entity in self.changeable(born) if rng.random() < 0.6]
        rng.shuffle(entities)
        changes = [self.set_state(entity, fields) for entity in entities]
        if not changes:
            return ""
        return f", mutate={changes[0] if len(changes) == 1 else '[' + ', '.join(changes) + ']'}"

    # ------------------------------------------------ changes

    def changeable(self, born: set[str] = frozenset()) -> list[EntityText]:
        """Entities that every path to here has tried to get."""
        return [entity for entity in self.schema.entities if entity.name in self.tried | born]

    def set_state(self, entity: EntityText, data: dict[str, str] | None = None) -> str:
        """``SetState(...)``; within ``mutate`` values may come from the event at hand, ``data``."""
        rng = self.rng
        names = rng.sample(sorted(entity.fields), min(rng.choice((1, 1, 2, 3)), len(entity.fields)))
        changes = [self._change(entity, name, data or {}) for name in names]
        if rng.random() < 0.3:
            op, value = rng.choice((("add", "1"), ("is", "0"), ("max", "2"), ("add", "random.randint(0, 3)")))
            changes.append(f'("w", "{op}", {value})')
        return f"SetState({entity.name}, [{', '.join(changes)}])"

    def _change(self, entity: EntityText, name: str, data: dict[str, str]) -> str:
        rng, kind = self.rng, entity.fields[name]
        if name in entity.optional:
            value = "None" if rng.random() < 0.25 else self._value(kind, data)
            return f'("{name}", "{rng.choice(("is", "="))}", {value})'
        ops = {"int": 7, "float": 7, "str": 4, "bool": 2, "datetime": 6}[kind]
        order = ("is", "=", "max", "min", "add", "subtract", "multiply")
        op = rng.choice(order[:ops])
        value = self._value(kind, data)
        if op == "multiply":
            value = rng.choice(
                ("-1", "1", "random.choice([0, 1, -1])")
                if kind == "int"
                else ("0.5", "-1", "random.random()")
            )
        if kind == "datetime" and op in ("add", "subtract"):
            value = f"timedelta(seconds={self.expressions.of('int', 1)})"
        return f'("{name}", "{op}", {value})'

    def _value(self, kind: str, data: dict[str, str]) -> str:
        rng = self.rng
        near = [name for name, of in data.items() if of == kind]
        if near and rng.random() < 0.4:
            name = rng.choice(near)
            zero = {"int": "0", "float": "0.0", "str": '""', "bool": "False", "datetime": "datetime.now()"}[
                kind
            ]
            return rng.choice(
                (f'ctx.current_event_data["{name}"]', f'ctx.current_event_data.get("{name}", {zero})')
            )
        if kind == "float" and rng.random() < 0.15:
            kind = "int"
        return self.expressions.of(kind)

    # ------------------------------------------------ selections

    def select(self, entity: EntityText, *, static: bool = False) -> str:
        """``Select(ctx, ...)``; ``static`` ones may filter starts."""
        rng = self.rng
        conditions = [self._condition(entity, static=static) for _ in range(rng.choice((0, 0, 1, 1, 1, 2)))]
        text = f", where=[{', '.join(conditions)}]" if conditions else ""
        if rng.random() < 0.3:
            text += ", shared=True"
        if rng.random() < 0.2:
            text += ', weight="w"'
        return f"Select(ctx, {entity.name}{text})"

    def _condition(self, entity: EntityText, *, static: bool) -> str:
        rng = self.rng
        if rng.random() < 0.12:
            return self._key_condition(entity, static=static)
        name = rng.choice(sorted(entity.fields))
        kind = entity.fields[name]

        def value() -> str:
            if not static and rng.random() < 0.3:
                return self.expressions.of(kind, 1)
            if kind == "datetime" and rng.random() < 0.7:
                return f"Now() {rng.choice('+-')} timedelta(seconds={rng.choice((0, 2, 7.5, 40))})"
            return self._literal(kind)

        def plain() -> str:
            return self.expressions.of(kind, 1) if not static and rng.random() < 0.3 else self._literal(kind)

        chance = rng.random()
        if chance < 0.15:
            return f'("{name}", "{rng.choice(("is_null", "not_null"))}")'
        if chance < 0.25:
            return f'("{name}", "{rng.choice(("is", "is_not"))}", None)'
        if chance < 0.4:
            return f'("{name}", "{rng.choice(("in", "not_in"))}", [{plain()}, {plain()}])'
        if kind == "bool" or chance < 0.55:
            return f'("{name}", "{rng.choice(EQUAL_OPS)}", {plain()})'
        if chance < 0.7:
            low, high = _in_order(value(), value())
            return f'("{name}", "between", [{low}, {high}])'
        return f'("{name}", "{rng.choice(ORDERED_OPS)}", {value()})'

    def _key_condition(self, entity: EntityText, *, static: bool) -> str:
        rng = self.rng
        handles = [name for name, of in self.expressions.handles.items() if of is entity]
        if handles and not static:
            return (
                f'("{entity.key}", "{rng.choice(("is", "is_not", ">"))}", {rng.choice(handles)}.{entity.key})'
            )
        literal = "500" if entity.key_kind == "int" else '"m"'
        return f'("{entity.key}", "{rng.choice((*ORDERED_OPS, "is_not"))}", {literal})'

    def _literal(self, kind: str) -> str:
        rng = self.rng
        return rng.choice(
            {
                "int": ("0", "1", "3", "-1", "2.5"),
                "float": ("0", "1.5", "4.0", "10"),
                "str": ('"red"', '"x"', '""', '"m"', '"gold"'),
                "bool": ("True", "False"),
                "datetime": (
                    "datetime(2024, 1, 1)",
                    "datetime(2024, 1, 1, 0, 0, 20)",
                    "datetime(2024, 1, 1, 0, 3)",
                ),
            }[kind]
        )

    # ------------------------------------------------ waiting

    def decay(self) -> str:
        """``AddDecay(...)`` with numbers, computed numbers, or distributions."""
        rng = self.rng
        rate = rng.choice(
            (
                "0.0",
                "0.05",
                "0.3",
                "random.random() * 0.2",
                f"1 / (2 + abs({self.expressions.of('int', 1)}))",
            )
        )
        units = rng.sample(("seconds", "milliseconds", "minutes"), rng.choice((1, 1, 2)))
        waits = "".join(f", {unit}={self._wait()}" for unit in units)
        return f"AddDecay(ctx, rate={rate}{waits})"

    def _wait(self) -> str:
        rng = self.rng
        number = f"({self.expressions.of('int', 1)}) % 40"
        return rng.choice(
            (
                str(rng.choice((0, 1, 2.5, 30))),
                number,
                f"({self.expressions.of('float', 1)}) % 7.5",
                f"Exponential({rng.choice((2, 15, number))})",
                f"LogNormal({rng.choice((1.2, 0))}, {rng.choice((0.5, 1))})",
                f"Uniform({rng.choice((0, 1))}, {rng.choice((3, 20))})",
                f"Normal({rng.choice((1, 10, number))}, sd={rng.choice((2, 3.5))})",
                f"Choice([0, 1, {rng.choice((5, 7.5))}])",
                "Choice([1, 5, 60], weights=[8, 1, 1])",
            )
        )
