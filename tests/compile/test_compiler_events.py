"""What flows meet on their way: missing entities, changes of nothing, validators, helpers, live parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from deep_faker.errors import DeepFakerWarning, RunError
from tests.support.engines import ENGINES
from tests.support.worlds.flow_world import agreed, outcomes, reasons, story, user_flow, world


def test_s5_a_missing_entity_ends_the_flow(tmp_path: Path) -> None:
    """Reading what a selection did not find, and ``[0]`` of none, end the flow at that line."""
    read = """
        yield Select(ctx, Product, where=[("price", ">", 1e6)])
        product = ctx.get_entity(Product)
        yield NewEvent(ctx, Note, value="here")
        yield NewEvent(ctx, Note, value=product.price)
    """
    first = """
        yield NewEvent(ctx, Note, value="here")
        ctx.global_context.select_entities(Select(Product, where=[("price", ">", 1e6)]))[0]
        yield NewEvent(ctx, Note, value="not here")
    """
    for needs in (read, first):
        plan, told = agreed(world(user_flow(needs), tmp_path))
        assert reasons(plan.flows[0]) == []
        assert outcomes(told) == {"no_entity"}
        assert set(told.notes()) == {'"here"'}


def test_s4_a_change_of_nothing_has_no_effect_and_warns(tmp_path: Path) -> None:
    """Where the flow can hold no such entity, on any path, the compiler says so."""
    body = 'yield NewEvent(ctx, Note, mutate=SetState(Product, [("sold", "add", 1)]))\n'
    with pytest.warns(DeepFakerWarning, match="this flow holds no Product here"):
        _, told = agreed(world(user_flow(body), tmp_path))
    assert set(told.entities["Product.sold"]) == {0}


def test_f4_parameters_of_distributions_are_checked_as_they_come(tmp_path: Path) -> None:
    """A negative mean that a flow computes stops the run at the line of the wait, in every engine."""
    sim = world(user_flow("yield AddDecay(ctx, rate=0, seconds=Exponential(30 - user.age))\n"), tmp_path)
    plan = sim.compile()
    assert reasons(plan.flows[0]) == []
    for engine in ENGINES:
        with pytest.raises(RunError, match=r"mean=-\d+"):
            story(plan, engine)


def test_v1_fields_with_validators_go_row_by_row(tmp_path: Path) -> None:
    """A validator of the user's is called for each value, where state or the flow looks at it."""
    before = """
class Checked(BaseEvent):
    n: int = Field(ge=0)
    word: str = Field(faker="first_name")
    @field_validator("word")
    @classmethod
    def _strip(cls, value):
        return value.strip().upper()
class Literally(BaseEvent):
    word: Literal["a", "b"]
    level: float
"""
    body = """
        yield NewEvent(ctx, Checked, n=user.age, word=f"  {user.name} ")
        yield NewEvent(ctx, Note, value=ctx.current_event_data["word"])
        yield NewEvent(ctx, Literally, word=random.choice(["a", "b"]), level=user.age % 3)
    """
    plan, told = agreed(world(before + user_flow(body), tmp_path))
    assert reasons(plan.flows[0]) == ["word has validator _strip"]
    assert all(note == note.upper() for note in told.notes())
    assert {type(row[-1]) for row in told.events["Literally"]} == {float}


def test_v1_all_kinds_of_fields_take_what_flows_compute(tmp_path: Path) -> None:
    """Numbers, text, instants, optionals, lists and dicts arrive as they are in Python."""
    before = """
class Kinds(BaseEvent):
    n: int
    x: float
    s: str
    b: bool
    d: date
    t: datetime
    o: int | None
    l: list
    m: dict
"""
    body = """
        old = user.age > 40
        yield NewEvent(
            ctx, Kinds, n=user.age, x=user.age, s=user.name, b=old, d=datetime.now().date(), t=datetime.now(),
            o=None if old else user.age, l=[1, user.name], m={"a": user.age},
        )
    """
    plan, told = agreed(world(before + user_flow(body), tmp_path))
    assert set(reasons(plan.flows[0])) == {"makes a collection", "makes a dict"}
    assert len(told.events["Kinds"]) == len(told.sessions)


def test_f9_entities_go_to_helpers(tmp_path: Path) -> None:
    """A helper may read what it is given, and find entities by the context."""
    before = """
def cost(product, user):
    return product.price * (0.9 if user.age > 40 else 1.0)
def found(ctx):
    return ctx.get_entity(User).name
"""
    body = """
        yield Select(ctx, Product)
        product = ctx.get_entity(Product)
        if not product:
            return
        yield NewEvent(ctx, Note, value=cost(product, user))
        yield NewEvent(ctx, Note, value=found(ctx))
    """
    plan, told = agreed(world(before + user_flow(body), tmp_path))
    assert reasons(plan.flows[0]) == []
    assert told.notes()


def test_f2_one_loop_of_actions_and_classes(tmp_path: Path) -> None:
    """Loops over event classes and actions are unrolled: each turn is compiled for its own class."""
    before = """
class A(BaseEvent):
    n: int
class B(BaseEvent):
    n: int
"""
    body = """
        for kind, n in [(A, 1), (B, user.age)]:
            yield NewEvent(ctx, kind, n=n)
            yield AddDecay(ctx, rate=0.1, seconds=1)
        for action in [AddDecay(ctx, rate=0.1, seconds=1), NewEvent(ctx, Note, value=2)]:
            yield action
        yield NewEvent(ctx, Note, value=1) if user.age > 40 else AddDecay(ctx, rate=0.5, seconds=1)
        yield from [NewEvent(ctx, Note, value=3), NewEvent(ctx, Note, value=4)]
    """
    plan, told = agreed(world(before + user_flow(body), tmp_path))
    assert reasons(plan.flows[0]) == []
    assert told.events["A"]
    assert told.events["B"]


def test_f8_events_hold_the_lists_of_their_moment(tmp_path: Path) -> None:
    """A list that a live flow goes on changing does not change what was emitted."""
    body = """
        items = [1]
        yield NewEvent(ctx, Note, value=items)
        items.insert(1, 2)
        yield NewEvent(ctx, Note, value=items)
    """
    plan, told = agreed(world(user_flow(body), tmp_path))
    assert plan.flows[0].live is not None
    assert set(told.notes()) == {"[1]", "[1, 2]"}
