"""Blocks of states → numpy source: one function for all flows that are at the same place.

A function takes a batch: the slots ``rows__`` and one array for each local that is live there. It
computes in registers, records events, and sends the rows on: to the next block, to the wait for their
clock, to the step's competition, or to their end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from deep_faker.plan import (
    Apply,
    Branch,
    Change,
    Clock,
    Count,
    Draw,
    Early,
    Emit,
    End,
    Given,
    Goto,
    Held,
    Hold,
    Let,
    Need,
    Operation,
    Pick,
    Read,
    Release,
    Save,
    Session,
    Turn,
    Type,
    Use,
    Wait,
)
from deep_faker.plan.storage import one_to_storage
from deep_faker.simulate.columns.decision_code import DecisionCode
from deep_faker.simulate.columns.flow_source import FlowSource
from deep_faker.simulate.columns.source import (
    COMPLETED,
    NO_ENTITY,
    Compiled,
    Exits,
    Source,
    Written,
)
from deep_faker.simulate.columns.wait_code import judging
from deep_faker.simulate.columns.waiting import write_wait
from deep_faker.simulate.failures import STALL
from deep_faker.simulate.liveness import Block, before, columns_of, exit_of, uses
from deep_faker.spans import Span

if TYPE_CHECKING:
    from deep_faker.simulate.columns.places import FlowBlocks
    from deep_faker.simulate.columns.world import World


class FlowCode(FlowSource):
    """Compiles the blocks of one flow against the tables of a world."""

    def __init__(self, world: World, exits: Exits, flow_blocks: FlowBlocks) -> None:
        super().__init__(world, exits, flow_blocks)
        self.decisions = DecisionCode(self) if world.settings.decisions else None

    # ------------------------------------------------------------ functions

    def compile(self, block: Block) -> Compiled:
        """The functions of one block."""
        columns = tuple(columns_of(block.live_in, self.types))
        out = self.out = Source(f"flow_{self.flow.number}_state_{block.state}")
        self.cached = set()
        out.add("n = len(rows__)")
        lives = list(
            before(exit_of(block, self.live, guarded=self.guarded), block.operations, guarded=self.guarded)
        )
        for operation, after in zip(block.operations, lives[-2::-1], strict=True):
            out.place = (getattr(operation, "span", None), None)
            needs, gives = uses(operation, guarded=self.guarded)
            self._operation(operation, (after - gives) | needs)
        waiting: tuple[str, ...] = ()
        terminator = block.terminator
        out.place = (getattr(terminator, "span", None), None)
        match terminator:
            case Goto(following):
                self.push(following, None)
            case Branch():
                self._branch(terminator)
            case Wait():
                write_wait(self, terminator, self.decisions)
            case End(span):
                out.add(f"end(rows__, {COMPLETED}, {span.line}, clock__, events__)")
            case Pick():
                waiting = self._pick(block, terminator)
            case Save():
                waiting = self._save(block, terminator)
        run = self._build(out, columns)
        compiled = Compiled(self.gids[block.state], block, self.flow, columns, run, None, waiting)
        if isinstance(terminator, Save):
            compiled.saved = self._saved(terminator, waiting)
        return compiled

    def _build(self, out: Source, parameters: Sequence[str]) -> Callable[..., None]:
        head = f"def {out.name}({', '.join(['rows__', *parameters])}):"
        text = "\n".join([head, *out.lines])
        filename = f"<deep_faker {out.name}>"
        self.world.sources[filename] = Written(self.flow, [(None, None), *out.spans], text)
        functions: dict[str, Callable[..., None]] = {}
        exec(compile(text, filename, "exec"), self.scope.env, functions)  # noqa: S102 - our own source, from a checked plan
        return functions[out.name]

    # ------------------------------------------------------------ operations

    def _operation(self, operation: Operation, live: frozenset[str]) -> None:
        out = self.out
        match operation:
            case Let(target, expr):
                out.place = (expr.span, expr)
                self.assign(target, *self.expression(expr))
                if self.decisions is not None:
                    self.decisions.let(operation)
            case Draw(function=function):
                self._draw(operation)
                if self.decisions is not None and function == "index":
                    self.decisions.index(operation)
            case Held(target, entity):
                out.add(f"{target} = np.maximum({self._held(entity)}, -1)")
            case Read():
                self._missing([f"{operation.handle} < 0"], operation.span, live)
                self._read(operation)
            case Need(handle):
                self._missing([f"{handle} < 0"], operation.span, live)
            case Clock(target):
                self.assign(target, "clock__", None, Type("datetime"))
            case Session(target):
                self.assign(target, "R.session(number__)", None, Type("str"))
            case Count():
                out.add("action__ = action__ + 1")
                if self.guarded:
                    span = self.constant(operation.span, "span")
                    out.add(f"if (action__ - mark__ > {STALL}).any():")
                    out.add(f"    R.stalled({span})")
            case Turn(span):
                spins = self.constant(self.world.spins.of(self.flow, span), "spin")
                out.add(f"{spins}.turn(rows__, action__)")
            case Given(target):
                out.add(f"{target} = take({self.column(target)}.a, rows__)")
                if self.types[target].optional:
                    out.add(f"{target}__null = take({self.column(f'{target}__null')}.a, rows__)")
            case Early(target, event, name):
                type_ = self.world.fields.early_type(event, name)
                out.add(f"value__, null__ = R.early({event!r}, {name!r}, number__, action__, clock__)")
                self.assign(target, "value__", "null__" if type_.optional else None, type_)
            case Apply(changes):
                self._missing_changes(changes, operation.span, live, newborn=None)
                self._changes(changes, is_event=False, newborn=None)
            case Emit():
                self._check_emit(operation, live, newborn=None)
                self._emit(operation, newborn=None)
            case Hold(entity, handle):
                self._missing([f"{handle} < 0"], operation.span, live)
                out.add(f"if (np.maximum({self._held(entity)}, -1) != {handle}).any():")
                out.add(f"    R.not_held({entity!r})")
            case Use(entity, handle):
                out.add(f"R.use({entity!r}, rows__, {handle})")
                self.cached.discard(f"{entity}__held")
            case Release(entity):
                out.add(f"R.let_go({entity!r}, rows__)")
                self.cached.discard(f"{entity}__held")

    def _draw(self, operation: Draw) -> None:
        out = self.out
        out.place = (operation.span, None)
        arguments: list[str] = []
        by_row = False
        for argument in operation.args:
            if not argument.names:
                arguments.append(f"R.fixed({self.constant(argument, 'expr')})")
                continue
            value, nulls, type_ = self.expression(argument)
            if nulls is not None or type_.kind not in ("int", "float", "bool"):
                by_row = True
                value = f"R.rows({value}, {nulls}, {self.constant(type_, 'type')})"
            arguments.append(value)
        key = self.world.draws.key("random")
        out.add(f"u__ = mix({key}, number__, k__)", "k__ = k__ + ONE")
        call = ", ".join(["u__", *arguments])
        function = f"{operation.function!r}"
        want = self.constant(self.types[operation.target], "type")
        mask = f"{operation.target}__null" if self.types[operation.target].optional else "_"
        if operation.function == "random" and self.types[operation.target] == Type("float"):
            out.add(f"{operation.target} = unit(u__)")
        else:
            name = "R.draw_rows" if by_row else "R.draw"
            out.add(f"{operation.target}, {mask} = {name}({function}, {want}, {call})")

    def _read(self, operation: Read) -> None:
        entity, name, out = operation.entity, operation.field, self.out
        table = self.world.store.tables[entity]
        if name is None:
            want = self.constant(self.types[operation.target], "type")
            mask = f"{operation.target}__null" if self.types[operation.target].optional else "_"
            out.add(f"{operation.target}, {mask} = R.keys({entity!r}, {operation.handle}, {want})")
            return
        type_ = table.types[name]
        if table.start_view and not operation.current and name in table.changing:
            out.add(f"value__, null__ = R.view({entity!r}, {name!r}, {operation.handle}, number__, rows__)")
            self.assign(operation.target, "value__", "null__" if type_.optional else None, type_)
            return
        live = self.constant(table.live[name], "live")
        nulls = (
            f"take({self.constant(table.nulls[name], 'null')}.a, {operation.handle})"
            if type_.optional
            else None
        )
        self.assign(operation.target, f"take({live}.a, {operation.handle})", nulls, type_)

    # ------------------------------------------------------------ what needs an entity

    def _held(self, entity: str) -> str:
        """The register with the entity that each flow holds or uses now."""
        name = f"{entity}__held"
        if name not in self.cached:
            self.out.add(f"{name} = take(held_{entity}.a, rows__)")
            self.cached.add(name)
        return name

    def _missing(self, tests: Sequence[str], span: Span, live: frozenset[str]) -> None:
        """Ends the rows for which a test is true with ``no_entity``; the batch goes on without them."""
        out = self.out
        kept = columns_of(sorted(live), self.types)
        for test in tests:
            out.add(f"bad__ = {test}", "if bad__.any():")
            out.indent += 1
            out.add("at__ = flatnonzero(bad__)")
            out.add(f"end(rows__[at__], {NO_ENTITY}, {span.line}, clock__[at__], events__[at__])")
            out.add(
                "at__ = flatnonzero(~bad__)",
                "n = len(at__)",
                "if not n:",
                "    return",
                "rows__ = rows__[at__]",
            )
            out.add(*(f"{name} = {name}[at__]" for name in kept))
            out.add(*(f"{name} = {name}[at__]" for name in sorted(self.cached)))
            out.indent -= 1

    def _missing_changes(
        self, changes: Sequence[Change], span: Span, live: frozenset[str], newborn: str | None
    ) -> None:
        entities = dict.fromkeys(change.entity for change in changes if change.entity != newborn)
        self._missing([f"{self._held(entity)} == -1" for entity in entities], span, live)

    def _check_emit(self, emit: Emit, live: frozenset[str], newborn: str | None) -> None:
        entities = dict.fromkeys(entity for _, entity in emit.keys)
        self._missing([f"{self._held(entity)} < 0" for entity in entities], emit.span, live)
        self._missing_changes(emit.changes, emit.span, live, newborn)

    # ------------------------------------------------------------ events and changes

    def _emit(self, emit: Emit, newborn: str | None) -> None:
        out, site = self.out, self.plan.sites[emit.site]
        log = self.world.recorder.sites[emit.site]
        local_of = dict(emit.values)
        masks: dict[str, str] = {}
        values: dict[str, str] = {}
        for name in log.values:
            local, want = local_of[name], site.bound[name]
            have = self.types[local]
            values[name], masks[name] = local, f"{local}__null"
            if have != want:
                types = f"{self.constant(have, 'type')}, {self.constant(want, 'type')}"
                nulls = f"{local}__null" if have.optional else "None"
                values[name], masks[name] = f"{name}__value", f"{name}__mask"
                out.add(f"{name}__value, {name}__mask = R.recast({local}, {nulls}, {types})")
        held = dict(emit.keys)
        columns = [values[name] for name in log.values] + [masks[name] for name in log.nulls]
        columns += [self._held(held[name]) if name in held else "born__" for name in log.keys]
        append = self.constant(log.batches, "log")
        out.add(f"{append}.append(({', '.join(['number__', 'action__', 'clock__', *columns])},))")
        out.add("E.recorder.rows += n", "events__ = events__ + 1")
        for started in self.world.triggers.of.get(site.event, ()):
            on = self.plan.flows[started].on
            assert on is not None
            had = ["born__" if entity == newborn else self._held(entity) for entity in on.entities]
            handed = []
            for name, want in on.fields:
                if name not in values:
                    value, null = one_to_storage(self.plan.events[site.event].by_name[name].default, want, ())
                    handed.append(f"(np.full(n, {self.constant(value, 'value')}), np.full(n, {null}))")
                    continue
                nulls = masks[name] if site.bound[name].optional else "None"
                types = f"{self.constant(site.bound[name], 'type')}, {self.constant(want, 'type')}"
                handed.append(f"R.recast({values[name]}, {nulls}, {types})")
            words = f"*{self.constant(on, 'on')}.words([{', '.join(handed)}])"
            out.add(f"E.triggers.add({started}, number__, action__, clock__, [{', '.join([*had, words])}])")
        self._changes(emit.changes, is_event=True, newborn=newborn)

    def _changes(self, changes: Sequence[Change], *, is_event: bool, newborn: str | None) -> None:
        """Per entity type, as one action; types that were never asked for are left alone."""
        out = self.out
        for entity in dict.fromkeys(change.entity for change in changes):
            mine = [change for change in changes if change.entity == entity]
            items = [self._item(change) for change in mine]
            if entity == newborn:
                arguments = "born__, None"
            else:
                shared = f"take(S.shared[{entity!r}].a, rows__)" if self._may_share(entity) else "None"
                arguments = f"{self._held(entity)}, {shared}"
            who = "(rows__, number__, action__, clock__)"
            span = self.constant(mine[0].span, "span")
            joined = ", ".join(items)
            flags = f"{is_event}, {entity == newborn}"
            out.add(f"R.change({entity!r}, {arguments}, {who}, ({joined},), {flags}, {span})")
            fields = [change.field for change in mine if (entity, change.field) in self.world.triggers.rated]
            if fields and entity != newborn:
                out.add(f"E.triggers.change({entity!r}, {fields!r}, {self._held(entity)})")

    def _may_share(self, entity: str) -> bool:
        """Whether a change may concern an entity that its flow does not hold."""
        return self.plan.entities[entity].shared_changes and entity in self.world.shareable

    def _item(self, change: Change) -> str:
        value = f"{change.value}, {self.scope.nulls(change.value)}, {self.scope.type(change.value)}"
        return f"({change.field!r}, {change.op!r}, {value})"

    # ------------------------------------------------------------ terminators

    def _branch(self, terminator: Branch) -> None:
        out = self.out
        out.add(f"at__ = flatnonzero({terminator.test})", "if not len(at__):")
        for following, test, end in (
            (terminator.other, "elif len(at__) == n:", ""),
            (terminator.then, "else:", ""),
        ):
            out.indent += 1
            self.push(following, None)
            out.indent -= 1
            out.add(test + end)
        out.indent += 1
        self.push(terminator.then, "at__")
        out.add(f"at__ = flatnonzero(~{terminator.test})")
        self.push(terminator.other, "at__")
        out.indent -= 1

    def _pick(self, block: Block, terminator: Pick) -> tuple[str, ...]:
        """The batch waits; ``k__`` is that of the pick, and the next state gets the one after it."""
        names = {"number__", "clock__", "k__", *(name for *_, name in terminator.dynamic)}
        names |= {*terminator.apart, *([] if terminator.since is None else [terminator.since])}
        waiting = tuple(columns_of(sorted(names | self.live[terminator.next]), self.types))
        self.out.add(*judging(self.plan.entities[terminator.entity].spec, self.scope, terminator))
        self.out.add(f"wait({self.gids[block.state]}, (rows__, {', '.join(waiting)},))")
        return waiting

    def _save(self, block: Block, terminator: Save) -> tuple[str, ...]:
        emit = terminator.emit
        after = self.live[terminator.next]
        self._check_emit(emit, exit_of(block, self.live, guarded=self.guarded), terminator.entity)
        names = {name for _, name in emit.values} | {change.value for change in emit.changes}
        names |= {"number__", "clock__", "action__", "events__"} | after
        waiting = tuple(columns_of(sorted(names), self.types))
        self.out.add(f"wait({self.gids[block.state]}, (rows__, {', '.join(waiting)},))")
        return waiting

    def _saved(self, terminator: Save, waiting: tuple[str, ...]) -> Callable[..., None]:
        """The second half of a save: the entities have got their numbers."""
        out = self.out = Source(self.out.name + "_saved")
        self.cached = set()
        out.place = (terminator.span, None)
        out.add("n = len(rows__)")
        self._emit(terminator.emit, newborn=terminator.entity)
        who = "(rows__, number__, action__, clock__)"
        out.add(f"R.born({terminator.entity!r}, born__, {who})")
        out.add(f"R.hold({terminator.entity!r}, rows__, number__, born__)")
        self.push(terminator.next, None)
        return self._build(out, [*waiting, "born__"])
