"""What a flow sees of its world: `FlowContext`, `GlobalContext`, entities and the event at hand.

Nothing here has a state of its own: every question goes to the running flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, NoReturn, Protocol, Self, TypeVar, overload

from deep_faker.declare.actions import Select
from deep_faker.declare.schema import Entity, EntitySpec, entity_spec, is_entity
from deep_faker.declare.seasons import Season
from deep_faker.declare.seasons.in_flows import check_season
from deep_faker.draws.distributions.declared import Distribution
from deep_faker.draws.race import chosen1
from deep_faker.errors import DeclarationError, Diagnostic, near, shown
from deep_faker.spans import caller_span

_Made = TypeVar("_Made")
_Label = TypeVar("_Label")


class RunningFlow(Protocol):
    """What the run answers for a flow."""

    @property
    def views(self) -> MutableMapping[tuple[str, int], EntityView]: ...

    @property
    def session_id(self) -> str: ...
    @property
    def flow_name(self) -> str: ...
    @property
    def now(self) -> datetime: ...
    def held(self) -> list[tuple[EntitySpec, int]]:
        """The entities that the flow holds or uses, in order of being taken."""
        ...

    def read(self, spec: EntitySpec, number: int, field: str | None) -> object:
        """A state field (None: the key) as the flow sees it now."""
        ...

    def hold(self, spec: EntitySpec, number: int) -> None: ...
    def use(self, spec: EntitySpec, number: int) -> None:
        """An entity of a list is what the flow uses of its type from now on."""
        ...

    def miss(self, spec: EntitySpec | None) -> NoReturn:
        """An entity that is not there was needed: the flow ends (S5)."""
        ...

    def pick(self, selection: Select) -> int | None:
        """Pick as ``yield Select`` does, in the middle of ordinary code."""
        ...

    def matching(self, selection: Select | None, spec: EntitySpec) -> list[int]:
        """Numbers of the available entities that match (None: of all), at the step's start."""
        ...

    def draw(self) -> int:
        """The flow's next 64-bit draw."""
        ...

    def event_data(self) -> Mapping[str, object]: ...
    def drawn(self, distribution: Distribution) -> object:
        """A value of a distribution, by the flow's next draw."""
        ...

    def factor(self, season: Season, tz: str | None) -> float:
        """The factor of a season at the flow's clock."""
        ...


class EntityView:
    """An entity as a flow sees it: its state fields, its key under its own name, `get_primary_key`.

    It is live: it always shows the flow's own changes.  It cannot be assigned to.
    """

    __slots__ = ("__weakref__", "_flow", "_number", "_spec")
    _flow: RunningFlow
    _number: int
    _spec: EntitySpec

    def __init__(self, flow: RunningFlow, spec: EntitySpec, number: int) -> None:
        object.__setattr__(self, "_flow", flow)
        object.__setattr__(self, "_spec", spec)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str) -> Any:
        spec = self._spec
        if name == spec.primary_key:
            return self._flow.read(spec, self._number, None)
        if name in spec.by_name:
            return self._flow.read(spec, self._number, name)
        if name.startswith("__"):
            raise AttributeError(name)
        help_ = near(name, [spec.primary_key, *spec.by_name], spec.name)
        raise AttributeError(f"{spec.name} has no state field {name!r}; {help_}")

    def get_primary_key(self) -> Any:
        """The entity's key."""
        return self._flow.read(self._spec, self._number, None)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"{self._spec.name}.{name} is changed by yield SetState({self._spec.name}, "
            f'[("{name}", "is", {value!r})]), not by assignment'
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EntityView) and self._spec is other._spec and self._number == other._number

    def __hash__(self) -> int:
        return hash((self._spec.name, self._number))

    def __dir__(self) -> list[str]:
        return sorted(["get_primary_key", self._spec.primary_key, *self._spec.by_name])

    def __repr__(self) -> str:
        return f"<{self._spec.name} {self.get_primary_key()!r}>"


class Selection(Sequence[EntityView]):
    """The entities that matched at the step's start, in entity order.

    ``[0]`` picks one of them at random and holds it, like ``yield Select``; everything else only looks.
    """

    def __init__(self, flow: RunningFlow, selection: Select) -> None:
        self._flow = flow
        self._selection = selection
        self._spec = entity_spec(selection.entity)
        self._views: list[EntityView] | None = None
        self._picked: EntityView | None = None

    def _all(self) -> list[EntityView]:
        if self._views is None:
            self._views = _views(self._flow, self._spec, self._flow.matching(self._selection, self._spec))
        return self._views

    @overload
    def __getitem__(self, index: int) -> EntityView: ...
    @overload
    def __getitem__(self, index: slice) -> list[EntityView]: ...
    def __getitem__(self, index: int | slice) -> EntityView | list[EntityView]:
        if isinstance(index, slice):
            return self._all()[index]
        if index != 0:
            return self._all()[index]
        if self._picked is None:
            number = self._flow.pick(self._selection)
            if number is None:
                self._flow.miss(self._spec)
            self._picked = _view(self._flow, self._spec, number)
        return self._picked

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[EntityView]:
        return iter(self._all())

    def __contains__(self, item: object) -> bool:
        return item in self._all()

    def __repr__(self) -> str:
        return repr(self._all())


class Picked(Sequence[EntityView]):
    """What ``yield Select(…, n=3)`` gives: different entities, used and not held.

    In a loop over it each is, in its turn, the one of its type that the flow uses.
    """

    def __init__(self, flow: RunningFlow, spec: EntitySpec, numbers: list[int]) -> None:
        self._flow, self._spec, self._numbers = flow, spec, numbers

    @overload
    def __getitem__(self, index: int) -> EntityView: ...
    @overload
    def __getitem__(self, index: slice) -> list[EntityView]: ...
    def __getitem__(self, index: int | slice) -> EntityView | list[EntityView]:
        if isinstance(index, slice):
            return _views(self._flow, self._spec, self._numbers[index])
        if not -len(self._numbers) <= index < len(self._numbers):
            self._flow.miss(self._spec)
        return _view(self._flow, self._spec, self._numbers[index])

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[EntityView]:
        for number in self._numbers:
            self._flow.use(self._spec, number)
            yield _view(self._flow, self._spec, number)

    def __contains__(self, item: object) -> bool:
        return item in _views(self._flow, self._spec, self._numbers)

    def __repr__(self) -> str:
        return repr(_views(self._flow, self._spec, self._numbers))


class FlowContext:
    """The first argument of every flow.  The run makes it; it cannot be called.

    ``ctx.session_id``, ``ctx.flow_name`` and ``ctx.flow_clock`` say which flow runs and when;
    ``ctx.get_entity(User)`` is the entity that it holds, ``ctx.current_event_data`` its last event, and
    ``ctx.global_context`` looks at all entities.

    >>> def login(ctx: FlowContext):
    ...     user = ctx.get_entity(User)
    ...     if not user or user.login_count > 3:
    ...         return
    ...     yield NewEvent(ctx, UserLogin)
    """

    __slots__ = ("_flow",)
    _flow: RunningFlow

    def __new__(cls, *_: object, **__: object) -> Self:
        mend = "write a flow, def f(ctx: FlowContext): …, and let sim.run() call it"
        raise DeclarationError(
            Diagnostic("a FlowContext is made by the run", caller_span(), "called here", mend)
        )

    @property
    def session_id(self) -> str:
        """The ``sys__sid`` of this flow's events."""
        return self._flow.session_id

    @property
    def flow_name(self) -> str:
        """The flow's name: its function's, or what ``@sim.flow(flow_name=…)`` says."""
        return self._flow.flow_name

    @property
    def flow_clock(self) -> datetime:
        """The flow's own instant, naive UTC."""
        return self._flow.now

    @property
    def current_time(self) -> datetime:
        """The same as `flow_clock`."""
        return self._flow.now

    @property
    def current_event_data(self) -> Mapping[str, Any]:
        """The event being emitted inside ``NewEvent(…, mutate=…)``, elsewhere the flow's last event."""
        return self._flow.event_data()

    @property
    def global_context(self) -> GlobalContext:
        """All entities."""
        return made(GlobalContext, self._flow)

    def get_entity(self, entity: type[Entity] | str | None = None) -> Any:
        """The entity of this type (without a type: the first) that the flow holds or uses, else None."""
        name = entity if entity is None or isinstance(entity, str) else entity_spec(entity).name
        for spec, number in self._flow.held():
            if name in (None, spec.name):
                return _view(self._flow, spec, number)
        return None

    get_selected_entity = get_entity

    def get_primary_selected_entity(self) -> Any:
        """The first entity that the flow holds or uses, else None."""
        return self.get_entity()

    def get_selected_entity_id(self, entity: type[Entity] | str | None = None) -> Any:
        """The key of `get_entity`; a flow that holds none ends there."""
        view = self.get_entity(entity)
        if view is None:
            self._flow.miss(entity_spec(entity) if is_entity(entity) else None)
        return view.get_primary_key()

    @property
    def selected_entities(self) -> dict[type[Entity], EntityView]:
        """What the flow holds or uses, by class, in order of being taken."""
        return {spec.cls: _view(self._flow, spec, number) for spec, number in self._flow.held()}

    def choose(self, options: Mapping[_Label, float], *, softmax: bool = False) -> _Label:
        """One of the labels, in proportion to the weights: ``ctx.choose({"browse": 3, "buy": user.mood})``.

        With ``softmax`` the values are utilities: the weights are their exponentials. Raises `ValueError`,
        which stops the run, where a weight is negative, infinite or NaN, or all are 0.
        """
        label: _Label = chosen1(self._flow.draw() >> 1, options, softmax=softmax)
        return label

    def draw(self, distribution: Distribution) -> Any:
        """A value of a distribution: ``ctx.draw(Poisson(3))``, ``ctx.draw(Choice(["card", "cash"]))``.

        A whole number of `Poisson` and `Zipf`, one of the values of a `Choice`, of all others a float.
        """
        given: object = distribution
        if not isinstance(given, Distribution):
            mend = "give one such as ctx.draw(Poisson(3))"
            raise DeclarationError(Diagnostic("no distribution", caller_span(), f"got {shown(given)}", mend))
        return self._flow.drawn(distribution)

    def season(self, season: Season, *, tz: str | None = None) -> float:
        """The factor of a season at the flow's clock, for chances and waits.

        ``random() < 0.1 * ctx.season(evening)``, ``AddDecay(ctx, minutes=5 / ctx.season(busy))``.
        With ``tz=user.tz``, what says no time zone of its own is in that one.
        """
        return self._flow.factor(check_season(season), tz)

    def add_entity(self, entity: type[Entity], view: object) -> None:
        """Name an entity that the flow has picked as its entity of that type."""
        spec = entity_spec(entity)
        if view is None:
            self._flow.miss(spec)
        if not isinstance(view, EntityView) or view._spec is not spec:  # noqa: SLF001 - a view has no more names
            raise TypeError(f"add_entity({spec.name}, …) takes an entity of that type, not {view!r}")
        self._flow.hold(spec, view._number)  # noqa: SLF001

    def __repr__(self) -> str:
        return f"<FlowContext {self.flow_name} {self.session_id} at {self.flow_clock}>"


class GlobalContext:
    """All entities, as `FlowContext.global_context` shows them: the world at the step's start."""

    __slots__ = ("_flow",)
    _flow: RunningFlow

    def __new__(cls, *_: object, **__: object) -> Self:
        raise DeclarationError(
            Diagnostic(
                "a GlobalContext is made by the run", caller_span(), "called here", "use ctx.global_context"
            )
        )

    def select_entities(self, selection: Select) -> Selection:
        """What matches; ``[0]`` picks and holds one of it, like ``yield Select``."""
        if not isinstance(selection, Select):
            raise TypeError(f"select_entities takes a Select, such as Select(User), not {selection!r}")
        return Selection(self._flow, selection)

    def get_available_entities(self, entity: type[Entity]) -> list[EntityView]:
        """The available entities of a type, in entity order; holds nothing."""
        spec = entity_spec(entity)
        return _views(self._flow, spec, self._flow.matching(Select(entity), spec))

    def get_random_available_entity(self, entity: type[Entity]) -> Any:
        """Pick and hold one, like ``yield Select``; None when none is available."""
        number = self._flow.pick(Select(entity))
        return None if number is None else _view(self._flow, entity_spec(entity), number)

    def get_entities(self, entity: type[Entity]) -> list[EntityView]:
        """All entities of a type, held or not, in entity order; holds nothing."""
        spec = entity_spec(entity)
        return _views(self._flow, spec, self._flow.matching(None, spec))


Context = FlowContext


def made(cls: type[_Made], flow: RunningFlow) -> _Made:
    """A context of a running flow; for the engines, as the classes refuse to be called."""
    context = object.__new__(cls)
    context._flow = flow  # type: ignore[attr-defined]  # both context classes have it
    return context


def _view(flow: RunningFlow, spec: EntitySpec, number: int) -> EntityView:
    """The one view of an entity that a flow has: ``ctx.get_entity(User) is ctx.get_entity(User)``."""
    view = flow.views.get((spec.name, number))
    if view is None:
        view = flow.views[spec.name, number] = EntityView(flow, spec, number)
    return view


def _views(flow: RunningFlow, spec: EntitySpec, numbers: list[int]) -> list[EntityView]:
    return [_view(flow, spec, number) for number in numbers]
