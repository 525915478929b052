"""Random simulations in the language of behaviour: arrivals, seasons, traits, draws, choices, lists, queues,
who retires, what is let go, what arrives late; among all that `source_wild` writes.
"""

from __future__ import annotations

import random
import re

from tests.support.programs import source_flows
from tests.support.programs.source_schema import EntityText, Schema
from tests.support.programs.source_wild import EXTRA, PlainSchema, WildActions, WildBody, WildSchema

BEHAVIOUR = """
from deep_faker import Daily, Gamma, Poisson, Weekly, Zipf
from deep_faker.actions import Release
from deep_faker.people import Correlated, Mixture, Retire, Segments, Truncated
from deep_faker.seasons import Window

TIDE = Window("2024-01-01T00:00:20", "2024-01-01T00:01:30", 3) * Weekly([2, 1, 1, 1, 1, 1, 0.5])
NIGHT = Daily([4, 0.5] * 12)
PAUSE = Mixture({Exponential(2): 0.7, Truncated(Normal(9, 4), low=1, high=20): 0.3})
KINDS = Segments({"some": 0.7, "many": 0.3})
TWO = Correlated({"one": Gamma(2, 1.5), "other": LogNormal(0, 0.7)}, correlation=[[1, 0.6], [0.6, 1]])
"""

DRAWS = {
    "int": (
        "Poisson(3)", "Truncated(Poisson(2), low=1)", "Zipf(1.3, 40)", "Choice([1, 5, 9], [5, 1, 1])",
        "Poisson(abs({f}) % 20.0)",
    ),
    "float": (
        "Exponential(4)", "PAUSE", "Truncated(LogNormal(1, 1), high=30)", "Gamma(2, 0.5)", "Uniform(0, abs({f}) % 9 + 1)",
    ),
    "str": ('Choice(["red", "x"], [3, 1])', 'Choice(["gold", "m", "red"])'),
}  # fmt: skip
TRAITS = (
    ("float", "Truncated(Normal(5, 4), 0, 12)"), ("int", "Poisson(4)"), ("str", "KINDS"),
    ("float", "KINDS.each(some=Exponential(2), many=Gamma(9, 1))"), ("float", 'TWO["one"]'), ("float", 'TWO["other"]'),
)  # fmt: skip
INTERVALS = ("Exponential(seconds=12)", '"25s"', "Uniform(4, 30)", "PAUSE")
DELAYS = ('after="3s"', "after=Exponential(6)", "", "after=Truncated(Normal(5, 5), low=0.5)")
_FLOW = re.compile(r"@sim\.flow\(initiation_weight=[\d.]+(?:, filter=(.*))?\)$")


class BehaviourSchema(WildSchema):
    """Entities with traits, of whom some retire."""

    def __init__(self, rng: random.Random) -> None:
        self.retiring: list[str] = []
        super().__init__(rng)

    def _state_field(self, entity: EntityText, place: int) -> None:
        super()._state_field(entity, place)
        if entity.event is None:
            return
        if self.rng.random() < 0.3:
            kind, draw = self.rng.choice(TRAITS)
            self.lines.append(f"    t{place}: {kind} = StateField(draw={draw})")
            entity.fields[f"t{place}"] = kind
            if "each" in draw:
                self.lines.append(f"    g{place}: str = StateField(draw=KINDS)")
                entity.fields[f"g{place}"] = "str"
        if place == 0 and self.rng.random() < 0.4:
            self.lines.append("    gone: Optional[datetime] = StateField(retirement=True)")
            self.retiring.append(entity.name)


class PlainBehaviourSchema(BehaviourSchema, PlainSchema):
    """The same without rich types."""


class BehaviourActions(WildActions):
    """Selections that wait, events that arrive late."""

    schema: BehaviourSchema

    def retires(self, entity: EntityText) -> bool:
        """Whether entities of the type may leave."""
        return entity.name.removesuffix("Sub") in self.schema.retiring

    def select(self, entity: EntityText, *, static: bool = False) -> str:
        """As others; one of who may retire is not shared."""
        text = super().select(entity, static=static)
        return text.replace(", shared=True", "") if self.retires(entity) else text

    def new_event(self) -> str:
        """As others; some arrive later."""
        text = super().new_event()
        late = self.rng.choice(("Exponential(30)", '"2m"', "PAUSE"))
        return f"{text[:-1]}, arrives={late})" if self.rng.random() < 0.1 else text


class BehaviourBody(WildBody):
    """A flow that does these things among the others."""

    def __init__(
        self, rng: random.Random, schema: Schema, subflows: list[str], *, live: bool, inner: bool = False
    ) -> None:
        super().__init__(rng, schema, subflows, live=live, inner=inner)
        wrong = self.actions.wrong
        self.actions = BehaviourActions(rng, schema, self.expressions, self.tried)
        self.actions.wrong = wrong

    def statement(self, depth: int) -> None:
        """One of these now and then."""
        if self.rng.random() < 0.7:
            super().statement(depth)
            return
        self.left -= 1
        makes = (self.drawn, self.season, self.choice, self.release, self.retire, self.listed, self.queue)
        self.rng.choice(makes)()

    def drawn(self) -> None:
        kind = self.rng.choice(sorted(DRAWS))
        name = self.name("v")
        draw = self.rng.choice(DRAWS[kind]).format(f=self.expressions.atom("float"))
        self.line(f"{name} = ctx.draw({draw})")
        self.expressions.locals[name] = kind

    def season(self) -> None:
        zone = self.rng.choice(("", "", ', tz="Asia/Tokyo"'))
        factor = f"ctx.season({self.rng.choice(('TIDE', 'NIGHT'))}{zone})"
        if self.rng.random() < 0.5:
            self.line(f"yield AddDecay(ctx, seconds=3 / {factor})")
        else:
            name = self.name("v")
            self.line(f"{name} = random.random() < 0.2 * {factor}")
            self.expressions.locals[name] = "bool"

    def choice(self) -> None:
        name = self.name("v")
        weight = f"abs({self.expressions.atom('float')}) % 5"
        self.line(f"{name} = ctx.choose({{1: 2, 4: {weight}, 7: 1.5}}, softmax={self.rng.random() < 0.3})")
        self.expressions.locals[name] = "int"

    def release(self) -> None:
        if self.tried:
            self.line(f"yield Release(ctx, {self.rng.choice(sorted(self.tried))})")

    def retire(self) -> None:
        leaving = [each.name for each in self.actions.changeable() if self.actions.retires(each)]
        if leaving:
            self.line(f"if random.random() < {self.rng.choice((0.1, 0.5))}:")
            self.line(f"    yield Retire(ctx, {self.rng.choice(leaving)})")

    def listed(self) -> None:
        entities = [each for each in self.schema.entities if not self.actions.retires(each)]
        if not entities:
            return
        entity, name, count = self.rng.choice(entities), self.name("l"), self.name("v")
        select = self.actions.select(entity).replace(", shared=True", "")
        self.line(f"{name} = yield {select[:-1]}, n={self.rng.choice((1, 2, 3, 5))}, shared=True)")
        self.tried.add(entity.name)
        self.line(f"{count} = len({name})")
        self.expressions.locals[count] = "int"
        if self.rng.random() < 0.5:
            self.line(f"for {name}e in {name}:")
            self.line(f"    {count} += len(str({name}e.{entity.key}))")
            if self.rng.random() < 0.5:
                self.line(f"    yield SetState({entity.name}, [('w', 'add', 1)])")

    def queue(self) -> None:
        entity = self.rng.choice(self.schema.entities)
        wait = self.rng.choice(('"3s"', '"800ms"', "20"))
        self.line(f"yield {self.actions.select(entity)[:-1]}, wait={wait})")
        self.tried.add(entity.name)


def behaviour_text(seed: int, *, rich: bool = True) -> str:
    """The source of one random simulation in which some flows arrive by themselves."""
    schema = BehaviourSchema if rich else PlainBehaviourSchema
    text = source_flows.module_text(f"behaviour {seed}", body=BehaviourBody, schema=schema)
    text = text.replace("\nWORDS = ", f"{EXTRA}{BEHAVIOUR}\nWORDS = ", 1)
    rng = random.Random(f"arrivals {seed}")
    events = dict(re.findall(r"^class (A\d+)\(BaseEvent\):\n((?:    .*\n)+)", text, re.MULTILINE))
    lines = [_arriving(rng, line, events) for line in text.split("\n")]
    if not any(line.startswith("@sim.flow(initiation_weight") for line in lines):  # nobody takes places
        lines = [re.sub(r"n_flows=\d+", f"n_flows={rng.choice((None, 5, 60))}", line) for line in lines]
    return "\n".join(lines)


def _arriving(rng: random.Random, line: str, events: dict[str, str]) -> str:
    found = _FLOW.match(line)
    if found is None or rng.random() < 0.4:
        return line
    filters = found[1]
    given = "" if filters is None else f", filter={filters}"
    season = rng.choice(("", "", ", season=TIDE", ", season=NIGHT"))
    if filters is not None and "," not in filters and rng.random() < 0.6:
        own = f", filter={filters}"
        if rng.random() < 0.3:
            return f"@sim.flow(rate=lambda one: (1 + abs(one.w)) / 60{own}{season})"
        return f"@sim.flow(every={rng.choice(INTERVALS)}{own}{season})"
    names = set(re.findall(r"Select\(E(\d)", filters or ""))
    naming = [name for name, fields in events.items() if all(f" e{each}_id:" in fields for each in names)]
    if naming and rng.random() < 0.4:
        own = given.replace(', weight="w"', "")
        return f"@sim.on({', '.join(filter(None, (rng.choice(naming), rng.choice(DELAYS))))}{own})"
    return f'@sim.flow(rate="{rng.choice((6, 40, 200))}/m"{given}{season})'
