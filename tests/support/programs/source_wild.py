"""Random simulations that do what they should not: wrong rates, waits and parameters, overflow, wrong weights; and
nulls, rich types, sets and nested values, drawn, kept in state, filtered and read.

`wild_text` is `source_flows.module_text` with these among the rest. A run of such a module is right if it ends
alike on every engine: with the same rows, or with the same refusal.
"""

from __future__ import annotations

import random

from tests.support.programs import source_flows
from tests.support.programs.source_actions import Actions
from tests.support.programs.source_expressions import Expressions
from tests.support.programs.source_flows import Body
from tests.support.programs.source_schema import EntityText, EventText, Schema

EXTRA = """
from decimal import Decimal
from enum import Enum
from uuid import UUID

from pydantic import BaseModel


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: int
    name: str = "p"

"""

# kind → annotation, generators, literals
RICH: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "decimal": (
        "Decimal",
        ('Field(dist=Choice([Decimal("1.50"), Decimal("2.25")]))', 'Field(default=Decimal("3.10"))'),
        ('Decimal("1.50")', 'Decimal("0.00")'),
    ),
    "enum": ("Color", ("Field(dist=Choice([Color.RED, Color.BLUE]))", "Field(default=Color.RED)"), ("Color.RED", "Color.BLUE")),
    "uuid": ("UUID", ('Field(faker="uuid4")', "Field(default=UUID(int=7))"), ("UUID(int=7)", "UUID(int=9)")),
    "date": (
        "date",
        ("Field(dist=Choice([date(2024, 1, 1), date(2023, 5, 6)]))", "Field(default=date(2024, 1, 1))"),
        ("date(2024, 1, 1)", "date(2023, 5, 6)"),
    ),
    "delta": ("timedelta", ("Field(dist=Choice([timedelta(seconds=5), timedelta(days=1)]))",), ("timedelta(seconds=5)", "timedelta(0)")),
    "int?": ("Optional[int]", ("Field(dist=Choice([1, 2, None]))", 'Field(faker="random_element", elements=[0, 5, None])'), ("1", "0", "None")),
    "float?": ("Optional[float]", ("Field(dist=Choice([50.0, None]))",), ("50.0", "0.0", "None")),
    "str?": ("Optional[str]", ('Field(faker="random_element", elements=["red", None])',), ('"red"', '""', "None")),
    "bool?": ("Optional[bool]", ("Field(dist=Choice([True, False, None]))",), ("True", "False", "None")),
    "datetime?": ("Optional[datetime]", ("Field(dist=Choice([datetime(2024, 1, 1), None]))",), ("datetime(2024, 1, 1)", "None")),
    "decimal?": ("Optional[Decimal]", ('Field(dist=Choice([Decimal("1.50"), None]))',), ('Decimal("1.50")', "None")),
    "enum?": ("Optional[Color]", ("Field(dist=Choice([Color.RED, None]))",), ("Color.RED", "None")),
    "list": ("list[int]", ("Field(default=[1, 2])", "Field(dist=Choice([[1], [2, 3], []]))"), ("[1, 2]", "[]")),
    "dict": ("dict[str, int]", ('Field(default={"a": 1})',), ('{"a": 1}', '{"b": 2, "a": 1}')),
    "model": ("Point", ("Field(default=Point(x=1))",), ("Point(x=1)", 'Point(x=2, name="q")')),
}  # fmt: skip
NESTED = ("list", "dict", "model")


class WildSchema(Schema):
    """Events and entities with rich fields ``r0``, ``r1``; ``rich`` maps their owners' names to fields and kinds."""

    kinds: tuple[str, ...] = tuple(sorted(RICH))

    def __init__(self, rng: random.Random) -> None:
        self.rich: dict[str, dict[str, str]] = {}
        super().__init__(rng)

    def _validator(self, fields: dict[str, str]) -> None:
        """The fields of a class end here: the rich ones come before its validators."""
        name = next(line for line in reversed(self.lines) if line.startswith("class "))[6:].partition("(")[0]
        known = self.rich.setdefault(name, {})
        for place in range(self.rng.choice((0, 1, 2)) if self.kinds else 0):
            kind = self.rng.choice(self.kinds)
            annotation, generators, _ = RICH[kind]
            self.lines.append(f"    r{place}: {annotation} = {self.rng.choice(generators)}")
            known[f"r{place}"] = kind
        super()._validator(fields)

    def _state_field(self, entity: EntityText, place: int) -> None:
        super()._state_field(entity, place)
        rng = self.rng
        known = self.rich.setdefault(entity.name, {})
        name = f"q{place}"
        copied = sorted(self.rich.get(entity.event or "", {}).items())
        if copied and rng.random() < 0.5:
            source, kind = rng.choice(copied)
            self.lines.append(
                f'    {name}: {RICH[kind][0]} = StateField(from_field="{source}", type_={RICH[kind][0]})'
            )
        elif self.kinds and rng.random() < 0.3:
            kind = rng.choice(self.kinds)
            annotation, _, literals = RICH[kind]
            self.lines.append(
                f"    {name}: {annotation} = StateField(default={rng.choice(literals)}, type_={annotation})"
            )
        else:
            return
        known[name] = kind


class PlainSchema(WildSchema):
    """The same without rich fields."""

    kinds = ()


class WildExpressions(Expressions):
    """Expressions of which some cannot be evaluated, or give what nobody can use."""

    wrong = 0.0

    def of(self, kind: str, depth: int = 2) -> str:
        if self.rng.random() < self.wrong and kind in WRONG:
            return self.rng.choice(WRONG[kind]).format(
                i=self.atom("int"), f=self.atom("float"), s=self.atom("str")
            )
        return super().of(kind, depth)


WRONG = {
    "int": (
        "2**62", "(-(2**63))", "random.randint(5, 5 - ({i}) % 3)", "1 // (({i}) % 4)", "random.randrange(({i}) % 3)",
        "[4, 5][({i}) % 3]", "int({s} or 'x')", "len({{{i}, 1, 2}})", "sum({{1, 2, {i} % 5}})", "sorted({{3, 1, {i}}})[0]",
        "{{'a': 1}}['a' if ({i}) % 9 else 'b']", "(({i}) ** 7) * (2**40)",
    ),
    "float": (
        "math.inf", "math.nan", "-math.inf", "1e308 * ({f})", "random.expovariate(0.0 if ({f}) > 9 else 1.0)",
        "1.0 / ({f})", "math.sqrt({f})", "math.exp(({f}) * 90)", "random.gammavariate({f}, 2.0)", "float({i}) ** 0.5",
        "random.triangular(0.0, {f})", "random.lognormvariate({f}, 1.0)",
    ),
    "str": (
        "random.choice([{s}][1 - ({i}) % 2:])", "random.choices(['a', 'b'], weights=[{i}, {f}])[0]", "{s}[({i}) % 3]",
        "sorted({{{s}, 'k', 'm'}})[1]", "str(({s}, [{i}, {f}], {{'k': {s}}}))", "' '.join(sorted({{'u', {s}}}))",
    ),
    "bool": ("{i} in {{1, 2, 7}}", "{s} in frozenset(('x', 'red'))", "math.nan == {f}", "{f} in (math.nan, 1.5)"),
    "datetime": ("datetime(9999, 12, 31) + timedelta(seconds={i})", "datetime.now() + timedelta(days=({i}) * 10**6)"),
}  # fmt: skip


class WildActions(Actions):
    """Waits, changes and selections of which some must be refused."""

    wrong = 0.0

    def decay(self) -> str:
        rng = self.rng
        if rng.random() >= self.wrong * 2:
            return super().decay()
        i, f = self.expressions.atom("int"), self.expressions.atom("float")
        rate = rng.choice(
            (
                f"1.5 if ({i}) % 5 == 0 else 0.1",
                f"0.5 - ({f})",
                f"({i}) % 3",
                "0.05",
                f"math.nan if ({i}) > 3 else 0.0",
            )
        )
        wait = rng.choice(
            (
                f"({i}) - 3", f"({f}) - 1.0", f"1e17 if ({i}) > 5 else 1", f"Exponential({f})", f"Normal({i}, sd={f} - 1)",
                f"Uniform({i}, 4)", f"LogNormal({f}, {i})", f"Choice([1, {i}])", f"Gamma({f}, scale={i})", f"Poisson({f})",
                f"math.inf if ({i}) > 6 else 2", f"10**12 if ({i}) > 6 else 2",
            )
        )  # fmt: skip
        return f"AddDecay(ctx, rate={rate}, {rng.choice(('seconds', 'minutes', 'milliseconds'))}={wait})"

    def set_state(self, entity: EntityText, data: dict[str, str] | None = None) -> str:
        text = super().set_state(entity, data)
        rng, rich = self.rng, self.schema.rich.get(entity.name.removesuffix("Sub"), {})
        more = [
            f'("{name}", "is", {self.rich_value(kind)})' for name, kind in rich.items() if rng.random() < 0.4
        ]
        if rng.random() < self.wrong:
            value = rng.choice(("-1", "2**62", "math.inf", "random.randint(-1, 3)"))
            more.append(f'("w", "{rng.choice(("is", "add"))}", {value})')
        return text if not more else f"{text[:-2]}, {', '.join(more)}])"

    def rich_value(self, kind: str) -> str:
        """A literal, or a field of that kind of an entity at hand."""
        reads = [
            f"{handle}.{name}"
            for handle, entity in self.expressions.handles.items()
            for name, of in self.schema.rich.get(entity.name.removesuffix("Sub"), {}).items()
            if of == kind
        ]
        literals = RICH[kind][2]
        return self.rng.choice(reads if reads and self.rng.random() < 0.5 else literals)

    def _values(self, fields: dict[str, str]) -> str:
        return super()._values(fields)

    def new_event(self) -> str:
        text = super().new_event()
        name = text.removeprefix("NewEvent(ctx, ").rstrip(")").partition(",")[0]
        rich = self.schema.rich.get(name, {})
        given = "".join(f", {n}={self.rich_value(k)}" for n, k in rich.items() if self.rng.random() < 0.3)
        return text.replace(f"NewEvent(ctx, {name}", f"NewEvent(ctx, {name}{given}", 1)

    def _condition(self, entity: EntityText, *, static: bool) -> str:
        rng = self.rng
        rich = sorted(self.schema.rich.get(entity.name.removesuffix("Sub"), {}).items())
        rich = [(name, kind) for name, kind in rich if kind not in NESTED]
        if not rich or rng.random() < 0.6:
            text = super()._condition(entity, static=static)
            numbers = [n for n, kind in entity.fields.items() if kind == "float"]
            if numbers and rng.random() < self.wrong:
                return f'("{rng.choice(numbers)}", "{rng.choice((">", "<", "is", "is_not"))}", math.{rng.choice(("nan", "inf"))})'
            return text
        name, kind = rng.choice(rich)
        literals = RICH[kind][2]
        plain = [value for value in literals if value != "None"]
        return rng.choice(
            (
                f'("{name}", "is_null")', f'("{name}", "not_null")', f'("{name}", "{rng.choice(("is", "is_not"))}", {rng.choice(literals)})',
                f'("{name}", "{rng.choice(("in", "not_in"))}", [{", ".join(literals)}])',
                f'("{name}", "is", {rng.choice(plain) if static else self.rich_value(kind)})',
            )
        )  # fmt: skip


class WildBody(Body):
    """A flow whose statements look at rich values, too."""

    def __init__(
        self, rng: random.Random, schema: Schema, subflows: list[str], *, live: bool, inner: bool = False
    ) -> None:
        super().__init__(rng, schema, subflows, live=live, inner=inner)
        self.expressions = WildExpressions(rng)
        self.actions = WildActions(rng, schema, self.expressions, self.tried)
        self.expressions.wrong = self.actions.wrong = rng.choice((0.0, 0.02, 0.1))

    def statement(self, depth: int) -> None:
        if self.rng.random() < 0.2:
            self.left -= 1
            self.rich()
        else:
            super().statement(depth)

    def rich(self) -> None:
        """A local made of a rich value, or of sets and nested values."""
        rng, name, of = self.rng, self.name("v"), self.expressions.of
        reads = [
            (f"{handle}.{field}", kind)
            for handle, entity in self.expressions.handles.items()
            for field, kind in self.schema.rich.get(entity.name.removesuffix("Sub"), {}).items()
        ]
        if not reads:
            self.line(
                f"{name} = "
                + rng.choice(
                    (
                        f"len({{{of('int')}, {of('int')}, 4}})", f"[{of('int')}, [{of('int')}, 3]][1][{of('int')} % 2]",
                        f"{{'a': {of('int')}, 'b': [1, {of('int')}]}}['b'][1]", f"sum(sorted({{{of('int')}, 2, 3}}))",
                        f"({of('int')}, ({of('int')}, 1))[1][0]", f"max({of('int')}, *[1, {of('int')}])",
                    )
                )
            )  # fmt: skip
            self.expressions.locals[name] = "int"
            return
        read, kind = rng.choice(reads)
        literal = rng.choice(RICH[kind][2])
        made = [
            (f"str({read})", "str"), (f"{read} is None", "bool"), (f"{read} == {literal}", "bool"),
            (f"f'{{{read}}}'", "str"), (f"{read} in ({', '.join(RICH[kind][2])},)", "bool"), (f"1 if {read} else 0", "int"),
            (f"{read} != {rng.choice(reads)[0]}", "bool"), (f"bool({read})", "bool"),
        ]  # fmt: skip
        made += {
            "int?": [(f"({read} or 0) + 1", "int"), (f"{read} + 1", "int"), (f"0 if {read} is None else {read} * 2", "int")],
            "float?": [(f"({read} or 0.5) * 2", "float"), (f"{read} * 2.0", "float")],
            "str?": [(f"({read} or 'none').upper()", "str"), (f"{read}.lower()", "str")],
            "list": [(f"len({read})", "int"), (f"sum({read})", "int"), (f"{read}[0]", "int")],
            "dict": [(f"{read}.get('a', 5)", "int"), (f"len({read})", "int"), (f"{read}['a']", "int")],
            "model": [(f"{read}.x", "int"), (f"{read}.name", "str")],
            "enum": [(f"{read}.value", "str"), (f"{read}.name", "str"), (f"{read} is Color.RED", "bool")],
            "decimal": [(f"float({read})", "float"), (f"str({read} + 1)", "str"), (f"{read} > 1", "bool")],
            "date": [(f"{read}.year", "int"), (f"str({read} + timedelta(days=1))", "str")],
            "delta": [(f"{read}.total_seconds()", "float"), (f"{read} > timedelta(seconds=9)", "bool")],
            "uuid": [(f"str({read})[:4]", "str"), (f"{read}.int % 7", "int")],
        }.get(kind, [])  # fmt: skip
        value, kind = rng.choice(made)
        self.line(f"{name} = {value}")
        self.expressions.locals[name] = kind


def wild_text(seed: int, *, rich: bool = True) -> str:
    """The source of one random simulation that may end in a refusal; ``rich``: with rich types."""
    schema = WildSchema if rich else PlainSchema
    text = source_flows.module_text(f"wild {seed}", body=WildBody, schema=schema)
    return text.replace("\nWORDS = ", f"{EXTRA}\nWORDS = ", 1)


__all__ = ["EventText", "wild_text"]
