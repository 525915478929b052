"""S1 to S5 and F1 to F10 as users meet them: through `Simulation`, on both engines."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Exponential,
    Field,
    LogNormal,
    NewEvent,
    Normal,
    Select,
    SetState,
    Uniform,
)
from deep_faker.errors import DeclarationError, DeepFakerWarning
from tests.support.engines import every_engine
from tests.support.worlds.contract_world import Entered, Joined, Note, Room, User, Visited, simulation, visits

# ---------------------------------------------------------------- selections and changes

HOLDS = [
    ("age", "is", 60, lambda v: v == 60),
    ("age", "!=", 30, lambda v: v != 30),
    ("age", "greater_than", 40, lambda v: v > 40),
    ("age", "<", 40, lambda v: v < 40),
    ("age", "greater_or_equal", 40, lambda v: v >= 40),
    ("age", "<=", 40, lambda v: v <= 40),
    ("age", "in", [20, 21, 22, 60, 61], lambda v: v in {20, 21, 22, 60, 61}),
    ("age", "not_in", [20, 21, 22], lambda v: v not in {20, 21, 22}),
    ("age", "between", (30, 50), lambda v: 30 <= v <= 50),
    ("user_id", "starts_with", "A", lambda v: v[0] == "A"),
]


@every_engine
@pytest.mark.parametrize(("name", "operator", "value", "holds"), HOLDS, ids=[h[1] for h in HOLDS])
def test_s1_filters_let_through_what_they_say(name, operator, value, holds, engine):
    """Every matching user comes sooner or later, and no other."""
    sim = simulation(duration="60s", n_flows=20, initial_entities={User: 120})

    @sim.flow(filter=Select(User, where=[(name, operator, value), ("visits", "is", 0)]))
    def come(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))

    users = sim.collect(engine=engine).entities[User]
    assert any(map(holds, users[name]))
    assert (users["visits"] == 1).to_list() == list(map(holds, users[name]))


@every_engine
def test_s1_none_is_neither_greater_nor_less(engine):
    sim = simulation()

    @sim.flow(filter=Select(User, where=[("seen", "greater_than", datetime(2024, 5, 17, 9, 30, 1))]))
    def late(ctx):
        yield NewEvent(ctx, Visited)

    @sim.flow(initiation_weight=0.01, filter=Select(User, where=[("seen", "is", None), ("visits", "is", 0)]))
    def null(ctx):
        yield NewEvent(ctx, Note)

    dataset = sim.collect(engine=engine)
    assert "Visited" not in dataset or dataset["Visited"].height == 0
    assert dataset["Note"].height == 20


@every_engine
def test_s2_every_operator_changes_as_it_says(engine):
    sim = simulation(duration="1s", n_flows=1, initial_entities={User: 1})

    @sim.flow(filter=Select(User))
    def change(ctx):
        yield SetState(User, [("visits", "is", 10), ("money", "=", 8.0), ("mood", "is", "glad")])
        yield SetState(User, [("visits", "add", 5), ("money", "subtract", 3.5)])
        yield SetState(User, [("visits", "multiply", 4), ("money", "min", 2.0)])
        yield SetState(User, [("visits", "max", 100)])
        yield NewEvent(ctx, Note)

    user = sim.collect(engine=engine).entities[User].row(0, named=True)
    assert (user["visits"], user["money"], user["mood"]) == (100, 2.0, "glad")


@every_engine
def test_s3_changes_take_effect_at_the_flows_clock(engine):
    """The history holds a version that begins at the clock, not at the step."""
    sim = simulation(duration="1s", n_flows=1, initial_entities={User: 1})

    @sim.flow(filter=Select(User))
    def wait(ctx):
        yield AddDecay(ctx, rate=0.0, seconds=7.25)
        yield NewEvent(ctx, Note, mutate=SetState(User, [("visits", "add", 1)]))

    dataset = sim.collect(engine=engine, history=True)
    assert dataset.history[User]["valid_from"].max() == dataset["Note"]["at"][0]


@every_engine
def test_s4_a_change_of_what_is_not_held_warns_and_does_nothing(engine):
    sim = simulation(initial_entities={User: 4, Room: 2})

    @sim.flow(filter=Select(User))
    def odd(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(Room, [("uses", "add", 1)]))

    with pytest.warns(DeepFakerWarning, match=r"Room[\s\S]*Select|Select[\s\S]*Room") as said:
        dataset = sim.collect(engine=engine)
    assert "test_contract_flows.py" in str(said[0].message)
    assert set(dataset.entities[Room]["uses"]) == {0}


@every_engine
def test_s5_no_match_gives_none_and_needing_it_ends_the_flow(engine, tmp_path):
    sim = simulation(initial_entities={User: 4})

    @sim.flow(filter=Select(User))
    def polite(ctx):
        yield Select(ctx, Room)
        if not ctx.get_entity(Room):
            return
        yield NewEvent(ctx, Entered)

    @sim.flow(filter=Select(User))
    def needy(ctx):
        yield NewEvent(ctx, Visited)
        yield Select(ctx, Room)
        yield NewEvent(ctx, Entered)
        yield NewEvent(ctx, Note)

    report = sim.run(tmp_path / "out", engine=engine)
    assert report.flows["no_entity"] > 0
    assert report.flows["completed"] > 0
    assert report.events.get("Entered", 0) == report.events.get("Note", 0) == 0
    assert "no entity" in str(report)


# ---------------------------------------------------------------- flows


@every_engine
def test_f1_a_weight_of_zero_never_starts_and_scarce_flows_yield_to_others(engine):
    sim = simulation(n_flows=20, initial_entities={User: 1})

    @sim.flow(initiation_weight=0.0)
    def never(ctx):
        yield NewEvent(ctx, Note, text="never")

    @sim.flow(initiation_weight=1000.0, filter=Select(User))
    def scarce(ctx):
        yield NewEvent(ctx, Visited)

    @sim.flow()
    def common(ctx):
        yield NewEvent(ctx, Note, text="common")

    dataset = sim.collect(engine=engine)
    assert set(dataset["Note"]["text"]) == {"common"}
    assert dataset["Visited"].height == 10  # one user, one start a step
    assert dataset["Note"].height == 190


def _price(n: int) -> float:
    return round(math.sqrt(n) * 2.5, 2)


@every_engine
def test_f2_a_flow_is_ordinary_python(engine):
    sim = simulation(duration="3s")

    @sim.flow(filter=Select(User))
    def plain(ctx):
        user = ctx.get_entity(User)
        total = 0
        for n in range(5):
            if n == 1:
                continue
            elif n == 4:
                break
            total += n
        else:
            total = -1
        while total < 10 and total != 7:
            total += 1
        word = "old" if user.age > 50 else "young"
        yield NewEvent(ctx, Note, text=f"{word.upper()[:3]}-{total:03d}", number=_price(total))

    notes = sim.collect(engine=engine)["Note"]
    assert set(notes["text"]) <= {"OLD-007", "YOU-007"}
    assert set(notes["number"]) == {6.61}


@every_engine
def test_f3_draws_follow_the_seed_and_leave_the_process_alone(engine):
    def texts(seed: int) -> list[str]:
        sim = simulation(random_seed=seed)

        @sim.flow()
        def draw(ctx):
            yield NewEvent(ctx, Note, number=random.random(), text=random.choice(["a", "b", "c"]))

        frame = sim.collect(engine=engine)["Note"]
        return [f"{n} {t}" for n, t in zip(frame["number"], frame["text"])]

    random.seed(5)
    expected = random.random()
    random.seed(5)
    one = texts(1)
    assert random.random() == expected
    random.seed(99)
    assert texts(1) == one
    assert not set(texts(2)) & set(one)


WAITS = {
    "number": (2.5, lambda s: s == 2.5),
    "exponential": (Exponential(3), lambda s: s >= 0),
    "uniform": (Uniform(2, 4), lambda s: 2 <= s <= 4),
    "normal": (Normal(0, 5), lambda s: s >= 0),
    "log": (LogNormal(0.5, 0.3), lambda s: s > 0),
    "choice": (Choice([1, 8]), lambda s: s in (1, 8)),
}


@every_engine
@pytest.mark.parametrize("name", WAITS)
def test_f4_waits_lie_where_they_must(name, engine):
    wait, right = WAITS[name]
    sim = visits(simulation(n_flows=5, initial_entities={User: 60}), seconds=wait)
    sessions = sim.collect(engine=engine).sessions
    spans = [(b - a) / timedelta(seconds=1) for a, b in zip(sessions["started"], sessions["ended"])]
    assert len(spans) >= 10
    assert all(map(right, spans))


@every_engine
@pytest.mark.parametrize(("rate", "outcome"), [(1.0, "decayed"), (0.0, "completed")])
def test_f4_the_clock_moves_before_the_flow_may_end(rate, outcome, engine):
    sessions = visits(simulation(), rate=rate, seconds=3).collect(engine=engine).sessions
    assert set(sessions["outcome"]) == {outcome}
    assert set(sessions["ended"] - sessions["started"]) == {timedelta(seconds=3)}


class Filled(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    room_id: str = "nowhere"
    count: int = 3


@every_engine
def test_f5_keyword_then_key_then_generator_then_default(engine):
    sim = simulation(initial_entities={User: 8, Room: 2})

    @sim.flow(filter=Select(User))
    def fill(ctx):
        yield NewEvent(ctx, Filled)
        yield Select(ctx, Room)
        if not ctx.get_entity(Room):
            return
        yield NewEvent(ctx, Filled, user_id="given", count=9)

    dataset = sim.collect(engine=engine)
    first = dataset["Filled"].filter(dataset["Filled"]["count"] == 3)
    second = dataset["Filled"].filter(dataset["Filled"]["count"] == 9)
    assert set(first["user_id"]) <= set(dataset.entities[User]["user_id"])
    assert set(first["room_id"]) == {"nowhere"}
    assert set(second["user_id"]) == {"given"}
    assert set(second["room_id"]) <= set(dataset.entities[Room]["room_id"])


@every_engine
def test_f6_unknown_keywords_raise_before_the_run(engine):
    sim = simulation()

    @sim.flow()
    def wrong(ctx):
        yield NewEvent(ctx, Note, nmber=2)

    with pytest.raises(DeclarationError, match=r"nmber[\s\S]*number"):
        sim.collect(engine=engine)


@every_engine
def test_f7_f8_mutate_reads_the_event_and_fields_read_the_state_before(engine):
    sim = simulation(n_flows=1)

    @sim.flow(filter=Select(User))
    def grow(ctx):
        before = ctx.current_event_data.get("number", -5.0)
        yield NewEvent(
            ctx,
            Note,
            number=ctx.get_entity(User).visits + 1,
            text=str(before),
            mutate=SetState(
                User, [("visits", "is", 40), ("money", "add", ctx.current_event_data.get("number", 0))]
            ),
        )
        yield NewEvent(ctx, Note, number=ctx.current_event_data["number"] + 100)

    dataset = sim.collect(engine=engine)
    pairs = [tuple(rows["number"]) for _, rows in dataset["Note"].group_by("sys__sid")]
    assert set(pairs) <= {(1.0, 101.0), (41.0, 141.0)}
    assert (1.0, 101.0) in pairs
    assert "-5.0" in set(dataset["Note"]["text"])
    assert set(dataset.entities[User]["money"]) <= {0.0, 1.0, *(1.0 + 41 * n for n in range(1, 11))}


@every_engine
def test_f9_the_context_tells_what_it_holds(engine):
    sim = simulation()

    @sim.flow(filter=Select(User), flow_name="teller")
    def tell(ctx):
        user = ctx.get_entity(User)
        same = user.user_id == ctx.get_selected_entity_id(User) and user.get_primary_key() == user.user_id
        yield NewEvent(ctx, Note, text=f"{ctx.flow_name} {ctx.session_id} {same}")

    for note in sim.collect(engine=engine)["Note"].iter_rows(named=True):
        assert note["text"] == f"teller {note['sys__sid']} True"


@every_engine
def test_f9_the_global_context_picks_and_holds(engine):
    sim = simulation(initial_entities={User: 8, Room: 3})

    @sim.flow(filter=Select(User))
    def pick(ctx):
        room = ctx.global_context.select_entities(Select(Room, where=[("size", "is", 1)]))[0]
        ctx.add_entity(Room, room)
        yield NewEvent(ctx, Entered, mutate=SetState(Room, [("uses", "add", 1)]))

    dataset = sim.collect(engine=engine)
    assert dataset["Entered"].height == 20 == dataset.entities[Room]["uses"].sum()
    assert dataset.sessions["Room"].list.len().to_list() == [1] * 20


@every_engine
def test_f10_names_filters_and_mutate_in_all_their_forms(engine):
    sim = simulation(initial_entities={User: 8, Room: 4})

    def part(ctx):
        yield NewEvent(ctx, Note, text="part")

    @sim.flow(2.0, [Select(User), Select(Room)], "both")
    def function(ctx):
        yield NewEvent(
            ctx,
            Entered,
            mutate=[SetState(User, [("visits", "add", 1)]), SetState(Room, [("uses", "add", 1)])],
        )
        yield from part(ctx)

    assert callable(function)
    dataset = sim.collect(engine=engine)
    assert set(dataset.sessions["flow"]) == {"both"}
    assert dataset["Entered"].height == dataset["Note"].height == dataset.entities[Room]["uses"].sum()
    with pytest.raises(DeclarationError, match="two flows of one name"):

        @sim.flow(flow_name="both")
        def other(ctx):
            yield NewEvent(ctx, Joined, save_entity=User)
