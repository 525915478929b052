"""Live flows: user flows that run as Python generators, one step of their own at a time.

A `LiveFlow` turns what its generator yields into a few requests (`Parked`, `Picking`, `Saving`,
`Ended`), which its engine serves in the waves of a time step, and asks its engine for the rest through
`World`.  Picks in the middle of ordinary code (``select_entities(…)[0]``) suspend that code: it runs
on a greenlet.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial
from types import GeneratorType, MappingProxyType
from typing import NoReturn, TypeVar
from weakref import WeakValueDictionary

from deep_faker.declare.actions import (
    AddDecay,
    NewEvent,
    Release,
    Retire,
    Select,
    SetState,
    nobody_of,
    retired,
)
from deep_faker.declare.context import EntityView, FlowContext, Picked, made
from deep_faker.declare.schema import EntitySpec, entity_spec, event_spec
from deep_faker.draws.mix import Draws, mix1, unit1
from deep_faker.errors import RunError
from deep_faker.plan import FieldDraws, FlowTable, Plan
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.event_data import EventData, kept
from deep_faker.simulate.failures import (
    STALL,
    TURNS,
    failed,
    no_action,
    no_flow_runs,
    no_queue,
    not_running,
    out_of_time,
    spinning,
    stalled,
    too_late,
)
from deep_faker.simulate.live.answers import Answers
from deep_faker.simulate.live.birth import Birth
from deep_faker.simulate.live.greenlets import Returned, Worker
from deep_faker.simulate.live.late_mutate import (
    LaterActions,
    PendingChanges,
    PendingEvent,
    PlaceholderData,
    resolved,
)
from deep_faker.simulate.live.owners import owners_of
from deep_faker.simulate.live.rebuilt import Patcher
from deep_faker.simulate.live.requests import (
    ChangeNow,
    Ended,
    Parked,
    Request,
    Saving,
    World,
)
from deep_faker.simulate.live.run_draws import RunDraws
from deep_faker.simulate.live.selecting import listed, picking, queued
from deep_faker.simulate.live.sites import Sites
from deep_faker.simulate.live.source_lines import end_line, line_span, user_frame, user_span, yield_place
from deep_faker.simulate.live.started import started_by
from deep_faker.simulate.live.waits import delay_of
from deep_faker.times import LATEST

_Action = NewEvent | PendingEvent | AddDecay | Select | SetState | PendingChanges | Release | Retire
_ACTIONS = (NewEvent, PendingEvent, AddDecay, Select, SetState, PendingChanges, Release, Retire)


class LiveRuntime(RunDraws):
    """The rebuilt flow functions of one run, and the flow among them that is running now."""

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws, sites: Sites | None = None) -> None:
        super().__init__(plan, draws)
        self.fields = fields
        self.sites = Sites(plan) if sites is None else sites
        self.current: LiveFlow | None = None
        self.patcher = Patcher(self, LaterActions())
        self._functions: dict[int, Callable[..., object]] = {}
        self.starting = {flow.on.event for flow in plan.flows if flow.on is not None}
        self._workers: list[Worker] = []
        self.entity_names = {
            name: {plan.entities[name].spec.primary_key, "get_primary_key", *plan.entities[name].spec.by_name}
            for name in plan.entities
        }

    def start(self, table: FlowTable, number: int, clock: int, world: World, words: I64 | None) -> LiveFlow:
        """A flow that has not run yet; ``words``: of the event that has started it, see `On.values`."""
        if table.number not in self._functions:
            self._functions[table.number] = self.patcher.function(table.function)
        flow = LiveFlow(self, table, number, clock, world, self._functions[table.number])
        flow.data = started_by(table.on, words)
        return flow

    def draw(self) -> int:
        """The running flow's next draw, for `random` and its like."""
        return self.running().draw()

    def turn(self) -> None:
        """One more turn of a loop in the running flow."""
        flow = self.running()
        flow.turns += 1
        if flow.turns > TURNS:
            frame = user_frame()
            place = flow.span() if frame is None else line_span(frame.f_code.co_filename, frame.f_lineno)
            raise spinning(flow.table.name, place)

    def micros(self) -> int:
        """The running flow's clock."""
        return self.running().clock

    def running(self) -> LiveFlow:
        """The flow whose code is being run."""
        if self.current is None:
            raise no_flow_runs()
        return self.current

    def worker(self) -> Worker:
        """A greenlet to run user code on."""
        return self._workers.pop() if self._workers else Worker()

    def release(self, worker: Worker) -> None:
        """Its code has returned: it can run other code."""
        self._workers.append(worker)


class _Missing(BaseException):
    """An entity that is not there was needed: ends the flow, past the user's ``except Exception``."""


class _Over(BaseException):
    """Carries an `Ended` out of the flow's code."""

    def __init__(self, ended: Ended) -> None:
        self.ended = ended


_DONE = object()


def _sent(generator: GeneratorType[object, object, object], given: object) -> object:
    """What the generator yields next; `_DONE` where it ends."""
    try:
        return generator.send(given)
    except StopIteration:
        return _DONE


T = TypeVar("T")
Steps = Generator[Request, int | None, T]
"""A part of what a flow does: it yields requests, is sent the replies, and gives what comes of it."""


class LiveFlow(Answers):
    """One running flow."""

    def __init__(
        self,
        runtime: LiveRuntime,
        table: FlowTable,
        number: int,
        clock: int,
        world: World,
        function: Callable[..., object],
    ) -> None:
        super().__init__(
            table, number, clock, world, {runtime.plan.filters[index].entity for index in table.starts}
        )
        self.runtime: LiveRuntime = runtime
        self.data: Mapping[str, object] = MappingProxyType({})
        self.views: WeakValueDictionary[tuple[str, int], EntityView] = WeakValueDictionary()
        self.context = made(FlowContext, self)
        self._function = function
        self._steps = self._run()
        self._worker: Worker | None = None
        self._generator: GeneratorType[object, object, object] | None = None
        self.is_over = False

    def advance(self, reply: int | None = None) -> Request:
        """Run until the next request; ``reply`` answers the last one."""
        before = self.runtime.current
        self.runtime.current = self
        try:
            return self._steps.send(reply)
        finally:
            self.runtime.current = before

    # ------------------------------------------------ the generator's life

    def _run(self) -> Steps[None]:
        try:
            yield from self._live()
        except _Over as over:
            self._close()
            yield over.ended
        except Exception:
            with suppress(Exception):  # what stopped the flow counts, not what came of it
                self._close()
            raise

    def close(self) -> None:
        """The run breaks off: the flow's ``finally`` runs where the flow stands."""
        before = self.runtime.current
        self.runtime.current = self
        try:
            with suppress(Exception):
                if self._worker is not None and self._worker.asks:
                    self._worker.leave()
                self._close()
        finally:
            self.runtime.current = before

    def _close(self) -> None:
        """Let the flow's generator run its ``finally``, now and not when memory is collected."""
        generator, self._generator = self._generator, None
        if generator is None:
            return
        self.is_over = True
        worker = self._worker = self.runtime.worker()
        outcome = worker.go((generator.close, ()))
        self.runtime.release(worker)
        assert isinstance(outcome, Returned), "a flow that is over asks for nothing"
        error = outcome.error
        if (
            inspect.getgeneratorstate(generator) != inspect.GEN_CLOSED
        ):  # it has yielded, an error to Python too
            self.file, self.line = yield_place(generator)
            raise too_late(self.table.name, self.span(), "yields")
        if error is not None and not isinstance(error, _Missing) and not self._is_missing(error):
            self._raise(error)

    def _live(self) -> Steps[NoReturn]:
        generator = yield from self._call(self._function, self.context)
        if not isinstance(generator, GeneratorType):
            raise self._over("completed")
        self._generator, frame = generator, generator.gi_frame
        given: object = None  # what the last yield gives
        while True:
            action = yield from self._call(_sent, generator, given)
            if action is _DONE:
                raise self._over("completed", end_line(generator.gi_code, frame.f_lineno if frame else 0))
            self.file, self.line = yield_place(generator)
            self._count()
            if not isinstance(action, _ACTIONS):
                raise no_action(self.table.name, self.span(), action)
            given = yield from self._perform(action)

    def _call(self, function: Callable[..., T], *args: object) -> Steps[T]:
        """Run user code, letting its picks through."""
        worker = self._worker = self.runtime.worker()
        outcome = worker.go((function, args))
        while not isinstance(outcome, Returned):
            reply = yield outcome
            self._worker = worker
            outcome = worker.go(reply)
        self.runtime.release(worker)
        if outcome.error is not None:
            self._raise(outcome.error)
        value: T = outcome.value
        return value

    def _over(self, outcome: str, line: int | None = None) -> _Over:
        return _Over(Ended(outcome, self.clock, self.line if line is None else line))

    def _raise(self, error: BaseException) -> NoReturn:
        span = user_span(error.__traceback__)
        if isinstance(error, _Missing) or self._is_missing(error):
            raise self._over("no_entity", span.line if span is not None else None) from None
        if isinstance(error, RunError) or not isinstance(error, Exception):
            raise error
        raise failed(self.table.name, span or self.span(), error) from error

    def _is_missing(self, error: BaseException) -> bool:
        """Whether a field was read of the None that stands for an entity (S5)."""
        if not isinstance(error, AttributeError) or error.obj is not None:
            return False
        return any(error.name in names for names in self.runtime.entity_names.values())

    def _count(self) -> None:
        self.action += 1
        self.stall += 1
        self.turns = 0
        if self.stall > STALL:
            raise stalled(self.table.name, self.span())

    # ------------------------------------------------ actions

    def _perform(self, action: _Action) -> Steps[object]:
        if isinstance(action, Select) and action.n is not None:
            found = yield from listed(self, action, action.n)
            return Picked(self, entity_spec(action.entity), found)
        if isinstance(action, (NewEvent, PendingEvent)):
            yield from self._emit(action)
        elif isinstance(action, AddDecay):
            yield from self._wait(action)
        elif isinstance(action, Select):
            yield from queued(self, partial(self.passes, queue=True), action)
        elif isinstance(action, Release):
            name = entity_spec(action.entity).name
            if name in dict(self.world.slots(self)):
                self.tried.add(name)
                self.world.release(self, name)
        elif isinstance(action, Retire):
            yield from self._retire(action)
        else:
            state = yield from self._call(self._resolved, action)
            self._need_held((state,), None)
            self._apply((state,), by_event=False)
        return None

    def _wait(self, action: AddDecay) -> Steps[None]:
        delay = delay_of(action, self.runtime.draws, self.number, self.action)
        yield from self.passes(delay, action.rate)

    def passes(self, delay: int, rate: float = 0.0, *, queue: bool = False) -> Steps[None]:
        """The clock moves by so many µs, then the flow ends with probability ``rate``."""
        settings = self.runtime.plan.settings
        after = self.clock + delay
        is_cut = settings.on_end == "cut" and after >= settings.end
        if not is_cut and after > LATEST:
            raise out_of_time(self.table.name, self.span())
        if queue:
            # one that was cut takes part in the rest of its step, but its session is over
            self.waited += max((min(after, settings.end) if is_cut else after) - self.clock, 0)
        if delay:
            # One that is cut keeps its place and its entities until then (T5, T6).
            self.clock = settings.end if is_cut and after >= settings.last else after
            self.stall = 0
        yield Parked(self.clock, self.line)
        if is_cut and after >= settings.last:
            raise self._over("cut")
        if is_cut:
            yield Ended("cut", settings.end, self.line, goes_on=True)
        if rate and unit1(mix1(self.runtime.decay_key, self.number, self.action)) < rate:
            raise self._over("decayed")

    def _retire(self, action: Retire) -> Steps[None]:
        setting = retired(action.entity, self.now)
        self._need_held((setting,), None)
        self._apply((setting,), by_event=False)
        yield picking(self, nobody_of(action.entity))

    def _emit(self, action: NewEvent | PendingEvent) -> Steps[None]:
        """One event, in the order of F8."""
        event = action.event if isinstance(action, PendingEvent) else action
        spec = event_spec(event.event_type)
        save = entity_spec(event.save_entity) if event.save_entity else None
        # The event holds what its fields are now: a list that the flow goes on changing is copied.
        arguments = {name: kept(resolved(value, self.data)) for name, value in event.fields.items()}
        owners = owners_of(self, self.runtime.plan, spec, arguments, save)
        if owners is None:
            raise self._over("no_entity")
        birth = None
        if save is not None:
            birth = Birth(self, save, self.runtime.plan, self.runtime.fields, self.ask)
        keys: dict[str, Callable[[], object]] = {
            name: partial(self.world.read, self, *owner, None) for name, owner in owners.items()
        }
        who = (self.number, self.action, self.clock)
        where = (self.table.name, self.span())
        data = EventData(spec, self.runtime.fields, self.runtime.draws, who, arguments, keys, where)
        if birth is not None and birth.spec.primary_key not in arguments:
            keys[birth.spec.primary_key] = partial(birth.key, data)
        self.data = data
        states = event.mutate
        if isinstance(action, PendingEvent):
            states = yield from self._call(self._mutations, action)
        self._need_held(states, save)
        sites = self.runtime.sites
        names = {name: owner for name, (owner, _) in owners.items()}
        saved, arrives = save.name if save else None, event.arrives
        site = sites.find(self.table.name, spec, arguments, names, saved, self.span(), arrives)
        numbers = {name: number for name, (_, number) in owners.items()}
        if birth is not None:
            if birth.number is None:
                birth.number = yield Saving(birth.spec.name, self.line)
            assert birth.number is not None
            yield from self._call(birth.settle, data, site)
            if birth.spec.primary_key in spec.by_name and birth.spec.primary_key not in arguments:
                numbers[birth.spec.primary_key] = birth.number
        self.events += 1
        self._apply(states, by_event=True)
        self.world.emit(self, site, arguments, numbers)
        if spec.name in self.runtime.starting:
            born = [] if birth is None else [(birth.spec.name, birth.number or 0)]
            self.world.trigger(self, spec.name, dict([*self.world.slots(self), *born]), data)

    def _mutations(self, action: PendingEvent) -> tuple[SetState, ...]:
        """The changes of ``mutate=``, now that the event is at hand."""
        if not callable(action.mutate):
            return tuple(self._resolved(state) for state in action.mutate)
        # NewEvent itself checks what mutate= takes
        return NewEvent(self.context, action.event.event_type, mutate=action.mutate()).mutate

    def _resolved(self, state: SetState | PendingChanges) -> SetState:
        return state.resolve(self.data) if isinstance(state, PendingChanges) else state

    def _need_held(self, states: tuple[SetState, ...], save: EntitySpec | None) -> None:
        """Changing what the flow tried to get in vain ends it (S5)."""
        slots = dict(self.world.slots(self))
        for state in states:
            spec = entity_spec(state.entity)
            if spec is not save and spec.name not in slots and spec.name in self.tried:
                raise self._over("no_entity")

    def _apply(self, states: tuple[SetState, ...], *, by_event: bool) -> None:
        """Change what the flow holds; a type that it never tried to get is left alone (S4)."""
        slots = dict(self.world.slots(self))
        changes = []
        for state in states:
            name = entity_spec(state.entity).name
            if name in slots:
                changes += [ChangeNow(name, slots[name], c.field, c.op, c.value) for c in state.changes]
        if changes:
            try:
                self.world.change(self, changes, by_event=by_event)
            except (ArithmeticError, TypeError) as error:
                raise failed(self.table.name, self.span(), error) from error

    # ------------------------------------------------ what the context asks (context.RunningFlow)

    def miss(self, spec: EntitySpec | None) -> NoReturn:
        """See `deep_faker.declare.context.RunningFlow`."""
        raise _Missing(spec.name if spec is not None else "entity")

    def pick(self, selection: Select) -> int | None:
        """Pick in the middle of ordinary code."""
        frame = user_frame()
        if frame is not None:
            self.file, self.line = frame.f_code.co_filename, frame.f_lineno
        if self.is_over:
            raise too_late(self.table.name, self.span(), "picks an entity")
        if selection.wait is not None or selection.n is not None:
            raise no_queue(self.span(), "wait" if selection.wait is not None else "n")
        number = self.ask(picking(self, selection))
        return None if number < 0 else number

    def ask(self, request: Request) -> int:
        """Suspend the user code that is running until the engine has answered."""
        if self._worker is None:
            raise not_running()
        return self._worker.ask(request)

    def event_data(self) -> Mapping[str, object]:
        """The event at hand, or the last one."""
        sourceless = self.runtime.patcher.sourceless
        if sourceless:
            frame = user_frame()
            if frame is not None and frame.f_code in sourceless:
                return PlaceholderData()
        return self.data
