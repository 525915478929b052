"""Random flows over state of every type that may be null: they read, compare, set, select by and hand on values."""

from __future__ import annotations

import random

# state fields by type; "!" marks those that are never None
FIELDS = {
    "n": "int", "f": "float", "s": "str", "t": "str", "d": "Decimal", "u": "UUID", "p": "Plan", "w": "datetime",
    "b": "bool", "l": "list", "m": "Point", "q": "str", "r": "int", "v": "float",
    "c": "int!", "g": "float!", "z": "Decimal!",
}  # fmt: skip
VALUES = {
    "int": ["None", "3", "random.choice([None, 5, 9])", "random.randint(1, 9)"],
    "float": ["None", "0.5", "2", "random.choice([None, 1, 2.5])", "random.random()"],
    "str": ["None", "'a'", "''", "random.choice(['a', None, 'b'])", "f'x{random.randint(1, 3)}'"],
    "Decimal": ["None", "Decimal('1.50')", "random.choice([None, Decimal('2')])"],
    "UUID": ["None", "uuid.uuid4()"],
    "Plan": ["None", "Plan.PRO", "random.choice([*Plan, None])"],
    "datetime": ["None", "ctx.flow_clock", "datetime(2024, 1, 1, 0, 0, 1)"],
    "bool": ["None", "True", "random.random() < .5", "random.choice([None, False])"],
    "list": ["None", "[1]", "[random.randint(1, 2), 4]"],
    "Point": ["None"],
}
# what is compared with, in order
WANTED = {
    "int": ["2.5", "5", "7", "None"], "float": ["0.5", "2", "None"], "str": ["''", "'a'", "None"],
    "Decimal": ["Decimal('1.5')", "2", "None"], "UUID": ["None", "uuid.UUID(int=1)"], "Plan": ["Plan.FREE", "None"],
    "datetime": ["datetime(2024, 1, 1)", "None"], "bool": ["True", "None"], "list": ["[1]", "None"],
}  # fmt: skip
EQUAL = ["is", "is_not"]
ORDER = ["greater_than", "less_than", "greater_or_equal", "less_or_equal", "between"]
WORLD = """
import random, uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pydantic import BaseModel
from deep_faker import *

class Plan(Enum):
    FREE = "free"
    PRO = "pro"

class Point(BaseModel):
    x: int
    day: date | None = None

class Values(BaseEvent):
    k: str
    n: int | None = None
    f: float | None = None
    s: str | None = None
    d: Decimal | None = None
    u: uuid.UUID | None = None
    p: Plan | None = None
    w: datetime | None = None
    b: bool | None = None
    l: list[int] | None = None
    m: Point | None = None

class Opened(BaseEvent):
    k: str = Field(faker="shortuuid", length=8)
    n: int | None = Field(dist=Choice([5, None, 7]))
    f: float | None = Field(dist=Choice([0.5, None]))
    s: str | None = Field(faker="random_element", elements=["a", "b", None])
    t: str | None = Field(dist=Choice(["a", "", None]))
    d: Decimal | None = Field(dist=Choice([Decimal("1.50"), None]))
    u: uuid.UUID | None = Field(faker="uuid4")
    p: Plan | None = Field(dist=Choice([Plan.FREE, Plan.PRO, None]))
    w: datetime | None = Field(dist=Choice([datetime(2024, 1, 1, 0, 0, 1), None]))
    b: bool | None = Field(dist=Choice([True, False, None]))
    l: list[int] | None = Field(dist=Choice([[1], [2, 3], None]))
    m: Point | None = Field(dist=Choice([{"x": 1}, None]))
    q: str | None = Field(derive=lambda e: None if e.n is None else f"n{e.n}")
    r: int | None = Field(derive=lambda e: e.n and e.n + 1)
    v: float | None = Field(derive=lambda e: e.f if e.n is None else e.n / 2)

class Account(Entity):
    source_event = Opened
    primary_key = "k"
    n: int | None = StateField(from_field="n")
    f: float | None = StateField(from_field="f")
    s: str | None = StateField(from_field="s")
    t: str | None = StateField(from_field="t")
    d: Decimal | None = StateField(from_field="d")
    u: uuid.UUID | None = StateField(from_field="u")
    p: Plan | None = StateField(from_field="p")
    w: datetime | None = StateField(from_field="w")
    b: bool | None = StateField(from_field="b")
    l: list[int] | None = StateField(from_field="l")
    m: Point | None = StateField(from_field="m")
    q: str | None = StateField(from_field="q")
    r: int | None = StateField(from_field="r")
    v: float | None = StateField(from_field="v")
    c: int = StateField(default=0)
    g: float = StateField(default=1.0)
    z: Decimal = StateField(default=Decimal("1"))

class Told(BaseEvent):
    k: str
    text: str

sim = Simulation("3s", start_time="2024-01-01", n_flows=8, random_seed=3, initial_entities={Account: 30})

@sim.flow(filter=Select(Account))
def look(ctx):
    a = ctx.get_entity(Account)
BODY
    yield NewEvent(ctx, Told, text=f"{a.n!r} {a.f!r} {a.s!r} {a.d!r} {a.p!r} {a.w!r} {a.l!r} {a.m!r} {a.r!r} {a.g!r}")

@sim.flow()
def made(ctx):
    yield NewEvent(ctx, Opened, save_entity=Account)
    a = ctx.get_entity(Account)
    yield NewEvent(ctx, Told, text=f"{a.n} {a.q} {a.p} {a.d} {a.r} {a.v}")
"""


class Program:
    """One random flow body. Draws do not stand on the right of ``in``."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.locals: dict[str, str] = {}

    def text(self) -> str:
        return WORLD.replace("BODY", "\n".join(self.statements(2, "    ")))

    def value(self, kind: str) -> str:
        plain, never = kind.rstrip("!"), kind.endswith("!")
        options = [text for text in VALUES[plain] if not (never and "None" in text)]
        options += [f"a.{name}" for name, of in FIELDS.items() if of in (kind, plain + "!")]
        options += [name for name, of in self.locals.items() if of == kind]
        if plain == "float":  # an int is taken for a float
            options += [f"a.{name}" for name, of in FIELDS.items() if of == ("int!" if never else "int")]
        return self.rng.choice(options)

    def condition(self) -> str:
        name, kind = self.rng.choice([pair for pair in FIELDS.items() if pair[1] != "Point"])
        plain = kind.rstrip("!")
        ordered = ORDER if plain in ("int", "float", "str", "Decimal", "datetime") else []
        op = self.rng.choice([*EQUAL, "is_null", "not_null", "in", "not_in", *ordered])
        wanted = WANTED[plain] + (["Now()"] if plain == "datetime" and op in ORDER else [])
        if op in ("is_null", "not_null"):
            return f"({name!r}, {op!r})"
        if op in ("in", "not_in", "between"):
            members = self.rng.choices(wanted, k=2 if op == "between" else self.rng.randrange(3))
            members.sort(key=wanted.index)  # a range from high to low is refused
            return f"({name!r}, {op!r}, [{', '.join(members)}])"
        computed = self.rng.random() < 0.4 and (plain != "datetime" or op in EQUAL)
        return f"({name!r}, {op!r}, {self.value(kind) if computed else self.rng.choice(wanted)})"

    def change(self) -> str:
        changes = []
        for _ in range(self.rng.randrange(1, 4)):
            name, kind = self.rng.choice(list(FIELDS.items()))
            adds = kind.endswith("!") and self.rng.random() < 0.6
            op = self.rng.choice(["add", "subtract", "min", "max"]) if adds else "is"
            changes.append(f"({name!r}, {op!r}, {self.value(kind)})")
        return f"SetState(Account, [{', '.join(changes)}])"

    def statements(self, depth: int, indent: str) -> list[str]:
        out: list[str] = []
        for _ in range(self.rng.randrange(2, 5)):
            out += self.statement(depth, indent)
        return out

    def statement(self, depth: int, indent: str) -> list[str]:
        rng = self.rng
        what = rng.choice(["change", "change", "mutate", "event", "local", "wait", "select", "branch"])
        if what == "change":
            return [f"{indent}yield {self.change()}"]
        if what == "mutate":
            return [
                f"{indent}yield NewEvent(ctx, Values, n=a.n, s=a.s, d=a.d, p=a.p, mutate={self.change()})"
            ]
        if what == "event":
            given = ", ".join(f"{name}={self.value(FIELDS[name])}" for name in "nfsdupwblm")
            return [f"{indent}yield NewEvent(ctx, Values, {given})"]
        if what == "local":
            name, kind = f"x{len(self.locals)}", rng.choice(list(FIELDS.values()))
            line = f"{indent}{name} = {self.value(kind)}"
            if depth == 2:  # elsewhere it may not be set
                self.locals[name] = kind
            return [line]
        if what == "wait":
            return [
                f"{indent}yield AddDecay(ctx, rate=0.05, seconds={rng.choice(['0.3', '1', 'a.c % 3 + 0.1'])})"
            ]
        if what == "select":
            where = ", ".join(self.condition() for _ in range(rng.randrange(1, 3)))
            shared = ", shared=True" if rng.random() < 0.4 else ""
            lines = [f"yield Select(ctx, Account, where=[{where}]{shared})", "a = ctx.get_entity(Account)"]
            return [indent + line for line in (*lines, "if not a:", "    return")]
        return self.branch(depth, indent) if depth else []

    def branch(self, depth: int, indent: str) -> list[str]:
        name, kind = self.rng.choice([pair for pair in FIELDS.items() if pair[1] not in ("Point", "list")])
        tests = [
            f"a.{name} is None",
            f"a.{name} == {self.value(kind)}",
            f"a.{name}",
            f"a.{name} in (a.{name}, None)",
        ]
        out = [f"{indent}if {self.rng.choice(tests)}:", f"{indent}    pass"]
        out += self.statements(depth - 1, indent + "    ")
        if self.rng.random() < 0.5:
            out += [f"{indent}else:", f"{indent}    pass", *self.statements(depth - 1, indent + "    ")]
        return out
