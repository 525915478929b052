"""Random simulations as Python source: schemas, flows and settings, drawn from one seed.

`module_text` gives the text of a module that makes a `Simulation` named ``sim``. It stays within what
the contract allows, so that every engine has to run it; it does not stay within what looks sensible.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.support.programs.source_actions import Actions
from tests.support.programs.source_expressions import Expressions
from tests.support.programs.source_schema import HEADER, KINDS, Schema


class Body:
    """The statements of one flow, or of one function that flows ``yield from``."""

    def __init__(
        self, rng: random.Random, schema: Schema, subflows: list[str], *, live: bool, inner: bool = False
    ) -> None:
        self.rng, self.schema, self.subflows, self.live = rng, schema, subflows, live
        self.expressions = Expressions(rng)
        self.tried: set[str] = set()  # entity types that every path to here has tried to get
        self.actions = Actions(rng, schema, self.expressions, self.tried)
        self.lines: list[str] = []
        self.indent = 1
        self.names = 0
        self.left = rng.randrange(4, 16)  # statements still to write
        self.loops = 0
        self.inner = inner

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def write(self) -> list[str]:
        """All statements; at least one of them yields."""
        self.emit()
        while self.left > 0:
            self.statement(3)
        return self.lines

    def statement(self, depth: int) -> None:
        self.left -= 1
        plain: list[tuple[int, Callable[[], None]]] = [
            (6, self.emit), (4, self.decay), (3, self.assign), (3, self.select), (2, self.change),
            (3, self.handle), (1, self.global_pick), (1, self.augmented),
        ]  # fmt: skip
        if self.subflows:
            plain.append((1, self.subflow))
        if self.live:
            plain.append((4, self.live_only))
        if depth and self.left > 0:
            plain += [
                (3, lambda: self.branch(depth)),
                (1, lambda: self.loop(depth)),
                (1, lambda: self.while_(depth)),
            ]
        weights = [weight for weight, _ in plain]
        self.rng.choices([make for _, make in plain], weights)[0]()

    # ------------------------------------------------ actions

    def emit(self) -> None:
        self.line(f"yield {self.actions.new_event()}")

    def decay(self) -> None:
        self.line(f"yield {self.actions.decay()}")

    def change(self) -> None:
        entities = self.actions.changeable()
        if entities:
            self.line(f"yield {self.actions.set_state(self.rng.choice(entities))}")

    def select(self) -> None:
        entity = self.rng.choice(self.schema.entities)
        self.line(f"yield {self.actions.select(entity)}")
        self.tried.add(entity.name)

    # ------------------------------------------------ entities

    def bind(self, value: str) -> str:
        name = self.name("e")
        self.line(f"{name} = {value}")
        return name

    def check(self, name: str) -> None:
        if self.rng.random() < 0.4:
            self.line(f"if {self.rng.choice(('not ' + name, name + ' is None'))}:")
            self.line(f"    {self.leave()}")

    def leave(self) -> str:
        """A return; one that should give a value may forget it."""
        return "return 1" if self.inner and self.rng.random() < 0.9 else "return"

    def handle(self) -> None:
        entity = self.rng.choice(self.schema.entities)
        name = self.bind(f"ctx.get_entity({entity.name})")
        self.check(name)
        self.expressions.handles[name] = entity

    def global_pick(self) -> None:
        entity = self.rng.choice(self.schema.entities)
        if self.rng.random() < 0.5:
            picked = self.bind(f"ctx.global_context.get_random_available_entity({entity.name})")
            self.check(picked)
        else:
            chosen = self.actions.select(entity).replace("Select(ctx, ", "Select(")
            picked = self.bind(f"ctx.global_context.select_entities({chosen})[0]")
        if self.rng.random() < 0.6:
            self.line(f"ctx.add_entity({entity.name}, {picked})")
        self.expressions.handles[picked] = entity
        self.tried.add(entity.name)

    # ------------------------------------------------ locals

    def assign(self) -> None:
        kind = self.rng.choice(KINDS)
        known = [name for name, of in self.expressions.locals.items() if of == kind]
        value = self.expressions.of(kind, 3)
        name = self.rng.choice(known) if known and self.rng.random() < 0.5 else self.name("v")
        self.line(f"{name} = {value}")
        self.expressions.locals[name] = kind

    def augmented(self) -> None:
        known = [name for name, of in self.expressions.locals.items() if of in ("int", "float")]
        if known:
            name = self.rng.choice(known)
            kind = self.expressions.locals[name]
            self.line(f"{name} {self.rng.choice(('+=', '-='))} {self.expressions.of(kind)}")

    # ------------------------------------------------ control

    def block(self, depth: int, inner: Callable[[], None] | None = None) -> set[str]:
        """Indented statements; what is tried in them, while locals and handles are forgotten."""
        kept = dict(self.expressions.locals), dict(self.expressions.handles), set(self.tried)
        self.indent += 1
        if inner is not None:
            inner()
        for _ in range(self.rng.randrange(0 if inner else 1, 4)):
            self.statement(depth - 1)
        if self.loops and self.rng.random() < 0.25:
            self.line(f"if {self.expressions.of('bool')}:")
            self.line(f"    {self.rng.choice(('break', 'continue'))}")
        if not self.loops and self.rng.random() < 0.1:
            self.line(self.leave())
        self.line("pass")
        self.indent -= 1
        found = set(self.tried)
        self.expressions.locals, self.expressions.handles = kept[0], kept[1]
        self.tried.clear()
        self.tried |= kept[2]
        return found

    def branch(self, depth: int) -> None:
        self.line(f"if {self.test()}:")
        found = self.block(depth)
        if self.rng.random() < 0.3:
            self.line(f"elif {self.test()}:")
            found &= self.block(depth)
        if self.rng.random() < 0.6:
            self.line("else:")
            self.tried |= found & self.block(depth)

    def test(self) -> str:
        handles = list(self.expressions.handles)
        if handles and self.rng.random() < 0.2:
            name = self.rng.choice(handles)
            return self.rng.choice(
                (name, f"not {name}", f"{name} and {self.expressions.of('bool')}", f"{name} is None")
            )
        return self.expressions.of("bool", 3)

    def loop(self, depth: int) -> None:
        name = self.name("i")
        over, kind = self.rng.choice(
            (
                (f"range({self.rng.randrange(1, 4)})", "int"),
                ("range(random.randint(0, 3))", "int"),
                (f"range(5, {self.rng.randrange(6)}, -2)", "int"),
                ('("red", "x")', "str"),
                ("[1.5, 2.0]", "float"),
            )
        )
        self.line(f"for {name} in {over}:")
        self.loops += 1

        def known() -> None:
            self.expressions.locals[name] = kind

        self.block(depth, known)
        self.loops -= 1

    def while_(self, depth: int) -> None:
        count = self.name("n")
        self.line(f"{count} = 0")
        self.line(f"while {count} < {self.rng.randrange(1, 4)} and {self.expressions.of('bool')}:")
        self.loops += 1
        self.block(depth, lambda: self.line(f"{count} += 1"))
        self.loops -= 1
        self.expressions.locals[count] = "int"

    def subflow(self) -> None:
        values = f"{self.expressions.of('int')}, {self.expressions.of('float')}"
        text = f"yield from {self.rng.choice(self.subflows)}(ctx, {values})"
        if self.rng.random() < 0.5:
            name = self.name("v")
            self.line(f"{name} = {text}")
            self.expressions.locals[name] = "int"
        else:
            self.line(text)

    # ------------------------------------------------ what no column can do

    def live_only(self) -> None:
        name, of = self.name("v"), self.expressions.of
        entity = self.rng.choice(self.schema.entities)
        spread = f"ctx.global_context.get_available_entities({entity.name})"
        self.rng.choice(
            (
                lambda: self.lines_(
                    "try:", f"    {name} = int({of('str')})", "except ValueError:", f"    {name} = 3"
                ),
                lambda: self.lines_(f"{name} = sum([{of('int')} for _ in range(3)])"),
                lambda: self.lines_(f"{name} = len({spread})"),
                lambda: self.lines_(
                    f"{name} = 0",
                    f"for {name}e in {spread}[:3]:",
                    f"    {name} += len(str({name}e.{entity.key}))",
                ),
                lambda: self.lines_(
                    f"{name}d = {{}}", f"{name}d['a'] = {of('int')}", f"{name} = {name}d.setdefault('a', 2)"
                ),
                lambda: self.lines_(f"{name} = (lambda x: x + 1)({of('int')})"),
                lambda: self.lines_(f"{name} = len(ctx.selected_entities)"),
            )
        )()
        self.expressions.locals[name] = "int"

    def lines_(self, *lines: str) -> None:
        for text in lines:
            self.line(text)


def module_text(
    seed: int | str, *, live: bool | None = None, body: type[Body] = Body, schema: type[Schema] = Schema
) -> str:
    """The source of one random simulation. ``live``: whether flows may run as generators (None: some may).

    ``body`` and ``schema`` write its flows and its classes.
    """
    rng = random.Random(f"source {seed}")
    return _module(rng, seed, live, schema(rng), body)


def _module(rng: random.Random, seed: int | str, live: bool | None, schema: Schema, make: type[Body]) -> str:
    out = [HEADER.format(seed=seed), *schema.lines, "", "", f"sim = Simulation({settings(rng, schema)})"]
    subflows: list[str] = []
    allowed = rng.random() < 0.4 if live is None else live
    for number in range(rng.choice((0, 0, 1, 2))):
        body = make(rng, schema, list(subflows), live=allowed and rng.random() < 0.1, inner=True)
        body.left //= 3
        body.expressions.locals |= {"amount": "int", "share": "float"}
        out += ["", "", f"def sub{number}(ctx, amount, share):", *body.write()]
        out.append(f"    return {body.expressions.of('int')}")
        subflows.append(f"sub{number}")
    for number in range(rng.choice((1, 2, 2, 3, 4))):
        body = make(rng, schema, subflows, live=allowed and rng.random() < 0.5)
        weight = rng.choice((1.0, 1.0, 0.3, 4))
        starts = rng.sample(schema.entities, min(rng.choice((0, 0, 1, 1, 2)), len(schema.entities)))
        filters = [
            body.actions.select(entity, static=True).replace("Select(ctx, ", "Select(") for entity in starts
        ]
        given = (
            ""
            if not filters
            else f", filter={filters[0] if len(filters) == 1 else '[' + ', '.join(filters) + ']'}"
        )
        body.tried |= {entity.name for entity in starts}
        out += [
            "",
            "",
            f"@sim.flow(initiation_weight={weight}{given})",
            f"def flow{number}(ctx):",
            *body.write(),
        ]
    return "\n".join(out) + "\n"


def settings(rng: random.Random, schema: Schema) -> str:
    """Arguments of `Simulation`, such that a run has some hundreds of events."""
    n_flows = rng.choice((1, 3, 10, 40, 120))
    step = rng.choice((0.3, 1, 1, 5, 60))
    steps = min(rng.choice((4, 20, 60, 200)), max(3, 600 // n_flows))
    duration = step * steps + rng.choice((0, 0.4 * step))
    initial = {
        entity.name: rng.choice((0, 1, 4, 15, 40)) for entity in schema.entities if rng.random() < 0.85
    }
    return (
        f'duration={duration!r}, start_time="2024-01-01", time_step={step!r}, n_flows={n_flows}, '
        f"random_seed={rng.randrange(1000)},\n    initial_entities={initial!r}, "
        f'on_end="{rng.choice(("finish", "finish", "cut"))}", emit_initial_entities={rng.random() < 0.8}'
    )
