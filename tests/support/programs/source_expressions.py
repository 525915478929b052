"""Random expressions as Python source, for the simulations of `source_flows`."""

from __future__ import annotations

import random

from tests.support.programs.source_schema import DEFAULTS, EntityText


class Expressions:
    """Random expressions over the locals of a flow, by kind; none of them can fail."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.locals: dict[str, str] = {}
        self.handles: dict[str, EntityText] = {}
        self.data: list[str] = []  # numeric fields of the event at hand, while in `mutate`

    def atom(self, kind: str) -> str:
        rng = self.rng
        names = [name for name, of in self.locals.items() if of == kind]
        reads = [
            f"{handle}.{name}"
            for handle, entity in self.handles.items()
            for name, of in entity.fields.items()
            if of == kind and name not in entity.optional
        ]
        pools = [pool for pool in (names, names, reads) if pool]
        if pools and rng.random() < 0.7:
            return rng.choice(rng.choice(pools))
        if kind == "datetime":
            return rng.choice(
                ("datetime.now()", "ctx.flow_clock", "datetime.utcnow()", "datetime(2024, 1, 1, 0, 2)")
            )
        return rng.choice(DEFAULTS[kind])

    def of(self, kind: str, depth: int = 2) -> str:
        if depth == 0 or self.rng.random() < 0.3:
            return self.atom(kind)
        return str(getattr(self, f"_{kind}")(depth - 1))

    def number(self, depth: int) -> str:
        return self.of(self.rng.choice(("int", "float")), depth)

    def _int(self, d: int) -> str:
        rng = self.rng
        return rng.choice(
            (
                lambda: f"({self.of('int', d)} {rng.choice('+-')} {self.of('int', d)}) % 1000",
                lambda: f"{self.atom('int')} * {rng.choice((2, 3, -1))} % 77",
                lambda: f"({self.of('int', d)}) // {rng.choice((2, 3, 7))}",
                lambda: f"random.randint({rng.choice((0, 1))}, {rng.choice((1, 3, 9))})",
                lambda: f"random.randrange({rng.choice((2, 5))})",
                lambda: f"random.choice([{rng.randrange(9)}, {rng.randrange(9)}, 4])",
                lambda: f"len({self.of('str', d)})",
                lambda: f"int({self.of('bool', d)})",
                lambda: f"int(({self.of('float', d)}) % 97)",
                lambda: f"abs({self.of('int', d)})",
                lambda: f"min({self.of('int', d)}, {self.of('int', d)})",
                lambda: f"({self.of('int', d)} if {self.of('bool', d)} else {self.of('int', d)})",
                lambda: f"round(({self.of('float', d)}) % 31)",
                lambda: f"hash({self.of('str', d)}) % 17",
                lambda: f"({self.of('datetime', d)}).minute",
            )
        )()

    def _float(self, d: int) -> str:
        rng = self.rng
        return rng.choice(
            (
                lambda: f"(({self.number(d)}) {rng.choice('+-')} {self.of('float', d)}) % 1000.0",
                lambda: f"({self.of('float', d)}) * {rng.choice((0.5, 1.1, -1))} % 50.5",
                lambda: f"({self.number(d)}) / {rng.choice((2, 3.5, 7))}",
                lambda: "random.random()",
                lambda: f"random.uniform({self.atom('float')}, 3)",
                lambda: f"random.gauss(5, {rng.choice((1, 2.5))})",
                lambda: f"random.expovariate({rng.choice((0.5, 2.0))})",
                lambda: f"round(({self.of('float', d)}) % 1000, {rng.choice((0, 1, 2))})",
                lambda: f"math.{rng.choice(('sqrt', 'log1p', 'exp'))}(({self.number(d)}) % 9)",
                lambda: f"max({self.of('float', d)}, {self.of('float', d)})",
                lambda: f"({self.of('float', d)} if {self.of('bool', d)} else {self.of('float', d)})",
                lambda: f"scaled({self.number(d)}, {rng.choice((1, 3))})",
                lambda: f"({self.of('datetime', d)} - datetime(2024, 1, 1)).total_seconds() % 100.0",
                lambda: f"float({self.of('int', d)})",
                lambda: f"random.betavariate(2, {rng.choice((1, 3))})",
            )
        )()

    def _str(self, d: int) -> str:
        rng = self.rng
        return rng.choice(
            (
                lambda: f"({self.of('str', d)} + {self.of('str', d)})[:6]",
                lambda: f"({self.of('str', d)}).{rng.choice(('upper', 'lower', 'title', 'strip'))}()",
                lambda: f"({self.of('str', d)}).replace('e', {self.atom('str')})[:8]",
                lambda: f'f"{{{self.of("int", 0)}}}-{{{self.atom("float").replace(chr(34), chr(39))}:.1f}}"',
                lambda: "random.choice(WORDS)",
                lambda: self._chosen(rng.randrange(1, 5)),
                lambda: f"({self.of('str', d)} if {self.of('bool', d)} else {self.of('str', d)})",
                lambda: f"grade({self.number(d)})",
                lambda: f"WORDS[{self.of('int', d)} % 6]",
                lambda: f"str({self.of('int', d)})",
                lambda: f'{{"red": "x", "x": "red"}}.get({self.of("str", d)}, "gold")',
                lambda: "ctx.flow_name",
                lambda: "ctx.session_id[:2]",
            )
        )()

    def _chosen(self, weight: int) -> str:
        if weight % 2:
            return f"random.choices(WORDS, weights=[{weight}, 1, 2, 1, 1, 3])[0]"
        given = f"abs({self.atom('float')}) % 9" if weight == 2 else str(weight)
        return f'ctx.choose({{"red": 1, "x": {given}, "gold": 2}}, softmax={weight == 4})'

    def _bool(self, d: int) -> str:
        rng = self.rng
        kind = rng.choice(("int", "float", "str", "datetime"))
        return rng.choice(
            (
                lambda: (
                    f"{self.of(kind, d)} {rng.choice(('<', '<=', '>', '>=', '==', '!='))} {self.of(kind, d)}"
                ),
                lambda: f"random.random() < {rng.choice((0.2, 0.5, 0.8))}",
                lambda: f"({self.of('bool', d)} {rng.choice(('and', 'or'))} {self.of('bool', d)})",
                lambda: f"not {self.of('bool', d)}",
                lambda: f"{self.of('str', d)} in ({self.atom('str')}, 'red')",
                lambda: f"({self.of('str', d)}).startswith({self.atom('str')})",
                lambda: f"1 < {self.of('int', d)} <= 8",
                lambda: f"({self._null_test()})",
            )
        )()

    def _null_test(self) -> str:
        reads = [
            f"{handle}.{name}" for handle, entity in self.handles.items() for name in sorted(entity.optional)
        ]
        if not reads:
            return self.atom("bool")
        return f"{self.rng.choice(reads)} is {self.rng.choice(('', 'not '))}None"

    def _datetime(self, d: int) -> str:
        unit = self.rng.choice(("seconds", "minutes", "milliseconds"))
        return self.rng.choice(
            (
                lambda: (
                    f"{self.atom('datetime')} {self.rng.choice('+-')} timedelta({unit}={self.of('int', d)})"
                ),
                lambda: f"{self.atom('datetime')} + timedelta(seconds=({self.of('float', d)}) % 60)",
                lambda: f"max({self.atom('datetime')}, {self.atom('datetime')})",
            )
        )()
