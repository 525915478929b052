"""Flows that compile wholly: selections, births, changes, waits, event data, sub-flows, on all engines."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from flow_world import agreed, outcomes, reasons, story, world

from deep_faker.errors import DeepFakerWarning, RunError

FLOW = "@sim.flow(filter=Select(User))\ndef flow(ctx):\n    user = ctx.get_entity(User)\n"

# Each is the rest of `FLOW`; what comes before it is after a line of dashes.
FLOWS = {
    "yield_from": """
        yield from sub(ctx)
        yield from sub(ctx, 2, word="x")
        n = yield from counted(ctx, 3)
        yield NewEvent(ctx, Note, value=n)
        ----
        def sub(ctx, n=1, *, word="w"):
            for i in range(n):
                yield NewEvent(ctx, Note, value=f"{word}{i}")
                yield AddDecay(ctx, rate=0.1, seconds=1)
        def counted(ctx, n):
            total = 0
            for i in range(n):
                yield AddDecay(ctx, rate=0.05, seconds=i)
                if random.random() < 0.3:
                    return -1
                total += i
            return total
    """,
    "yield_from_early": """
        yield from sub(ctx)
        yield NewEvent(ctx, Note, value="after")
        ----
        def sub(ctx):
            user = ctx.get_entity(User)
            if user.age > 40:
                return
            yield NewEvent(ctx, Note, value="in")
    """,
    "several_selects": """
        yield Select(ctx, Product, where=[("price", ">", 10.0)])
        product = ctx.get_entity(Product)
        if not product:
            yield NewEvent(ctx, Note, value="none")
            return
        yield NewEvent(ctx, Bought, mutate=SetState(Product, [("sold", "add", 1)]))
        yield AddDecay(ctx, rate=0.2, seconds=2)
        yield Select(ctx, Product, where=[("price", "<", 80.0), ("sold", ">", 0)])
        other = ctx.get_entity(Product)
        if other is not None:
            yield NewEvent(ctx, Bought, amount=product.price if product.price > other.price else other.price)
    """,
    "dynamic_select": """
        yield Select(ctx, Product, where=[("price", "<", user.age * 1.5)])
        if ctx.get_entity(Product):
            yield NewEvent(ctx, Bought)
        yield Select(ctx, Product, where=[("product_id", "is", "P-00000")])
        if ctx.get_entity(Product) is None:
            yield NewEvent(ctx, Note, value="none")
        yield Select(Product, shared=True, weight="price")
        yield NewEvent(ctx, Note, value=ctx.get_selected_entity_id(Product))
        yield Select(ctx, Product, where=[("price", "between", (5, user.age)), ("sold", "in", [0, 1, 2])])
        if ctx.get_entity(Product): yield NewEvent(ctx, Bought)
    """,
    "select_in_loop": """
        for floor in (10.0, 30.0, 60.0):
            yield Select(ctx, Product, where=[("price", ">", floor)])
            product = ctx.get_entity(Product)
            if not product:
                break
            yield NewEvent(ctx, Bought, amount=product.price)
            yield AddDecay(ctx, rate=0.1, seconds=3)
    """,
    "save_mid": """
        yield NewEvent(ctx, Note, value="before")
        yield NewEvent(ctx, ProductMade, price=float(user.age), save_entity=Product, mutate=SetState(User, [("visits", "add", 1)]))
        made = ctx.get_entity(Product)
        yield NewEvent(ctx, Bought, amount=made.price)
        yield NewEvent(ctx, Note, value=made.product_id == made.get_primary_key())
        yield AddDecay(ctx, rate=0, seconds=2)
        yield SetState(Product, [("sold", "add", 5)])
    """,
    "add_entity": """
        found = ctx.global_context.select_entities(Select(Product, where=[("price", ">", 20.0)]))[0]
        ctx.add_entity(Product, found)
        yield NewEvent(ctx, Bought, amount=found.price, mutate=SetState(Product, [("sold", "add", 1)]))
        p = ctx.global_context.get_random_available_entity(Product)
        if p:
            ctx.add_entity(Product, p)
            yield NewEvent(ctx, Bought)
    """,
    "get_entity_untyped": """
        u = ctx.get_entity()
        yield NewEvent(ctx, Note, value=u.user_id)
        yield NewEvent(ctx, Note, value=ctx.get_primary_selected_entity().get_primary_key())
        yield NewEvent(ctx, Note, value=ctx.get_selected_entity(User).name)
        yield NewEvent(ctx, Note, value=ctx.get_entity("User").name)
        yield NewEvent(ctx, Note, value=ctx.get_entity(Product) is None)
    """,
    "event_data_mutate": """
        yield Select(ctx, Product)
        if not ctx.get_entity(Product): return
        yield NewEvent(ctx, Bought, mutate=SetState(User, [("spent", "add", ctx.current_event_data.get("amount", 0)), ("tier", "is", ctx.current_event_data["method"])]))
        yield NewEvent(ctx, Note, value=user.spent)
        yield NewEvent(ctx, Bought, mutate=[SetState(User, [("spent", "add", ctx.current_event_data["amount"] * 2 if ctx.current_event_data["method"] == "card" else 0.0)]), SetState(Product, [("sold", "add", 1)])])
        yield NewEvent(ctx, Note, value=user.spent)
    """,
    "event_data_after": """
        yield NewEvent(ctx, Note, value=ctx.current_event_data.get("amount", -1))
        yield Select(ctx, Product)
        if not ctx.get_entity(Product): return
        yield NewEvent(ctx, Bought)
        amount = ctx.current_event_data["amount"]
        if amount > 50:
            yield NewEvent(ctx, Note, value="dear")
        yield NewEvent(ctx, Bought, amount=amount + 1)
        yield NewEvent(ctx, Note, value=ctx.current_event_data.get("method"))
        yield NewEvent(ctx, Note, value="value" in ctx.current_event_data)
        yield NewEvent(ctx, Note, value=ctx.current_event_data.get("nothing", "default"))
        if ctx.current_event_data:
            yield SetState(User, [("tier", "is", "seen")])
    """,
    "now_filter": """
        yield Select(ctx, Product, where=[("sold", ">=", 0)])
        yield NewEvent(ctx, Note, value=1)
        yield SetState(User, [("seen", "is", datetime.now())])
        yield AddDecay(ctx, rate=0, seconds=3)
        ----
        @sim.flow(filter=Select(User, where=[("seen", "<", Now() - timedelta(seconds=4))]))
        def back(ctx):
            yield NewEvent(ctx, Note, value="back")
    """,
    "waits": """
        yield AddDecay(ctx, rate=0.1, seconds=Exponential(3))
        yield AddDecay(ctx, 0.1, seconds=LogNormal(0.5, 0.3), minutes=Uniform(0, 0.01))
        yield AddDecay(ctx, rate=user.age / 1000, seconds=user.age / 10)
        yield AddDecay(ctx, seconds=Normal(user.age / 20, sd=0.5), milliseconds=random.randint(1, 5))
        yield AddDecay(ctx, rate=0.0, seconds=Choice([1, user.age / 10, 2.5], weights=[1, 2, 1]))
        yield AddDecay(ctx, rate=0.0, seconds=Uniform(1, high=1 + user.age / 30))
        yield AddDecay(ctx, rate=0.0, seconds=Exponential(mean=3 if user.age > 30 else 1))
        yield AddDecay(ctx, rate=0.0, seconds=Exponential(3) if user.age > 30 else Uniform(1, 2))
        yield AddDecay(ctx, rate=0.0, seconds=PACE[user.country])
        yield AddDecay(ctx, rate=0.0, seconds=random.choice([Exponential(1), 2]))
        wait = Exponential(user.age)
        yield AddDecay(ctx, rate=0.0, milliseconds=wait)
        yield AddDecay(ctx, **{"seconds": 1})
        yield AddDecay(ctx, rate=0.0, hours=0.0001, seconds=1.5, weeks=0)
        yield NewEvent(ctx, Note, value=ctx.flow_clock)
        ----
        PACE = {"de": Exponential(2), "fr": Exponential(1), "it": 0.5}
    """,
    "entity_tests": """
        me = user
        yield Select(ctx, Product)
        p = ctx.get_entity(Product)
        if p and p.price > 30:
            yield NewEvent(ctx, Bought)
        elif not p:
            yield NewEvent(ctx, Note, value="none")
        if user is me and p is not None:
            yield NewEvent(ctx, Note, value=p.price if p else 0)
        x = p.price if p else None
        yield NewEvent(ctx, Note, value=x)
    """,
    "shared_changes": """
        for _ in range(3):
            yield Select(ctx, Product, shared=True)
            yield NewEvent(ctx, Bought, mutate=SetState(Product, [("sold", "add", 1), ("price", "multiply", 1.01)]))
            yield NewEvent(ctx, Note, value=ctx.get_entity(Product).sold)
            yield AddDecay(ctx, rate=0.1, seconds=Exponential(0.5))
    """,
    "mutate_const": """
        yield NewEvent(ctx, Note, value=1, mutate=VISIT)
        yield VISIT
        yield NewEvent(ctx, Note, value=user.visits, mutate=[VISIT, SetState(User, CHANGES)])
        yield WAIT(ctx)
        ----
        VISIT = SetState(User, [("visits", "add", 1)])
        CHANGES = [("tier", "is", "vip")]
        WHERE = [("price", ">", 3.0)]
        def WAIT(ctx): return AddDecay(ctx, rate=0.1, seconds=1)
    """,
    "action_helper": """
        yield bought(ctx, 5.0)
        yield bought(ctx, amount=user.age)
        ----
        def bought(ctx, amount):
            return NewEvent(ctx, Note, value=amount)
    """,
    "raise_": """
        if user.age > 200:
            raise ValueError(f"too old: {user.age}")
        yield NewEvent(ctx, Note, value=1)
    """,
    "weekly": """
        while True:
            yield NewEvent(ctx, Note, value=datetime.now().isoformat())
            yield AddDecay(ctx, rate=0.2, seconds=2)
            if user.age % 2 and random.random() < 0.3:
                break
    """,
}


def _source(text: str) -> str:
    body, _, before = textwrap.dedent(text).partition("----\n")
    return before + FLOW + textwrap.indent(body, "    ")


@pytest.mark.parametrize("name", FLOWS)
def test_f2_flows_compile(name: str, tmp_path: Path) -> None:
    """No part goes row by row, and sessions, entities and events are the same in every engine."""
    plan, told = agreed(world(_source(FLOWS[name]), tmp_path))
    assert [reason for table in plan.flows for reason in reasons(table)] == []
    assert sum(map(len, told.events.values())) > 18  # more than the initial entities


@pytest.mark.parametrize("name", ["several_selects", "save_mid", "shared_changes", "event_data_mutate"])
def test_e2_history_is_the_same(name: str, tmp_path: Path) -> None:
    """With history too."""
    plan, told = agreed(world(_source(FLOWS[name]), tmp_path), history=True)
    assert plan.settings.history
    assert told.events


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
        plan, told = agreed(world(_source(needs), tmp_path))
        assert reasons(plan.flows[0]) == []
        assert outcomes(told) == {"no_entity"}
        assert set(told.notes()) == {'"here"'}


def test_s4_a_change_of_nothing_has_no_effect_and_warns(tmp_path: Path) -> None:
    """Where the flow can hold no such entity, on any path, the compiler says so."""
    body = 'yield NewEvent(ctx, Note, mutate=SetState(Product, [("sold", "add", 1)]))\n'
    with pytest.warns(DeepFakerWarning, match="this flow holds no Product here"):
        _, told = agreed(world(_source(body), tmp_path))
    assert set(told.entities["Product.sold"]) == {0}


def test_f4_parameters_of_distributions_are_checked_as_they_come(tmp_path: Path) -> None:
    """A negative mean that a flow computes stops the run at the line of the wait, in every engine."""
    sim = world(_source("yield AddDecay(ctx, rate=0, seconds=Exponential(30 - user.age))\n"), tmp_path)
    plan = sim.compile()
    assert reasons(plan.flows[0]) == []
    for engine in ("columns", "scalar", "reference"):
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
    plan, told = agreed(world(before + _source(body), tmp_path))
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
    plan, told = agreed(world(before + _source(body), tmp_path))
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
    plan, told = agreed(world(before + _source(body), tmp_path))
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
    plan, told = agreed(world(before + _source(body), tmp_path))
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
    plan, told = agreed(world(_source(body), tmp_path))
    assert plan.flows[0].live is not None
    assert set(told.notes()) == {"[1]", "[1, 2]"}
