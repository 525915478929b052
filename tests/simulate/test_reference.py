"""The reference engine: what starts, who gets what, and what others see of it, point by point."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Now,
    Select,
    SetState,
    StateField,
)
from deep_faker.actions import Choice, LogNormal, Normal, Uniform
from deep_faker.declare.schema import entity_spec
from deep_faker.errors import CheckpointError, InvalidValueError, KeySpaceError
from deep_faker.plan import Condition, EntityPlan, Filter, Plan, StateColumn, Type
from deep_faker.plan import Now as PlanNow
from deep_faker.simulate.reference.store import holds
from tests.support.engine_builders import SECOND, Product, User, UserMade
from tests.support.live_builders import ENTITY, PRODUCT, Story, engine_of, plan_of, run, story_of, table_of


class Note(BaseEvent):
    value: Any


def notes(story: Story) -> list[Any]:
    return [event.values["value"] for event in story.of("Note")]


def brief(ctx):
    yield AddDecay(ctx, seconds=2.5)


def visit(ctx):
    user = ctx.get_entity(User)
    yield NewEvent(ctx, Note, value=user.user_id if user else None)
    yield AddDecay(ctx, rate=0.3, seconds=Exponential(3))
    if random.random() < 0.5:
        yield SetState(User, [("orders", "add", 1)])
    yield Select(ctx, Product)
    yield AddDecay(ctx, seconds=Uniform(0, 2))


# ---------------------------------------------------------------- starts


def test_t5_never_more_flows_than_n_flows_and_free_places_are_filled_each_step():
    story = run(plan_of(brief, n_flows=7, duration=30 * SECOND))
    starts = Counter(session.started // SECOND for session in story.sessions)
    changes = sorted([(s.started, 1) for s in story.sessions] + [(s.ended, -1) for s in story.sessions])
    active = 0
    for _, change in changes:
        active += change
        assert active <= 7
    assert starts[0] == 7
    assert sum(starts.values()) == len(story.sessions)
    assert all(s.ended - s.started == 2.5 * SECOND for s in story.sessions)


def test_t6_flows_finish_after_the_end_or_are_cut_at_it():
    def long(ctx):
        yield AddDecay(ctx, seconds=7)
        yield NewEvent(ctx, Note, value=1)

    plan = plan_of(long, n_flows=5, duration=10 * SECOND, events=[Note])
    finished, cut = run(plan), run(replace(plan, settings=replace(plan.settings, on_end="cut")))
    assert {s.outcome for s in finished.sessions} == {"completed"}
    assert max(s.ended for s in finished.sessions) > 10 * SECOND
    assert all(event.clock < 10 * SECOND for event in cut.events)
    late = [s for s in cut.sessions if s.outcome == "cut"]
    assert late
    assert {s.ended for s in late} == {10 * SECOND}
    assert [s.started for s in cut.sessions if s.outcome != "cut"] == [
        s.started for s in finished.sessions if s.ended < 10 * SECOND
    ]


def test_t4_starts_after_the_end_take_part_and_do_nothing():
    story = run(plan_of((visit, [0]), users=40, n_flows=40, duration=SECOND // 2, events=[Note]))
    assert 5 < len(story.sessions) < 35
    assert all(s.started < SECOND // 2 for s in story.sessions)
    assert [s.flow for s in sorted(story.sessions, key=lambda s: s.flow)] == list(
        range(40, 40 + len(story.sessions))
    )


def test_f1_flows_start_in_proportion_to_their_weights_and_scarce_ones_are_skipped():
    def rare(ctx):
        yield AddDecay(ctx, seconds=0)

    def common(ctx):
        yield AddDecay(ctx, seconds=0)

    tables = [table_of(0, rare, weight=1.0), table_of(1, common, weight=3.0)]
    shares = Counter(s.name for s in run(plan_of(*tables, n_flows=100, duration=20 * SECOND)).sessions)
    assert 0.2 < shares["rare"] / shares.total() < 0.3
    scarce = run(plan_of((visit, [0]), users=3, n_flows=10, duration=SECOND, events=[Note]))
    assert len(scarce.sessions) == 3
    assert scarce.engine.counts.skipped == 7
    both = run(plan_of((visit, [0]), table_of(1, rare), users=3, n_flows=10, events=[Note]))
    assert Counter(s.name for s in both.sessions)["visit"] <= 3
    assert len(both.sessions) == 10


def test_idle_steps_are_passed_over_with_the_same_result():
    def sleeper(ctx):
        yield AddDecay(ctx, seconds=500 * random.random())
        yield Select(ctx, User)

    plan = plan_of((sleeper, [0]), users=4, n_flows=6, duration=2000 * SECOND)
    story, slow = run(plan), engine_of(plan)
    slow._skip_idle_steps = lambda: None  # every step, one by one
    plain = story_of(plan, slow, list(slow.run()))
    assert plain.sessions == story.sessions
    assert plain.engine.counts.skipped == story.engine.counts.skipped > 0


# ---------------------------------------------------------------- holding


def test_n1_no_entity_is_held_by_two_flows_at_once():
    story = run(plan_of((visit, [0]), users=12, products=8, n_flows=20, duration=60 * SECOND, events=[Note]))
    held: dict[int, list[tuple[int, int]]] = {}
    for session in story.sessions:
        for number in session.held["User"]:
            held.setdefault(number, []).append((session.started, session.ended))
    assert len(held) == 12
    for spans in held.values():
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_n3_every_match_is_as_likely():
    counts: Counter[int] = Counter()
    plan = plan_of((brief, [0]), users=10, n_flows=2, duration=SECOND // 100 * 100)
    for seed in range(400):
        counts.update(n for s in run(plan, seed).sessions for n in s.held["User"])
    assert all(50 < counts[number] < 110 for number in range(10))


def test_n4_a_second_selection_releases_the_first_even_in_vain():
    def flow(ctx):
        yield Select(ctx, User)
        first = ctx.get_selected_entity_id(User)
        yield Select(ctx, User)
        assert ctx.get_selected_entity_id(User) != first
        yield Select(ctx, User)
        assert ctx.get_entity(User) is None
        yield AddDecay(ctx, seconds=1)
        yield Select(ctx, User)
        yield NewEvent(ctx, Note, value=ctx.get_entity(User) is not None)

    story = run(plan_of(flow, users=2, events=[Note]))
    assert notes(story) == [True]
    [session] = story.sessions
    assert len(session.held["User"]) == 3


def test_n2_others_see_changes_and_released_entities_from_the_next_step_on():
    def changer(ctx):
        yield SetState(User, [("orders", "is", 5)])
        assert ctx.get_entity(User).orders == 5
        yield NewEvent(ctx, Note, value=["own", ctx.get_entity(User).orders])

    def watcher(ctx):
        for _ in range(3):
            seen = [user.orders for user in ctx.global_context.get_entities(User)]
            yield NewEvent(
                ctx, Note, value=["seen", seen, len(ctx.global_context.get_available_entities(User))]
            )
            yield AddDecay(ctx, seconds=1)

    story = run(plan_of((changer, [0]), watcher, users=1, n_flows=2, events=[Note]))
    assert notes(story).count(["own", 5]) == 1
    assert [value[1:] for value in notes(story) if value[0] == "seen"] == [[[0], 1], [[5], 1], [[5], 1]]


SHARED = Filter(2, "Product", (), shared=True)


def test_n5_shared_adds_all_count_and_each_sees_its_own():
    def flow(ctx):
        yield Select(ctx, Product, shared=True)
        product = ctx.get_entity(Product)
        before = product.sold
        for _ in range(3):
            yield SetState(Product, [("sold", "add", 1)])
        assert product.sold == before + 3

    story = run(plan_of(flow, products=1, n_flows=20, filters=(ENTITY, PRODUCT, SHARED)))
    assert story.state("Product", "sold") == [60]
    assert all(not s.held["Product"] for s in story.sessions)


def test_n5_is_goes_to_the_last_writer_in_the_order_of_time():
    def flow(ctx):
        yield Select(ctx, Product, shared=True)
        yield AddDecay(ctx, milliseconds=200 * random.random())
        yield SetState(Product, [("sold", "is", int(ctx.session_id.encode()[0]))])

    plan = plan_of(flow, products=1, n_flows=20, filters=(ENTITY, PRODUCT, SHARED), history=True)
    story = run(plan)
    versions = [v for trace in story.traces for v in trace.versions]
    assert len(versions) == 1
    order = list(zip(versions[0].clock.tolist(), versions[0].flow.tolist(), strict=True))
    assert order == sorted(order)
    assert versions[0].values["sold"][-1] == story.state("Product", "sold")[0]
    assert versions[0].is_event.tolist() == [False] * 21


def test_n5_shared_users_and_a_holder_of_one_entity():
    def sharer(ctx):
        yield Select(ctx, Product, shared=True)
        yield SetState(Product, [("sold", "add", 10)])

    def holder(ctx):
        for _ in range(3):
            yield SetState(Product, [("sold", "add", 1)])
        yield NewEvent(ctx, Note, value=ctx.get_entity(Product).sold)

    filters = (ENTITY, PRODUCT, SHARED)
    story = run(plan_of((holder, [1]), sharer, products=1, n_flows=9, filters=filters, events=[Note]))
    count = Counter(s.name for s in story.sessions)
    assert count["holder"] == 1
    assert notes(story) == [3]
    assert story.state("Product", "sold") == [3 + 10 * count["sharer"]]


def test_n6_an_entity_is_selectable_after_the_flow_that_made_it():
    def maker(ctx):
        yield NewEvent(ctx, UserMade, save_entity=User)
        yield AddDecay(ctx, seconds=3)

    def taker(ctx):
        for _ in range(6):
            yield AddDecay(ctx, seconds=1)
            yield Select(ctx, User)
            yield NewEvent(ctx, Note, value=ctx.get_entity(User) is not None)

    stories = (run(plan_of(maker, taker, n_flows=2, events=[Note]), seed) for seed in range(99))
    story = next(s for s in stories if {session.name for session in s.sessions} == {"maker", "taker"})
    [made] = [s for s in story.sessions if s.name == "maker"]
    first = next(event.clock for event in story.of("Note") if event.values["value"])
    assert first // SECOND == made.ended // SECOND + 1
    assert made.held["User"] == [0]


def test_n8_initial_entities_come_first_with_events_where_wanted():
    story = run(plan_of(brief, users=3, products=2, emit_initial=True))
    born = [(e.event, e.flow, e.action, e.clock, list(e.keys.values())) for e in story.events]
    assert born == [("UserMade", n, 1, 0, [n]) for n in range(3)] + [
        ("ProductMade", 3 + n, 1, 0, [n]) for n in range(2)
    ]
    assert [s.flow for s in story.sessions] == [5]


def test_n9_weighted_picks_follow_the_weights_held_or_shared():
    def setup(ctx):
        yield SetState(
            Product, [("sold", "is", ctx.global_context.get_entities(Product).index(ctx.get_entity(Product)))]
        )

    def taker(ctx):
        yield AddDecay(ctx, seconds=2)
        yield Select(ctx, Product, weight="sold")

    def sharer(ctx):
        yield AddDecay(ctx, seconds=2)
        yield Select(ctx, Product, weight="sold", shared=True)
        yield NewEvent(ctx, Note, value=ctx.get_entity(Product).sold)

    weighted, both = (
        Filter(2, "Product", (), weight="sold"),
        Filter(3, "Product", (), shared=True, weight="sold"),
    )
    counts: Counter[int] = Counter()
    shared: Counter[int] = Counter()
    for seed in range(40):
        tables: list[Any] = [table_of(0, setup, [1], weight=1e9), taker, sharer]
        story = run(
            plan_of(
                *tables, products=4, n_flows=12, filters=(ENTITY, PRODUCT, weighted, both), events=[Note]
            ),
            seed,
        )
        counts.update(n for s in story.sessions if s.name == "taker" for n in s.held["Product"][:1])
        shared.update(notes(story))
    assert counts[0] == shared[0] == 0
    assert shared[1] < shared[2] < shared[3]
    assert counts[1] <= counts[3]


def test_n9_a_negative_weight_names_entity_and_value():
    def flow(ctx):
        yield SetState(Product, [("sold", "subtract", 3)])
        yield Select(ctx, Product)
        yield AddDecay(ctx, seconds=1)
        yield Select(ctx, Product, weight="sold")

    filters = (ENTITY, PRODUCT, Filter(2, "Product", (), weight="sold"))
    with pytest.raises(InvalidValueError, match="-3"):
        run(plan_of((flow, [1]), products=2, filters=filters))


# ---------------------------------------------------------------- keys


class TicketMade(BaseEvent):
    code: int = Field(faker="random_element", elements=[1, 2, 3, 4, 5])


class Ticket(Entity):
    source_event = TicketMade
    primary_key = "code"
    state: str = StateField(default="open", type_=str)


TICKET = EntityPlan(
    "Ticket", entity_spec(Ticket), (StateColumn("state", Type("str"), "open", None),), "stored"
)


def test_n7_keys_that_collide_are_drawn_again_and_used_up_ones_raise():
    def flow(ctx):
        yield NewEvent(ctx, TicketMade, save_entity=Ticket)
        yield NewEvent(ctx, Note, value=ctx.get_selected_entity_id(Ticket))

    more: dict[str, Any] = {"entities": {"Ticket": TICKET}, "events": [TicketMade, Note]}
    story = run(plan_of(flow, n_flows=5, **more))
    assert sorted(notes(story)) == [1, 2, 3, 4, 5]
    assert sorted(key for new in story.traces[0].keys for key in new.keys) == [1, 2, 3, 4, 5]
    with pytest.raises(KeySpaceError, match="Ticket"):
        run(plan_of(flow, n_flows=6, **more))


def test_n7_an_explicit_duplicate_raises():
    def flow(ctx):
        yield NewEvent(ctx, TicketMade, save_entity=Ticket, code=7)

    more: dict[str, Any] = {"entities": {"Ticket": TICKET}, "events": [TicketMade]}
    assert run(plan_of(flow, **more)).of("TicketMade")[0].values == {"code": 7}
    with pytest.raises(KeySpaceError, match="7"):
        run(plan_of(flow, n_flows=2, **more))


# ---------------------------------------------------------------- selections


@pytest.mark.parametrize(
    ("value", "op", "wanted", "found"),
    [
        (None, "is", None, True),
        (None, "is", 3, False),
        (None, "is_not", 3, True),
        (3, "is_not", None, True),
        (None, "less_than", 3, False),
        (3, "greater_or_equal", 3, True),
        (3, "between", (1, 3), True),
        (None, "between", (1, 3), False),
        (None, "not_in", (1, 2), True),
        ("a", "in", ("a", "b"), True),
        ("abc", "starts_with", "ab", True),
        ("ab", "starts_with", "abc", False),
        (None, "starts_with", "", False),
        (None, "is_null", None, True),
        (0, "not_null", None, True),
    ],
)
def test_s1_operators(value, op, wanted, found):
    assert holds(value, op, wanted) is found


def test_s1_conditions_with_values_of_the_flow_look_at_everything_that_is_available():
    def flow(ctx):
        for wanted in range(4):
            yield Select(ctx, User, where=[("orders", "==", wanted), ("spent", "<", 1.0 + wanted)])
            yield NewEvent(ctx, Note, value=ctx.get_entity(User) is not None)
        yield AddDecay(ctx, seconds=1)  # what was taken in a step is not offered again in it
        users = ctx.global_context.get_entities(User)
        yield Select(ctx, User, where=[("user_id", "is", users[1].user_id)])
        yield NewEvent(ctx, Note, value=ctx.get_entity(User) == users[1])

    assert notes(run(plan_of(flow, users=3, events=[Note]))) == [True, False, False, False, True]


def test_t8_now_is_the_step_in_which_a_filter_is_evaluated():
    """A user that rested for 3 seconds matches from the first step on whose instant lies 3 seconds later."""

    def active(ctx):
        yield SetState(User, [("status", "is", "seen"), ("seen", "is", dt.datetime.now())])
        yield NewEvent(ctx, Note, value="active")

    def resting(ctx):
        yield NewEvent(ctx, Note, value="resting")

    spec = entity_spec(Sleeper)
    columns = (
        StateColumn("status", Type("str"), "new", None),
        StateColumn("seen", Type("datetime", optional=True), None, None),
    )
    fresh = Filter(2, "Sleeper", (Condition("seen", "is_null", None),))
    rested = Filter(3, "Sleeper", (Condition("seen", "less_than", PlanNow(-3 * SECOND)),))

    def first(ctx):
        yield SetState(Sleeper, [("seen", "is", dt.datetime.now())])
        yield NewEvent(ctx, Note, value=0)

    def again(ctx):
        yield NewEvent(ctx, Note, value=1)
        yield SetState(Sleeper, [("status", "is", "done")])
        yield AddDecay(ctx, seconds=100)

    plan = plan_of(
        (first, [2]),
        (again, [3]),
        filters=(ENTITY, PRODUCT, fresh, rested),
        entities={"Sleeper": EntityPlan("Sleeper", spec, columns)},
        n_flows=5,
        duration=9 * SECOND,
        events=[Note],
    )
    plan = replace(plan, settings=replace(plan.settings, initial=(("Sleeper", 1),)))
    story = run(plan)
    one, two = story.of("Note")
    assert (one.values["value"], two.values["value"]) == (0, 1)
    ready = one.clock + 3 * SECOND
    assert two.clock // SECOND == ready // SECOND + 1
    assert Now() - dt.timedelta(seconds=3) == Now(-3 * SECOND)


class Sleeper(Entity):
    source_event = None
    primary_key = "sleeper_id"
    status: str = StateField(default="new", type_=str)
    seen: dt.datetime | None = StateField(default=None)


# ---------------------------------------------------------------- waits, runs


def test_f4_waits_add_up_and_depend_on_nothing_but_flow_and_action():
    def flow(ctx):
        yield AddDecay(ctx, minutes=1, milliseconds=1.5)
        kinds = [Exponential(2), LogNormal(0, 1), Uniform(1, 2), Normal(3, 1), Choice([1, 2])]
        for kind in kinds:
            yield AddDecay(ctx, seconds=kind, milliseconds=Uniform(0, 9))
        yield NewEvent(ctx, Note, value=0)

    one, two = run(plan_of(flow, n_flows=1, events=[Note])), run(plan_of(flow, n_flows=3, events=[Note]))
    assert one.sessions[0].ended - one.sessions[0].started > 60_001_500 + 4 * SECOND
    assert len({s.ended - s.started for s in two.sessions}) == 3


def a_run(**changes: Any) -> Plan:
    given: dict[str, Any] = {
        "users": 20,
        "products": 9,
        "n_flows": 25,
        "duration": 40 * SECOND,
        "events": [Note],
    }
    return plan_of((visit, [0]), brief, **{**given, **changes})


def test_r1_the_same_seed_gives_the_same_run_however_it_is_cut():
    plan = a_run(history=True)
    whole, other = run(plan), run(plan, seed=2)
    engine = engine_of(plan)
    pieces = [trace for step in (3, 4, 17, None) for trace in engine.run(stop_before_step=step)]
    assert story_of(plan, engine, pieces).events == whole.events
    assert story_of(plan, engine, pieces).sessions == whole.sessions
    assert other.events != whole.events
    for earlier, later in pairwise(pieces):
        assert all((rows.clock >= earlier.until).all() for rows in later.rows)


def test_r2_a_longer_run_begins_with_the_shorter_one():
    short, long = run(a_run()), run(a_run(duration=60 * SECOND))
    end = 40 * SECOND
    assert [e for e in short.events if e.clock < end] == [e for e in long.events if e.clock < end]


def test_r4_it_says_that_it_cannot_be_saved():
    engine = engine_of(a_run())
    for call in (engine.save, lambda: engine.load({})):
        with pytest.raises(CheckpointError, match="vectorized"):
            call()


def test_history_has_a_version_for_each_event_or_change_of_an_entity():
    def flow(ctx):
        yield NewEvent(ctx, UserMade, save_entity=User, mutate=SetState(User, [("orders", "add", 2)]))
        yield SetState(User, [("orders", "add", 1), ("spent", "is", 2.0)])
        yield NewEvent(ctx, Note, value=1)

    story = run(plan_of(flow, users=1, history=True, events=[Note]))
    [versions] = [v for trace in story.traces for v in trace.versions]
    rows = zip(versions.number, versions.action, versions.is_event, versions.values["orders"], strict=True)
    assert [tuple(map(int, row)) for row in rows] == [(0, 1, 0, 0), (1, 1, 1, 2), (1, 2, 0, 3)]
