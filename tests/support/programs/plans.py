"""Random plans, to hold one engine against another."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from deep_faker import BaseEvent, Entity, Field, StateField
from deep_faker.declare.schema import entity_spec, event_spec
from deep_faker.fill.binding import Binding
from deep_faker.plan import (
    Apply,
    Branch,
    Change,
    Clock,
    Condition,
    Count,
    Delay,
    Draw,
    Early,
    Emit,
    End,
    EntityPlan,
    Filter,
    FlowTable,
    Goto,
    Held,
    Hold,
    Let,
    Need,
    Now,
    Pick,
    Plan,
    Read,
    Save,
    Session,
    State,
    StateColumn,
    Trace,
    Type,
    Wait,
)
from deep_faker.plan.storage import Texts, to_python
from deep_faker.simulate.engine import Engine
from tests.support.engine_builders import SECOND, START, expr, flow, settings, site, span
from tests.support.engines import final_states


class AccountMade(BaseEvent):
    account_id: str = Field(faker="shortuuid", length=8)
    tier: str = Field(faker="random_element", elements=["gold", "silver"])


class ItemMade(BaseEvent):
    item_id: str = Field(faker="shortuuid", length=8)
    price: int = Field(faker="random_int", min=1, max=9)


class TicketMade(BaseEvent):
    code: int = Field(faker="random_int", min=1, max=400)
    account_id: str


class Seen(BaseEvent):
    account_id: str
    item_id: str
    number: int
    note: str


class Did(BaseEvent):
    value: float


class Account(Entity):
    source_event = AccountMade
    primary_key = "account_id"
    points: int = StateField(default=0, type_=int)
    money: float = StateField(default=1.5, type_=float)
    status: str = StateField(default="new", type_=str)
    last: datetime | None = StateField(default=None, type_=datetime | None)
    tier: str = StateField(from_field="tier", type_=str)


class Item(Entity):
    source_event = ItemMade
    primary_key = "item_id"
    sold: int = StateField(default=1, type_=int)
    price: int = StateField(from_field="price", type_=int)


class Ticket(Entity):
    source_event = TicketMade
    primary_key = "code"
    state: str = StateField(default="open", type_=str)
    owner: str = StateField(from_field="account_id", type_=str)


EVENTS = {cls.__name__: event_spec(cls) for cls in (AccountMade, ItemMade, TicketMade, Seen, Did)}
INT, FLOAT, BOOL, CODE, STR, WHEN = (
    Type(kind) for kind in ("int", "float", "bool", "code", "str", "datetime")
)
TYPES: dict[str, Type] = {
    "i": INT, "j": INT, "u": FLOAT, "g": FLOAT, "b": BOOL, "c": CODE, "s": STR, "d": WHEN, "code": INT,
    "maybe": Type("datetime", optional=True), "tier": CODE,
    "a": Type("entity", entity="Account"), "m": Type("entity", entity="Item"), "t": Type("entity", entity="Ticket"),
}  # fmt: skip
INITIAL = {"i": "0", "j": "3", "u": "0.25", "g": "1.0", "b": "True", "c": "'new'", "s": "'x'"}
NAMES = {"Account": "a", "Item": "m", "Ticket": "t"}


class Builder:
    """One random flow."""

    def __init__(self, rng: random.Random, texts: Texts, filters: list[Filter], number: int) -> None:
        self.rng, self.texts, self.filters, self.number = rng, texts, filters, number
        self.states: list[State] = []
        self.line = number * 1000
        self.operations: list[Any] = []
        self.current = 0
        self.next = 1
        self.shared = {name: any(f.shared and f.entity == name for f in filters) for name in NAMES}

    def at(self) -> Any:
        self.line += 1
        return span(self.line)

    def e(self, text: str, type_: Type | None = None) -> Any:
        return expr(text, TYPES, self.texts, type_, self.line)

    def fresh(self) -> int:
        self.next += 1
        return self.next - 1

    def seal(self, terminator: Any, following: int) -> None:
        self.states.append(State(self.current, tuple(self.operations), terminator, span(self.line)))
        self.operations = []
        self.current = following

    def add(self, *operations: Any) -> None:
        self.operations += operations

    def build(self, starts: tuple[int, ...], weight: float) -> FlowTable:
        self.add(*(Let(name, self.e(text, TYPES[name])) for name, text in INITIAL.items()))
        self.add(Clock("d"), Let("maybe", self.e("None", TYPES["maybe"])), Let("code", self.e("0", INT)))
        self.add(*(Held(local, entity) for entity, local in NAMES.items()))
        for _ in range(self.rng.randrange(3, 9)):
            self.statement(2)
        self.seal(End(self.at()), -1)
        self.states.sort(key=lambda state: state.number)
        return flow(self.number, self.states, TYPES, weight=weight, starts=starts)

    def statement(self, depth: int) -> None:
        kinds: list[Callable[[], None]] = [
            self.wait, self.wait, self.pick, self.pick, self.save, self.view, self.view, self.did, self.apply,
            self.let, self.draw, self.read, self.hold,
        ]  # fmt: skip
        if depth:
            kinds += [lambda: self.branch(depth), lambda: self.loop(depth)]
        self.rng.choice(kinds)()

    def wait(self) -> None:
        rng = self.rng
        delays = [
            Delay(SECOND, constant=rng.choice([0, 300_000, 2_500_000, 40_000_000])),
            Delay(SECOND, kind="exponential", params=(rng.choice([0.2, 5.0]),)),
            Delay(SECOND, kind="uniform", params=(0.0, 3.0)),
            Delay(1000, local="g"),
            Delay(1000, local="i"),
        ]
        chosen = tuple(
            replace(delay, purpose=f"wait{at}")
            for at, delay in enumerate(rng.sample(delays, rng.choice([1, 1, 2])))
        )
        rate: float | str = rng.choice([0.0, 0.1, 0.1, 0.3, 1.0 if rng.random() < 0.1 else 0.0, "u"])
        if rate == "u":
            self.add(Draw("u", "random", (), self.at()), Let("u", self.e("u * 0.3", FLOAT)))
        self.add(
            Let("i", self.e("abs(i) % 5000", INT)),
            Let("g", self.e("abs(g) % 900.0", FLOAT)),
            Count(self.at()),
        )
        following = self.fresh()
        self.seal(Wait(chosen, rate, following, self.at()), following)
        if self.rng.random() < 0.3:
            self.add(Clock("d"))

    def pick(self) -> None:
        rng = self.rng
        choice = rng.choice(self.filters)
        dynamic: tuple[tuple[str, str, str], ...] = ()
        if rng.random() < 0.3:
            options = {
                "Account": [
                    ("points", "greater_or_equal", "j"),
                    ("status", "is_not", "c"),
                    ("account_id", "is", "s"),
                ],
                "Item": [("sold", "less_than", "i"), ("price", "is", "j")],
                "Ticket": [("code", "is", "code"), ("code", "greater_than", "j")],
            }[choice.entity]
            dynamic = tuple(rng.sample(options, rng.choice([1, 1, 2])))
        local = NAMES[choice.entity]
        self.add(Count(self.at()))
        following = self.fresh()
        self.seal(Pick(choice.entity, choice.number, dynamic, following, self.at()), following)
        self.add(Held(local, choice.entity))
        if rng.random() < 0.4:
            self.add(Need(local, self.at()))

    def changes(self, entities: list[str]) -> tuple[Change, ...]:
        rng = self.rng
        options = {
            "Account": [("points", "add", "i"), ("points", "subtract", "j"), ("points", "max", "j"), ("money", "add", "g"),
                        ("money", "multiply", "u"), ("status", "is", "c"), ("last", "is", "d"), ("last", "is", "maybe")],
            "Item": [("sold", "add", "i"), ("sold", "is", "j"), ("sold", "min", "j"), ("sold", "subtract", "i")],
            "Ticket": [("state", "is", "c")],
        }  # fmt: skip
        out = []
        for entity in entities:
            for field, op, value in rng.sample(
                options[entity], rng.randrange(min(3, len(options[entity])) + 1)
            ):
                out.append(Change(entity, field, op, value, self.at()))
        rng.shuffle(out)
        return tuple(out)

    def tame(self) -> None:
        self.add(Let("i", self.e("i % 7 - 2", INT)), Let("j", self.e("j % 11", INT)))

    def view(self) -> None:
        self.tame()
        self.add(Let("s", self.e("'n' + str(i)", STR))) if self.rng.random() < 0.3 else None
        values = (("number", "i"), ("note", "s"))
        keys = (("account_id", "Account"), ("item_id", "Item"))
        self.add(Count(self.at()), Emit(3, values, keys, self.changes(["Account", "Item"]), self.at()))

    def did(self) -> None:
        self.tame()
        entities = self.rng.sample(list(NAMES), self.rng.randrange(3))
        self.add(Count(self.at()), Emit(4, (("value", "g"),), (), self.changes(entities), self.at()))

    def apply(self) -> None:
        self.tame()
        changes = self.changes(self.rng.sample(list(NAMES), self.rng.randrange(1, 3)))
        if changes:
            self.add(Count(self.at()), Apply(changes, self.at()))

    def save(self) -> None:
        rng = self.rng
        self.tame()
        entity = rng.choice(list(NAMES))
        self.add(Count(self.at()))
        changes = self.changes(rng.sample(list(NAMES), rng.randrange(3)))
        if entity == "Ticket":
            self.add(Early("code", "TicketMade", "code", self.at()))
            emit = Emit(2, (("code", "code"),), (("account_id", "Account"),), changes, self.at())
        elif entity == "Account":
            self.add(Early("tier", "AccountMade", "tier", self.at()))
            emit = Emit(0, (("tier", "tier"),), (), changes, self.at())
        else:
            self.add(Early("i", "ItemMade", "price", self.at()))
            emit = Emit(1, (("price", "i"),), (), changes, self.at())
        following = self.fresh()
        self.seal(Save(emit, entity, following, emit.span), following)
        self.add(Held(NAMES[entity], entity))

    def let(self) -> None:
        rng = self.rng
        self.add(
            *rng.sample(
                [
                    Let("i", self.e("i * 3 + j", INT)), Let("j", self.e("j - i // 2", INT)),
                    Let("g", self.e("g * 0.5 + i", FLOAT)), Let("b", self.e("i < j or b", BOOL)),
                    Let("c", self.e("'gold' if b else c", CODE)), Let("s", self.e("s[:4] + c", STR)),
                    Session("s"), Clock("d"), Let("maybe", self.e("d if b else None", TYPES["maybe"])),
                ],
                2,
            )
        )  # fmt: skip
        self.tame()

    def draw(self) -> None:
        self.tame()
        self.add(
            self.rng.choice(
                [
                    Draw("u", "random", (), self.at()),
                    Draw("i", "randint", (self.e("1"), self.e("6")), self.at()),
                    Draw("j", "randint", (self.e("i"), self.e("i + 4")), self.at()),
                    Draw("g", "uniform", (self.e("0.5"), self.e("2.5")), self.at()),
                    Draw("g", "gammavariate", (self.e("2.0"), self.e("1.0")), self.at()),
                    Draw("i", "index", (self.e("5"),), self.at()),
                ]
            )
        )

    def read(self) -> None:
        rng = self.rng
        entity = rng.choice(list(NAMES))
        local = NAMES[entity]
        fields = {
            "Account": [("points", "i"), ("money", "g"), ("status", "c"), ("last", "maybe"), ("tier", "tier"), (None, "s")],
            "Item": [("sold", "i"), ("price", "j"), (None, "s")],
            "Ticket": [("state", "c"), (None, "code"), ("owner", "s")],
        }[entity]  # fmt: skip
        field, target = rng.choice(fields)
        current = field is not None and rng.random() < 0.3 and not self.shared[entity]
        if current or rng.random() < 0.6:  # otherwise a handle that may be stale
            self.add(Held(local, entity))
        self.add(Read(target, entity, local, field, current, self.at()))
        self.tame()

    def hold(self) -> None:
        entity = self.rng.choice(list(NAMES))
        self.add(Held(NAMES[entity], entity), Hold(entity, NAMES[entity], self.at()))

    def branch(self, depth: int) -> None:
        if self.rng.random() < 0.7:
            self.add(Draw("u", "random", (), self.at()), Let("b", self.e("u < 0.5", BOOL)))
        then, other, join = self.fresh(), self.fresh(), self.fresh()
        self.seal(Branch("b", then, other, self.at()), then)
        for _ in range(self.rng.randrange(1, 3)):
            self.statement(depth - 1)
        ends = self.rng.random() < 0.2
        self.seal(End(self.at()) if ends else Goto(join), other)
        if self.rng.random() < 0.6:
            self.statement(depth - 1)
        self.seal(Goto(join), join)

    def loop(self, depth: int) -> None:
        head, body, out = self.fresh(), self.fresh(), self.fresh()
        self.seal(Goto(head), head)
        self.add(Draw("u", "random", (), self.at()), Let("b", self.e("u < 0.6", BOOL)))
        self.seal(Branch("b", body, out, self.at()), body)
        for _ in range(self.rng.randrange(1, 3)):
            self.statement(depth - 1)
        self.seal(Goto(head), out)


def random_filters(rng: random.Random) -> list[Filter]:
    """Exclusive and shared, with conditions of all sorts, weighted or not."""
    conditions: dict[str, list[tuple[Condition, ...]]] = {
        "Account": [
            (), (), (Condition("points", "greater_than", 0),), (Condition("status", "is", "new"),),
            (Condition("last", "less_than", Now(-20 * SECOND)),), (Condition("last", "is_null", None),),
            (Condition("last", "between", (Now(-30 * SECOND), Now(-5 * SECOND))), Condition("money", "greater_than", 1)),
            (Condition("last", "greater_or_equal", Now(-15 * SECOND)),),
            (Condition("tier", "in", ("gold", "none")), Condition("points", "not_in", (1, 2))),
            (Condition("status", "less_than", "n"),),
        ],
        "Item": [(), (), (Condition("sold", "between", (0, 3)),), (Condition("price", "less_or_equal", 5),)],
        "Ticket": [(), (), (Condition("state", "is", "open"),), (Condition("code", "greater_than", 100),)],
    }  # fmt: skip
    out = []
    for entity in (
        "Account",
        "Account",
        "Item",
        "Item",
        "Ticket",
        *rng.choices(list(NAMES), k=rng.randrange(4)),
    ):
        weights = {"Account": [None, None, None, "money"], "Item": [None, None, "price"], "Ticket": [None]}[
            entity
        ]
        out.append(
            Filter(len(out), entity, rng.choice(conditions[entity]), rng.random() < 0.35, rng.choice(weights))
        )
    return out


def random_plan(seed: int) -> Plan:
    rng = random.Random(seed)
    texts = Texts(["new", "gold", "silver", "open", "x"])
    filters = random_filters(rng)
    sites = (
        site(0, "AccountMade", {"tier": CODE}, {}, ("account_id",), "Account", ("tier",)),
        site(1, "ItemMade", {"price": INT}, {}, ("item_id",), "Item", ("price",)),
        site(2, "TicketMade", {"code": INT}, {"account_id": "Account"}, (), "Ticket", ("code",)),
        site(3, "Seen", {"number": INT, "note": STR}, {"account_id": "Account", "item_id": "Item"}),
        site(4, "Did", {"value": FLOAT}, {}),
    )
    flows = []
    for number in range(rng.randrange(1, 4)):
        start = {f.entity: f.number for f in rng.sample(filters, rng.randrange(3))}
        flows.append(
            Builder(rng, texts, filters, number).build(tuple(start.values()), rng.choice([1.0, 2.5, 0.3]))
        )
    shared = {name: any(f.shared and f.entity == name for f in filters) for name in NAMES}

    def entity(cls: type[Entity], columns: tuple[StateColumn, ...], mode: Any = "permuted") -> EntityPlan:
        name = cls.__name__
        return EntityPlan(
            name,
            entity_spec(cls),
            columns,
            mode,
            start_view=shared[name] or rng.random() < 1,
            shared_changes=shared[name],
        )

    entities = {
        "Account": entity(Account, (
            StateColumn("points", INT, 0, None), StateColumn("money", FLOAT, 1.5, None),
            StateColumn("status", CODE, "new", None), StateColumn("last", Type("datetime", optional=True), None, None),
            StateColumn("tier", CODE, None, "tier"),
        )),
        "Item": entity(Item, (StateColumn("sold", INT, 1, None), StateColumn("price", INT, None, "price"))),
        "Ticket": entity(Ticket, (StateColumn("state", CODE, "open", None), StateColumn("owner", STR, None, "account_id")), "stored"),
    }  # fmt: skip
    chosen = settings(
        duration=rng.choice([20, 45]) * SECOND + rng.choice([0, 400_000]),
        n_flows=rng.choice([3, 12, 40, 90]),
        initial=(("Account", rng.choice([5, 30])), ("Item", rng.choice([1, 12]))),
        on_end=rng.choice(["finish", "finish", "cut"]),
        history=rng.random() < 0.5,
        emit_initial=rng.random() < 0.8,
        step=rng.choice([SECOND, 3_700_000]),
    )
    assert START == chosen.start
    initial = {"Account": 0, "Item": 1}
    return Plan(chosen, EVENTS, entities, tuple(flows), tuple(filters), sites, texts.frozen(), initial)


def story(plan: Plan, traces: list[Trace], engine: Engine, binding: Binding) -> dict[str, Any]:
    """All that a run says, in an order that does not depend on the engine."""
    out: dict[str, Any] = {}
    for trace in traces:
        for rows in trace.rows:
            where = engine.sites[rows.site]
            columns = [rows.flow.tolist(), rows.action.tolist(), rows.clock.tolist()]
            columns += [
                to_python(rows.values[n], rows.nulls.get(n), t, plan.texts)
                for n, t in where.bound.items()
                if n in rows.values
            ]
            columns += [rows.keys[n].tolist() for n in sorted(rows.keys)]
            # those that generators were found to need are numbered as they were met
            name = (
                rows.site if rows.site < len(plan.sites) else f"{where.flow} {where.event} {where.span.line}"
            )
            name = f"site {name} {sorted(rows.values)} {sorted(rows.keys)}"
            out.setdefault(name, []).extend(zip(*columns, strict=True))
        for ended in trace.ended:
            names = ("flow", "table", "started", "ended", "outcome", "line", "events")
            columns = [getattr(ended, name).tolist() for name in names]
            for entity in plan.entities:
                offsets, numbers = ended.held.get(
                    entity, (np.zeros(len(ended.flow) + 1, int), np.zeros(0, int))
                )
                columns.append(
                    [tuple(numbers[a:b].tolist()) for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
                )
            out.setdefault("ended", []).extend(zip(*columns, strict=True))
        for versions in trace.versions:
            types = {c.name: c.type for c in plan.entities[versions.entity].columns if not c.lazy}
            columns = [
                getattr(versions, n).tolist() for n in ("number", "clock", "flow", "action", "is_event")
            ]
            columns += [
                to_python(versions.values[n], versions.nulls.get(n), t, plan.texts) for n, t in types.items()
            ]
            out.setdefault(f"versions {versions.entity}", []).extend(zip(*columns, strict=True))
    out = {name: sorted(rows, key=repr) for name, rows in out.items()}
    return out | final_states(plan, engine, binding) | {"counts": engine.counts}
