"""Live flows: what a flow's Python code sees and does when it runs as the generator that it is."""

from __future__ import annotations

import datetime as dt
import functools
import os
import random
import secrets
import time
import uuid
from random import choice as pick_one
from random import random as chance
from typing import Any

import numpy as np
import pytest
import shortuuid

from deep_faker import AddDecay, BaseEvent, FlowContext, GlobalContext, NewEvent, Select, SetState
from deep_faker.errors import DeclarationError, FlowError, InvalidValueError, StalledFlowError
from deep_faker.expressions import stable_hash
from deep_faker.plan import Filter
from tests.support.engine_builders import SECOND, START, Bought, Product, ProductMade, User, UserMade, Viewed
from tests.support.live_builders import ENTITY, PRODUCT, engine_of, plan_of, run, story_of


class Note(BaseEvent):
    value: Any


def noted(function: Any, seed: int = 1, **changes: Any) -> list[Any]:
    """What a flow of ``n_flows=1`` notes: the values of its Note events."""
    story = run(plan_of(function, events=[Note], **changes), seed)
    return [event.values["value"] for event in story.of("Note")]


# ---------------------------------------------------------------- random numbers and ids (F3)


def helper_draws() -> list[Any]:
    return [chance(), random.randint(1, 6), pick_one("abcdef"), random.gauss(0, 1)]


def everything_random() -> list[Any]:
    items = list(range(6))
    random.shuffle(items)
    nested = lambda: random.uniform(1, 2)
    return [
        *helper_draws(),
        nested(),
        items,
        random.sample(range(100), 3),
        random.choices("xyz", weights=[1, 2, 3], k=20),
        str(uuid.uuid4()),
        uuid.uuid1().version,
        shortuuid.uuid(),
        shortuuid.ShortUUID().random(length=7),
        random.Random().random(),
        random.Random(5).random(),
    ]


def test_f3_draws_come_from_the_seed_and_leave_the_process_alone():
    """random, uuid and shortuuid draw from the seed, in helpers, under other names, in nested functions."""

    def flow(ctx):
        yield NewEvent(ctx, Note, value=everything_random())

    random.seed(11)
    before = random.getstate()
    first, second, other = noted(flow), noted(flow), noted(flow, seed=2)
    assert random.getstate() == before
    assert first == second
    assert [a == b for a, b in zip(first[0], other[0], strict=True)] == [False] * 9 + [True] + [False] * 3 + [
        True
    ]
    assert first[0][9] == 1
    assert len(first[0][11]) == 7
    assert first[0][-1] == random.Random(5).random()


def test_f3_each_call_takes_one_draw_whichever_function_it_is():
    def short(ctx):
        random.random()
        yield NewEvent(ctx, Note, value=random.random())

    def long(ctx):
        random.sample(range(1000), 20)
        yield NewEvent(ctx, Note, value=chance())

    assert noted(short) == noted(long)


def test_f3_hash_of_text_is_the_same_in_every_process():
    def flow(ctx):
        yield NewEvent(ctx, Note, value=[hash("user"), hash(7), hash(ctx.session_id)])

    [[text, number, session]] = noted(flow)
    assert (text, number) == (stable_hash("user"), 7)
    assert session % 1 == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda: np.random.default_rng().random(),
        lambda: np.random.rand(),  # noqa: NPY002
        secrets.token_hex,
        lambda: secrets.choice("ab"),
        lambda: os.urandom(4),
        lambda: random.SystemRandom().random(),
        lambda: random.seed(1),
        lambda: time.sleep(1),
    ],
)
def test_f3_numbers_from_elsewhere_raise(use):
    def flow(ctx):
        yield NewEvent(ctx, Note, value=use())

    with pytest.raises(FlowError, match=r"test_live\.py:\d+"):
        noted(flow)


MODULE_RANDOM = random.Random(3)
TABLE = {"die": lambda: random.randint(1, 6), "plain": 3}


class Dice:
    """A user's class whose methods draw."""

    def __init__(self, sides: int) -> None:
        self.sides = sides

    def roll(self) -> int:
        return random.randint(1, self.sides)

    @classmethod
    def other(cls) -> float:
        return chance()


DICE = Dice(1000)


@functools.lru_cache
def cached(of: int) -> float:
    return chance() + of


def test_f3_other_ways_to_random_draw_from_the_flow_too():
    def flow(ctx):
        import random as again
        from random import uniform

        rolled = [MODULE_RANDOM.random(), TABLE["die"](), DICE.roll(), Dice(1000).roll(), Dice.other()]
        rolled += [cached(1), again.random(), uniform(0, 1), functools.partial(random.randint, 1)(9)]
        yield NewEvent(ctx, Note, value=[*rolled, TABLE["plain"], isinstance(DICE, Dice)])

    random.seed(1)
    MODULE_RANDOM.seed(4)
    first = noted(flow)
    random.seed(2)
    assert noted(flow) == first
    assert first[0][-2:] == [3, True]
    assert random.Random(2).random() == random.random()


# ---------------------------------------------------------------- clocks (T7)


def test_t7_every_clock_reads_the_flow():
    """datetime, date and time tell the flow's clock; dates are plain ones."""

    def flow(ctx):
        yield AddDecay(ctx, seconds=1.5)
        now = dt.datetime.now()
        clocks = [now, dt.datetime.utcnow(), dt.datetime.today(), ctx.flow_clock, ctx.current_time]
        assert len(set(clocks)) == 1
        assert type(now) == dt.datetime  # noqa: E721 - the class in a flow equals the real one
        assert isinstance(now, dt.datetime)
        assert dt.date.today() == now.date()
        assert dt.datetime.now(dt.UTC) == now.replace(tzinfo=dt.UTC)
        assert dt.datetime(2024, 1, 2).year == 2024
        assert dt.datetime.fromisoformat("2024-01-02") + dt.timedelta(1) == dt.datetime(2024, 1, 3)
        assert time.time() == time.monotonic() == now.replace(tzinfo=dt.UTC).timestamp()
        assert time.time_ns() == START * 1000 + round((time.time() - START / SECOND) * 1e6) * 1000
        assert time.strftime("%Y") == now.strftime("%Y")
        yield NewEvent(ctx, Note, value=now)

    [session] = run(plan_of(flow, events=[Note])).sessions
    [now] = noted(flow)
    assert type(now) is dt.datetime
    assert now == dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=START + session.ended)
    assert session.ended - session.started == 1_500_000


# ---------------------------------------------------------------- the event at hand (F7)


def test_f7_mutate_sees_the_event_being_emitted_and_code_elsewhere_the_last_one():
    def flow(ctx):
        assert dict(ctx.current_event_data) == {}
        assert ctx.current_event_data.get("amount", 7) == 7
        yield NewEvent(
            ctx,
            Bought,
            amount=2.5,
            mutate=SetState(User, [("spent", "add", ctx.current_event_data.get("amount"))]),
        )
        assert ctx.current_event_data["amount"] == 2.5
        yield NewEvent(
            ctx,
            Bought,
            amount=ctx.current_event_data["amount"] + 1,
            mutate=[
                SetState(User, [("spent", "add", ctx.current_event_data["amount"]), ("orders", "add", 1)])
            ],
        )
        with pytest.raises(TypeError):
            ctx.current_event_data["amount"] = 3
        yield NewEvent(ctx, Note, value=[ctx.get_entity(User).spent, sorted(ctx.current_event_data)])

    [[spent, names]] = noted((flow, [0]), users=1)
    assert spent == 2.5 + 3.5
    assert names == ["amount", "sys__eid", "sys__ets", "sys__sid", "user_id"]


def test_f7_a_generated_value_is_the_one_that_is_written():
    def flow(ctx):
        yield NewEvent(
            ctx,
            UserMade,
            save_entity=User,
            mutate=SetState(User, [("status", "is", ctx.current_event_data["platform"])]),
        )
        yield NewEvent(ctx, Note, value=[ctx.get_entity(User).status, dict(ctx.current_event_data)])

    [[platform, data]] = noted(flow)
    assert platform == data["platform"] in ("web", "mobile")
    assert len(data["user_id"]) == 8


def test_f7_the_new_key_can_be_read_in_mutate():
    def flow(ctx):
        yield NewEvent(
            ctx,
            UserMade,
            save_entity=User,
            mutate=SetState(User, [("status", "is", "key " + ctx.current_event_data["user_id"])]),
        )
        user = ctx.get_entity(User)
        yield NewEvent(ctx, Note, value=[user.status, user.user_id, user.get_primary_key()])

    [[status, key, same]] = noted(flow)
    assert status == f"key {key}"
    assert key == same


SOURCELESS = """
def flow(ctx):
    yield NewEvent(ctx, Bought, amount=2.5, mutate=SetState(User, [
        ("spent", "add",
         1 + ctx.current_event_data.get("amount", 0) * 2 - ctx.current_event_data["amount"] / 5),
    ]))
    yield NewEvent(ctx, Note, value=ctx.get_entity(User).spent)

def comparing(ctx):
    yield NewEvent(ctx, Bought, amount=2.5, mutate=SetState(User, [
        ("orders", "add", 1 if ctx.current_event_data["amount"] > 2 else 0)]))
"""


def test_f7_without_source_a_placeholder_knows_arithmetic_only():
    names: dict[str, Any] = dict(globals())
    exec(compile(SOURCELESS, "<nowhere>", "exec"), names)
    assert noted((names["flow"], [0]), users=1) == [1 + 5.0 - 0.5]
    with pytest.raises(FlowError, match="source of this function cannot be read"):
        noted((names["comparing"], [0]), users=1)


# ---------------------------------------------------------------- entities that are not there (S5)


def ends_in(flow: Any, **changes: Any) -> tuple[str, int]:
    """Outcome, and the line relative to the function's first."""
    [session] = run(plan_of(flow, events=[Note], **changes)).sessions
    return session.outcome, session.line - flow.__code__.co_firstlineno


def test_s5_reading_a_missing_entity_ends_the_flow():
    def flow(ctx):
        yield Select(ctx, User)
        user = ctx.get_entity(User)
        assert not user
        yield NewEvent(ctx, Note, value=1)
        str(user.orders)

    assert ends_in(flow) == ("no_entity", 5)


def test_s5_keys_changes_and_first_of_nothing_end_the_flow_too():
    def key(ctx):
        yield Select(ctx, User)
        yield NewEvent(ctx, Bought, amount=1.0)

    def change(ctx):
        yield Select(ctx, User)
        yield SetState(User, [("orders", "add", 1)])

    def first(ctx):
        try:
            ctx.global_context.select_entities(Select(User))[0]
        except Exception:  # noqa: BLE001
            raise AssertionError from None
        yield AddDecay(ctx)

    def named(ctx):
        yield AddDecay(ctx)
        ctx.add_entity(User, ctx.global_context.get_random_available_entity(User))

    def identity(ctx):
        yield AddDecay(ctx)
        ctx.get_selected_entity_id(User)

    assert [ends_in(f) for f in (key, change, first, named, identity)] == [
        ("no_entity", n) for n in (2, 2, 2, 2, 2)
    ]


def test_s4_a_change_of_what_was_never_tried_is_left_alone():
    def flow(ctx):
        yield SetState(User, [("orders", "add", 1)])
        yield NewEvent(ctx, Note, value=1, mutate=SetState(User, [("orders", "add", 1)]))

    assert ends_in(flow, users=1) == ("completed", 2)


def test_s5_other_attribute_errors_are_the_users():
    def flow(ctx):
        yield AddDecay(ctx)
        None.strip()

    with pytest.raises(FlowError, match="AttributeError: 'NoneType'"):
        ends_in(flow)


def test_ended_lines_are_those_of_the_return_or_the_last_statement():
    def early(ctx):
        if ctx.flow_name == "early":
            return
        yield AddDecay(ctx)

    def falls(ctx):
        yield AddDecay(ctx)
        if ctx is None:
            str(
                1,
            )

    def decays(ctx):
        yield AddDecay(
            ctx,
            rate=1.0,
        )

    assert [ends_in(f) for f in (early, falls, decays)] == [
        ("completed", 2),
        ("completed", 5),
        ("decayed", 1),
    ]


# ---------------------------------------------------------------- mistakes


def helper_that_fails() -> float:
    return 1 / 0


def test_an_exception_names_the_users_line_and_the_flow():
    def flow(ctx):
        yield NewEvent(ctx, Note, value=helper_that_fails())

    with pytest.raises(FlowError, match="in flow 'flow'") as caught:
        noted(flow)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    span = caught.value.diagnostic.span
    assert span is not None
    assert span.line == helper_that_fails.__code__.co_firstlineno + 1
    assert "return 1 / 0" in str(caught.value)


@pytest.mark.parametrize("thing", [3, None, NewEvent, "text", [1]])
def test_f2_yielding_anything_else_raises_with_its_line(thing):
    def flow(ctx):
        yield AddDecay(ctx)
        yield thing

    with pytest.raises(FlowError, match=f"test_live.py:{flow.__code__.co_firstlineno + 2}"):
        noted(flow)


def test_t6_a_flow_that_acts_without_time_passing_is_stopped():
    def flow(ctx):
        while True:
            yield AddDecay(ctx, seconds=0)

    with pytest.raises(StalledFlowError, match=f"test_live.py:{flow.__code__.co_firstlineno + 2}"):
        noted(flow)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ([("orders", "is", "3")], InvalidValueError),
        ([("orders", "add", 1.5)], InvalidValueError),
        ([("orders", "add", 2**63 - 1), ("orders", "add", 2)], FlowError),
        ([("ordrs", "add", 1)], FlowError),
    ],
)
def test_n11_values_of_state_are_checked_as_they_arrive(changes, error):
    def flow(ctx):
        yield SetState(User, changes)

    with pytest.raises(error, match="in flow 'flow'") as caught:
        noted((flow, [0]), users=1)
    assert "orders" in str(caught.value)
    assert "test_live.py" in str(caught.value)


@pytest.mark.parametrize("wrong", [{"rate": 1.5}, {"seconds": -1}, {"rate": float("nan")}, {"secnds": 1}])
def test_f4_rates_and_times_are_checked_as_they_arrive(wrong):
    def flow(ctx):
        yield AddDecay(ctx, **wrong)

    with pytest.raises(FlowError, match="in flow 'flow'"):
        noted(flow)


# ---------------------------------------------------------------- sub-flows, picks in ordinary code


def sub_flow(ctx, count):
    for _ in range(count):
        yield NewEvent(ctx, Note, value=chance())
    return "done"


def test_f2_yield_from_another_flow():
    def flow(ctx):
        result = yield from sub_flow(ctx, 2)
        yield NewEvent(ctx, Note, value=[result, chance()])

    first, second, (result, third) = noted(flow)
    assert result == "done"
    assert len({first, second, third}) == 3
    story = run(plan_of(flow, events=[Note]))
    assert [event.action for event in story.events] == [1, 2, 3]


def picks_by_yield(ctx):
    yield Select(ctx, User)
    yield AddDecay(ctx, seconds=0)
    yield Select(ctx, Product)
    yield AddDecay(ctx, seconds=3)
    yield NewEvent(ctx, Note, value=1)


def picks_in_code(ctx):
    user = ctx.global_context.select_entities(Select(User))[0]
    ctx.add_entity(User, user)
    assert ctx.get_entity(User) == user
    product = ctx.global_context.get_random_available_entity(Product)
    yield AddDecay(ctx, seconds=3)
    ctx.add_entity(Product, product)
    yield NewEvent(ctx, Note, value=1)


def test_f9_picks_in_ordinary_code_compete_like_yielded_ones():
    """The same entities go to the same flows, whichever way they are asked for."""
    sizes: dict[str, Any] = {"users": 60, "products": 70, "n_flows": 50}
    one, two = (
        run(plan_of(picks_by_yield, events=[Note], **sizes)),
        run(plan_of(picks_in_code, events=[Note], **sizes)),
    )
    assert [s.held for s in one.sessions] == [s.held for s in two.sessions]
    users = [s.held["User"] for s in one.sessions]
    assert len({number for numbers in users for number in numbers}) == 50


def test_f9_a_pick_in_a_helper_in_a_nested_function_and_in_a_loop():
    def flow(ctx):
        def chosen(kind):
            return ctx.global_context.get_random_available_entity(kind)

        names = [chosen(kind).get_primary_key() for kind in (User, Product)]
        yield NewEvent(
            ctx, Note, value=[*names, ctx.get_selected_entity_id(User), ctx.get_selected_entity_id(Product)]
        )

    [[user, product, *same]] = noted(flow, users=3, products=3)
    assert same == [user, product]


def test_f9_lists_show_the_steps_start_in_entity_order_and_hold_nothing():
    def flow(ctx):
        everyone = ctx.global_context.select_entities(Select(User, where=[("orders", "<", 5)]))
        numbers = [len(everyone), len(ctx.global_context.get_available_entities(Product)), bool(everyone)]
        keys = [user.user_id for user in everyone]
        assert random.choice(everyone) in everyone
        assert everyone[1:] == list(everyone)[1:]
        assert everyone[-1].user_id == keys[-1]
        yield NewEvent(ctx, Note, value=[*numbers, keys, len(ctx.selected_entities)])
        first = everyone[0]
        assert first is everyone[0]
        yield NewEvent(
            ctx, Note, value=[len(everyone), len(ctx.global_context.get_entities(User)), first.user_id]
        )

    story = run(plan_of(flow, users=4, products=2, events=[Note]))
    (users, products, some, keys, held), (still, all_, first) = (e.values["value"] for e in story.of("Note"))
    assert (users, products, some, held, still, all_) == (4, 2, True, 0, 4, 4)
    assert keys == list(story.engine.fields.keys("User", np.arange(4)))
    assert first in keys


def test_f9_the_context_answers_by_all_its_names():
    def flow(ctx):
        yield Select(ctx, Product, shared=True)
        user = ctx.get_entity(User)
        assert ctx.get_selected_entity(User) == ctx.get_entity() == ctx.get_primary_selected_entity() == user
        assert ctx.get_selected_entity_id() == user.user_id == user.get_primary_key()
        assert list(ctx.selected_entities) == [User, Product]
        assert ctx.get_entity("Product").sold == 0
        with pytest.raises(AttributeError, match="did you mean 'orders'"):
            user.order
        with pytest.raises(AttributeError, match="SetState"):
            user.orders = 3
        with pytest.raises(ValueError, match="does not hold"):
            ctx.add_entity(User, ctx.global_context.get_entities(User)[1 - user._number])
        with pytest.raises(TypeError):
            ctx.add_entity(Product, user)
        yield NewEvent(ctx, Note, value=[ctx.session_id, ctx.flow_name, repr(ctx)[:12]])

    [[session, name, shown]] = noted(
        (flow, [0]), users=2, products=1, filters=(ENTITY, PRODUCT, Filter(2, "Product", (), shared=True))
    )
    assert len(session) == 8
    assert (name, shown) == ("flow", "<FlowContext")


def test_f9_contexts_are_made_by_the_run_only():
    for cls in (FlowContext, GlobalContext):
        with pytest.raises(DeclarationError, match="made by the run"):
            cls()


# ---------------------------------------------------------------- isolation (R6)

COUNTER = 0


def test_r6_what_a_flow_assigns_stays_in_its_run():
    def flow(ctx):
        global COUNTER  # noqa: PLW0603 - what this test is about
        COUNTER += 1
        yield NewEvent(ctx, Note, value=COUNTER)

    for _ in range(2):
        assert noted(flow, n_flows=3) == [1, 2, 3]
    assert COUNTER == 0


def test_r6_two_runs_at_once_do_not_disturb_each_other():
    def flow(ctx):
        for _ in range(5):
            yield AddDecay(ctx, seconds=1)
            yield NewEvent(ctx, Note, value=[chance(), dt.datetime.now()])

    plan = plan_of(flow, events=[Note], n_flows=3)
    alone = [run(plan, seed).events for seed in (1, 2)]
    engines = [engine_of(plan, seed) for seed in (1, 2)]
    traces: list[list[Any]] = [[], []]
    random.seed(3)
    state = random.getstate()
    for step in range(12):
        for engine, made in zip(engines, traces, strict=True):
            made.extend(engine.run(stop_before_step=step))
    assert [story_of(plan, e, made).events for e, made in zip(engines, traces, strict=True)] == alone
    assert random.getstate() == state


def test_recursion_and_closures_survive():
    def depth(n):
        return 0 if n == 0 else 1 + depth(n - 1) + int(chance() * 0)

    factor = 3

    def flow(ctx):
        nonlocal factor
        factor += 1
        yield NewEvent(ctx, Note, value=[depth(4), factor])

    assert noted(flow) == [[4, 4]]
    assert factor == 4


def test_a_birth_and_what_it_fills():
    def flow(ctx):
        yield NewEvent(ctx, UserMade, save_entity=User)
        yield NewEvent(ctx, ProductMade, save_entity=Product)
        yield NewEvent(ctx, Viewed, source="here")

    [_, _, viewed] = run(plan_of(flow)).events
    assert viewed.keys == {"user_id": 0, "product_id": 0}
    assert viewed.values == {"source": "here"}
