"""A world that stays empty says so after the run; the report tells which flow's starts found nobody."""

from __future__ import annotations

import re
import warnings

import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.errors import EmptyWorldWarning
from deep_faker.run.report import RunReport
from tests.support.engines import SAVING, engine_of


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    plan: str = Field(faker="random_element", elements=["free", "pro"])
    age: int | None = Field(dist=Choice([20, 30, None]))


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    plan: str = StateField(from_field="plan", type_=str)
    age: int | None = StateField(from_field="age", type_=int)
    visits: int = StateField(default=0, type_=int)


class Shop(Entity):
    primary_key = "shop_id"


class Visited(BaseEvent):
    user_id: str


def simulation(n_flows: int = 5, duration: str = "2m") -> Simulation:
    return Simulation(
        duration, start_time="2024-01-01", n_flows=n_flows, random_seed=4, initial_entities={User: 30}
    )


every_run = pytest.mark.parametrize(
    ("engine", "n_flows"), [("reference", 5), *((name, n) for name in SAVING for n in (5, 300))]
)


def said(sim: Simulation, engine: str = "vectorized") -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sim.collect(engine=engine)
    return [str(w.message) for w in caught if issubclass(w.category, EmptyWorldWarning)]


def visits(sim: Simulation, **filter_: object) -> None:
    @sim.flow(filter=Select(User, **filter_))
    def visit(ctx):
        yield NewEvent(ctx, Visited)

    @sim.flow(filter=Select(User), initiation_weight=0.5)
    def other(ctx):
        yield NewEvent(ctx, Visited)


@every_run
@pytest.mark.parametrize(
    ("where", "label", "mend"),
    [
        (("plan", "is", "Fre"), "no User had plan is 'Fre'", "did you mean 'free'? plan at the end has: "),
        (
            ("plan", "in", ["gold", "silver"]),
            "no User had plan in ('gold', 'silver')",
            "plan at the end is from",
        ),
        (("visits", ">", 3), "no User had visits > 3", "visits at the end is 0"),
        (("age", "between", (40, 50)), "no User had age between 40 and 50", "is from 20 to 30, or None"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_filter_that_nobody_ever_matches_is_warned_of(engine, n_flows, where, label, mend):
    """The warning names the flow, the condition and what is nearest to it."""
    sim = simulation(n_flows)
    visits(sim, where=[where])
    [warning] = said(sim, engine)
    assert warning.startswith("warning: flow 'visit' never started (")
    assert label in warning
    assert mend in warning


@every_run
def test_conditions_that_match_some_but_never_together_are_warned_of(engine, n_flows):
    """Each condition alone would do; the warning names them all."""
    sim = simulation(n_flows)

    @sim.flow(filter=Select(User, where=[("visits", "is", 0), ("plan", "is", "gold")]))
    def never(ctx):
        yield NewEvent(ctx, Visited)

    @sim.flow(filter=Select(User, where=[("visits", "is", 1), ("plan", "is", "free")]))
    def neither(ctx):
        yield NewEvent(ctx, Visited)

    @sim.flow(filter=Select(User, where=[("visits", "is", 0), ("plan", "is", "pro")]))
    def first(ctx):
        yield SetState(User, [("visits", "is", 1)])

    texts = said(sim, engine)
    assert len(texts) == 2
    assert "no User had plan is 'gold' when one was looked for" in texts[0]
    assert "no free User had visits is 1 and plan is 'free' when one was looked for" in texts[1]


@every_run
def test_a_selection_in_a_flow_that_never_finds_is_warned_of_at_its_line(engine, n_flows):
    """There too: where no entity is at all, the help says how to have some."""
    sim = simulation(n_flows)

    @sim.flow(filter=Select(User))
    def buy(ctx):
        yield Select(ctx, Shop)
        if not ctx.get_entity(Shop):
            return
        yield NewEvent(ctx, Visited)

    [warning] = said(sim, engine)
    assert warning.startswith("warning: flow 'buy' selects what never was (")
    assert re.search(r"\^+ there was no Shop\nhelp: let some be there: initial_entities={Shop: 100}", warning)


@every_run
def test_a_flow_that_always_ends_without_an_entity_is_warned_of(engine, n_flows):
    """All sessions end with ``no_entity``, though the filter of the selection had members."""
    sim = simulation(n_flows)

    @sim.flow(filter=Select(User))
    def lookup(ctx):
        yield Select(ctx, User, where=[("user_id", "is", ctx.session_id)], shared=True)
        yield NewEvent(ctx, Visited, user_id=ctx.get_entity(User).user_id)

    [warning] = said(sim, engine)
    assert warning.startswith("warning: flow 'lookup' never comes to its end (")


@every_run
def test_a_flow_that_others_leave_nothing_to_is_warned_of(engine, n_flows):
    """Its filter has had members, but none was left when a start was to be its own."""
    sim = Simulation(
        "1h", start_time="2024-01-01", n_flows=n_flows, random_seed=4, initial_entities={User: 1}
    )

    @sim.flow(filter=Select(User), initiation_weight=1e6)
    def busy(ctx):
        yield NewEvent(ctx, Visited)
        yield AddDecay(ctx, seconds=1)

    @sim.flow(filter=Select(User), initiation_weight=1e-6)
    def late(ctx):
        yield NewEvent(ctx, Visited)

    assert said(sim, engine) == []  # of some 1,800 starts it could expect none


@every_run
def test_a_world_as_meant_says_nothing(engine, n_flows):
    """Flows of weight 0, filters that match for an instant and flows that wait for others are as meant."""
    sim = simulation(n_flows)

    @sim.flow(filter=Select(User, where=[("visits", "is", 0)]))
    def first(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))

    @sim.flow(filter=Select(User, where=[("visits", "is", 1)]))
    def second(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))

    @sim.flow(filter=Select(User, where=[("plan", "is", "gold")]), initiation_weight=0)
    def off(ctx):
        yield NewEvent(ctx, Visited)

    assert said(sim, engine) == []


def crowded(n_flows: int) -> Simulation:
    """Two filters of which now one, now the other, now none has members."""
    sim = simulation(n_flows, "3m")

    @sim.flow(filter=Select(User, where=[("visits", "<", 20)]), initiation_weight=3.0)
    def visit(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))
        yield AddDecay(ctx, rate=0.1, seconds=Exponential(7))

    @sim.flow(filter=[Select(User, where=[("visits", ">", 4)])])
    def reset(ctx):
        yield SetState(User, [("visits", "is", 0)])
        yield AddDecay(ctx, seconds=Exponential(9))

    @sim.flow(filter=Select(User, where=[("plan", "is", "free")], shared=True), initiation_weight=0.1)
    def look(ctx):
        yield AddDecay(ctx, seconds=1)

    @sim.flow(filter=Select(User, where=[("plan", "is", "gold")], shared=True))
    def never(ctx):
        yield AddDecay(ctx, seconds=1)

    return sim


@pytest.mark.filterwarnings("ignore::deep_faker.errors.EmptyWorldWarning")
@pytest.mark.parametrize("n_flows", [1, 5, 80, 300])
def test_starts_without_a_match_are_counted_alike_by_all_engines(n_flows, tmp_path):
    """For each flow, the starts at which nobody matched its filter; sessions by flow add up to all sessions."""
    plain, *others = (crowded(n_flows).run(tmp_path / name, engine=name) for name in ("reference", *SAVING))
    for other in others:
        _counted_alike(other, plain)


def _counted_alike(fast: RunReport, plain: RunReport) -> None:
    assert fast.unmatched == plain.unmatched
    assert fast.sessions == plain.sessions
    assert fast.skipped == plain.skipped
    assert set(fast.unmatched) >= {"never"}
    starts = sum(sum(counts.values()) for counts in fast.sessions.values())
    assert fast.unmatched["never"] == starts + fast.skipped
    assert all(
        count >= fast.skipped
        for count in (fast.unmatched.get(name, 0) for name in fast.sessions)
        if fast.skipped
    )
    assert sum(fast.flows.values()) == starts
    assert (
        f"{fast.unmatched['never']:,}  starts at which nobody matched never" in str(fast) or not fast.skipped
    )


@pytest.mark.parametrize("engine", SAVING)
@pytest.mark.parametrize("n_flows", [5, 300])
def test_what_was_counted_before_a_checkpoint_counts_after_it(n_flows, engine):
    """An engine that takes up a saved state ends with the tally of one that was never stopped."""
    plan = crowded(n_flows).compile()
    whole, first, second = (engine_of(plan, engine, 4)[0] for _ in range(3))
    list(whole.run())
    list(first.run(stop_before_step=61))
    second.load(first.save())
    list(second.run())
    assert second.counts == whole.counts
    assert sum(first.counts.unmatched.values()) > 0
