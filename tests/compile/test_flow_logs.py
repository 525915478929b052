"""F2: calls of loggers in flows compile; what they say is said where somebody listens, and changes no data."""

from __future__ import annotations

import logging
import random

import pytest

from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, SetState, Simulation, StateField
from deep_faker.logging import get_logger
from deep_faker.run.checkpoints.fingerprint import fingerprint
from tests.support.engine_agreement import compiled, differences, tables
from tests.support.engines import ENGINES, engines_for

LOG = logging.getLogger("shop")


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Bought(BaseEvent):
    user_id: str
    amount: float


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    bought: int = StateField(default=0)


def helper(user):
    LOG.debug("helped %s", user.user_id)
    return user.bought + 1


def simulation(flow, **settings) -> Simulation:
    given = {"duration": "10s", "start_time": "2024-01-01", "random_seed": 2, "initial_entities": {User: 6}}
    sim = Simulation(**(given | settings))
    sim.flow(filter=Select(User))(flow)
    return sim


def buys(ctx):
    user = ctx.get_entity(User)
    logger = get_logger(__name__)
    logger.info(f"flow of {user.get_primary_key()}, {random.random():.2f}")  # noqa: G004 - as many write it
    amount = random.random() * helper(user)
    if amount > 0.5 and LOG.isEnabledFor(logging.CRITICAL):
        LOG.warning("much: %.3f in %s", amount, ctx.session_id, extra={"amount": 1})
    logging.getLogger("shop.deep").log(logging.INFO, "bought %d", user.bought)
    yield NewEvent(ctx, Bought, amount=amount, mutate=SetState(User, [("bought", "add", 1)]))
    yield AddDecay(ctx, rate=0.1, seconds=1)


def quiet(ctx):
    """The same without the calls, but for what their arguments draw."""
    user = ctx.get_entity(User)
    random.random()
    amount = random.random() * (user.bought + 1)
    yield NewEvent(ctx, Bought, amount=amount, mutate=SetState(User, [("bought", "add", 1)]))
    yield AddDecay(ctx, rate=0.1, seconds=1)


@pytest.fixture
def heard(caplog):
    caplog.set_level(logging.DEBUG, logger="shop")
    caplog.set_level(logging.DEBUG, logger="deep_faker")
    return caplog


def said(plan, engine: str, heard) -> list[str]:
    heard.clear()
    tables(plan, 2, engine)
    return sorted(record.getMessage() for record in heard.records)


def test_f2_a_log_call_compiles_and_costs_no_row_where_nobody_listens():
    """The flow is a table, and no line of it is done row by row."""
    sim = simulation(buys)
    assert compiled(sim).flows[0].live is None
    logging.getLogger("shop").setLevel(logging.NOTSET)
    text = sim.explain()
    assert "row by row: 1" in text.splitlines()[-1]  # the warning, which Python's root logger hears
    assert "calls warning() of a logger" in text


def test_e2_engines_say_the_same_and_make_the_same(heard):
    """Every message of every flow, once, with the same values, on each engine."""
    plan = compiled(simulation(buys))
    spoken = {engine: said(plan, engine, heard) for engine in engines_for(plan)}
    for messages in spoken.values():
        assert messages == spoken["reference"]
    starts = {message.split(" ")[0] for message in spoken["reference"]}
    assert starts == {"flow", "much:", "helped", "bought"}
    made = {engine: tables(plan, 2, engine) for engine in engines_for(plan)}
    for result in made.values():
        assert not differences(result, made["reference"])


def test_what_is_logged_changes_no_value(heard):
    """Events are the same with somebody listening, with nobody, and without the calls."""
    loud = simulation(buys).collect()
    logging.disable(logging.CRITICAL)
    try:
        silent = simulation(buys).collect()
    finally:
        logging.disable(logging.NOTSET)
    assert loud["Bought"].equals(silent["Bought"])
    assert loud["Bought"].equals(simulation(quiet, initial_entities={User: 6}).collect()["Bought"])


def test_a_record_names_the_line_of_the_flow(heard):
    """``%(filename)s:%(lineno)d`` is the user's."""
    simulation(buys, n_flows=300).collect()
    first = buys.__code__.co_firstlineno
    lines = {record.lineno - first for record in heard.records if record.getMessage().startswith("flow")}
    assert lines == {3}
    assert {record.filename for record in heard.records} == {"test_flow_logs.py"}


def test_r4_who_listens_is_no_part_of_a_run():
    """A run may be resumed with another level: its program is the same."""
    marks = []
    for level in (logging.DEBUG, logging.ERROR):
        LOG.setLevel(level)
        marks.append(fingerprint(compiled(simulation(buys)), seed=1, versions={}))
    LOG.setLevel(logging.NOTSET)
    assert marks[0] == marks[1]


def test_a_flow_without_its_entity_ends_in_the_arguments_of_a_log_call():
    """Arguments are evaluated as in Python, also where nobody listens: a missing entity ends the flow (S5)."""

    def missing(ctx):
        yield Select(ctx, User, where=[("bought", "greater_than", 5)])
        LOG.debug("%s", ctx.get_entity(User).user_id)
        yield NewEvent(ctx, Bought, user_id="x", amount=1.0)

    sim = Simulation(duration="3s", start_time="2024-01-01", random_seed=1, initial_entities={User: 2})
    sim.flow()(missing)
    for engine in ENGINES:
        assert set(sim.collect(engine=engine).sessions["outcome"]) == {"no_entity"}


def test_an_entity_as_an_argument_runs_as_the_generator_that_it_is(heard):
    """Its text is Python's; no row is lost."""

    def shows(ctx):
        LOG.info("%s", ctx.get_entity(User))
        yield NewEvent(ctx, Bought, amount=1.0)

    plan = compiled(simulation(shows))
    assert plan.flows[0].live is not None
    assert said(plan, "numpy", heard) == said(plan, "reference", heard) != []
    assert heard.records[0].getMessage().startswith("<User '")
