"""Averages from the table are those of runs; rates are found from what is wanted; contradictions are refused."""

from __future__ import annotations

import random
from random import random as draw

import pytest

from deep_faker import AddDecay, BaseEvent, Daily, Entity, Field, NewEvent, Select, Simulation, StateField
from deep_faker.errors import DeclarationError, SettingsError


class Seen(BaseEvent):
    pass


class Bought(BaseEvent):
    pass


class Left(BaseEvent):
    pass


class Joined(BaseEvent):
    user_id: str = Field(faker="uuid4")


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(default=0.5)


def one_number_for_two_tests(ctx):
    yield NewEvent(ctx, Seen)
    number = draw()
    if number < 0.2:
        yield NewEvent(ctx, Bought)
    elif number < 0.5:
        yield NewEvent(ctx, Left)


def loops(ctx):
    for _ in range(3):
        yield NewEvent(ctx, Seen)
        yield AddDecay(ctx, rate=0.25, seconds=2)
    while draw() > 0.4:
        yield NewEvent(ctx, Bought)


def chooses(ctx):
    way = ctx.choose({"buy": 1, "leave": 3, "stay": 4})
    if way == "buy":
        yield NewEvent(ctx, Bought)
    elif way == "leave":
        yield NewEvent(ctx, Left)
    else:
        yield NewEvent(ctx, Seen)


def counts(ctx):
    for _ in range(random.randint(1, 4)):
        yield NewEvent(ctx, Seen)
    if random.choice(["a", "b", "c"]) == "b":
        yield NewEvent(ctx, Left)


BY_HAND = {
    one_number_for_two_tests: {"Seen": 1, "Bought": 0.2, "Left": 0.3},
    loops: {"Seen": 1 + 0.75 + 0.75**2, "Bought": 0.75**3 * 0.6 / 0.4},
    chooses: {"Seen": 0.5, "Bought": 0.125, "Left": 0.375},
    counts: {"Seen": 2.5, "Left": 1 / 3},
}


def world(*flows, rate="60/h", season=None, **settings):
    sim = Simulation("2d", start_time="2024-01-01", time_step="1m", random_seed=5, **settings)
    for flow in flows:
        sim.flow(rate=rate, season=season)(flow)
    return sim


@pytest.mark.parametrize("flow", BY_HAND, ids=lambda flow: flow.__name__)
def test_events_of_a_session_are_those_of_a_closed_form(flow):
    """Chances, draws that two tests share, counted loops, choices and decay are told by the table, exactly."""
    frame = world(flow).expectations().frame
    assert frame["each_low"].to_list() == frame["each_high"].to_list()
    each = dict(zip(frame["event"], frame["each_low"], strict=True))
    assert each == {name: pytest.approx(number) for name, number in BY_HAND[flow].items()}


def test_what_is_observed_holds():
    """Ten worlds of all flows and of a season: of none the counts are off at a false alarm of 1 in 100,000."""
    sim = world(*BY_HAND, season=Daily([1, 3] * 12))
    expected = sim.expectations()
    squares = []
    for seed in range(10):
        sim.change(random_seed=seed)
        beside = expected.beside(sim.collect(), false_alarm=1e-5)
        assert beside["holds"].all()
        squares += [z * z for z in beside["z"]]
    # of 30 standard normal numbers the mean square is 1, give or take 0.26; a wrong variance shows here
    assert 0.3 < sum(squares) / len(squares) < 2.2


def test_another_world_does_not_hold():
    """Negative control: a rate that is half as high again is found."""
    expected = world(*BY_HAND).expectations()
    assert not expected.beside(world(*BY_HAND, rate="90/h").collect())["holds"].any()
    assert not expected.beside(world(loops).run())["holds"].any()


def test_what_hangs_on_state_has_bounds():
    """A chance by state is between 0 and 1, and its line is named; who may be turned away may not come."""
    sim = Simulation("1d", start_time="2024-01-01", random_seed=1, initial_entities={User: 5})

    @sim.flow(rate="10/h", filter=Select(User))
    def moody(ctx):
        yield NewEvent(ctx, Seen)
        if draw() < ctx.get_selected_entity(User).mood:
            yield NewEvent(ctx, Bought)

    expected = sim.expectations()
    assert expected.of(Joined) == (5, 5)
    assert expected.of(Seen) == (0, 240)
    row = expected.frame.filter(event="Bought").row(0, named=True)
    assert (row["each_low"], row["each_high"]) == (0, 1)
    assert len(expected.unknown["moody"]) >= 1
    assert expected.beside(sim.collect())["holds"].all()
    with pytest.raises(DeclarationError, match=r"has 0 to 240 sessions"):
        sim.calibrate({Seen: 100})


def test_a_loop_that_state_ends_has_no_upper_bound():
    """While something unknown holds, events go on."""
    sim = world()

    @sim.flow(rate="1/h")
    def endless(ctx):
        yield NewEvent(ctx, Left)
        while ctx.current_time.microsecond != 0:
            yield NewEvent(ctx, Seen)

    expected = sim.expectations()
    assert expected.of(Seen) == (0, float("inf"))
    assert expected.of(Left) == (48, 48)


def test_rates_are_set_and_the_run_has_what_was_wanted():
    """One flow makes what is wanted: its rate goes in proportion, others stay."""
    sim = world(one_number_for_two_tests, counts)
    found = sim.calibrate({Bought: "1200/day"})
    assert [(rate.flow, rate.before, rate.after) for rate in found.rates] == [
        ("one_number_for_two_tests", "60/h", "250/h")
    ]
    assert sim.expectations().of(Bought) == pytest.approx((2400, 2400))
    assert sim.expectations().beside(sim.collect())["holds"].all()


def test_two_wants_of_two_flows():
    """Two flows make both types: two equations tell both rates."""
    sim = world(one_number_for_two_tests, counts)
    sim.calibrate({Seen: 20_000, "Left": 4_000})
    assert sim.expectations().of(Seen)[0] == pytest.approx(20_000)
    assert sim.expectations().of(Left)[0] == pytest.approx(4_000)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({Seen: 100, Bought: 50}, r"a session of one_number_for_two_tests has 1 Seen, 0.2 Bought"),
        ({Joined: 5}, r"no flow emits Joined"),
        ({Seen: "many"}, r"write how many in which time"),
        ({Seen: -1}, r"Seen: -1"),
        ({}, r"nothing is wanted"),
    ],
)
def test_contradictions_are_refused_and_nothing_changes(wanted, said):
    """The message has the arithmetic."""
    sim = world(one_number_for_two_tests)
    with pytest.raises(DeclarationError, match=said):
        sim.calibrate(wanted)
    assert sim.expectations().of(Seen)[0] == pytest.approx(2880)


def test_a_negative_rate_is_refused():
    """Two flows could give it only if one took events back."""
    with pytest.raises(DeclarationError, match="would have to be -"):
        world(one_number_for_two_tests, counts).calibrate({Seen: 10_000, Left: 10})


def test_a_flow_without_a_rate_is_refused():
    """How often places are free, no table tells."""
    sim = Simulation("1h", start_time="2024-01-01", n_flows=3)
    sim.flow()(chooses)
    assert sim.expectations().of(Seen) == (0, float("inf"))
    with pytest.raises(DeclarationError, match="has no rate of its own"):
        sim.calibrate({Seen: 100})


def test_a_conversion_names_the_chance_that_decides_it():
    """The line and the new value; where it holds, nothing is said."""
    sim = world(loops)
    sim.calibrate(conversion={(Seen, Bought): 0.75**3 * 1.5 / (1 + 0.75 + 0.75**2)})
    line = one_number_for_two_tests.__code__.co_firstlineno

    def buys(ctx):
        yield NewEvent(ctx, Seen)
        if draw() < 0.2:
            yield NewEvent(ctx, Bought)

    one = world(buys)
    said = r"has 0.2 Bought for each Seen, not 0.05(.|\n)*a chance of 0.05 "
    with pytest.raises(DeclarationError, match=said):
        one.calibrate(conversion={(Seen, Bought): 0.05})
    with pytest.raises(DeclarationError, match=r"that chance alone gives 0 to 1"):
        one.calibrate(conversion={(Seen, Bought): 2.0})
    with pytest.raises(DeclarationError, match=rf"lines that decide it: {line + 3}$"):
        world(one_number_for_two_tests).calibrate(conversion={(Bought, Left): 9.0})


def test_a_false_alarm_that_is_no_chance_is_refused():
    """Between 0 and 1."""
    with pytest.raises(SettingsError, match="false_alarm=2"):
        world(loops).expectations().beside({}, false_alarm=2)
