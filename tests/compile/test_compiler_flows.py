"""Flows that compile wholly: selections, births, changes, waits, event data, sub-flows, on all engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.worlds.flow_world import agreed, reasons, user_flow, world

# Each is the rest of `flow_world.FLOW`; what comes before it is after a line of dashes.
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
    "wait_helper": """
        yield AddDecay(ctx, rate=0.0, seconds=pause(user))
        yield AddDecay(ctx, rate=chance(user.age), seconds=Exponential(pause(user)))
        yield NewEvent(ctx, Note, value=ctx.flow_clock)
        ----
        def pause(u):
            return 1.5 if u.age > 40 else 0.5
        def chance(n):
            return min(1.0, n / 200)
    """,
    "star_select": """
        yield Select(ctx, Product, **ARGS)
        yield Select(ctx, Product, [("price", ">", 10.0)])
        yield CHEAP
        if ctx.get_entity(Product):
            yield NewEvent(ctx, Bought, mutate=CHANGE)
        ----
        ARGS = {"where": [("price", ">", 10.0)], "shared": True}
        CHEAP = Select(Product, where=[("price", "<", 60.0)])
        CHANGE = [SetState(Product, [("sold", "add", 1)])]
    """,
    "global_config": """
        for k in range(CONFIG["times"]):
            yield NewEvent(ctx, Note, value=CONFIG["names"][k % len(CONFIG["names"])])
            yield AddDecay(ctx, rate=CONFIG["rate"], **{CONFIG["unit"]: 1})
        ----
        CONFIG = {"times": 3, "names": ["a", "b"], "rate": 0.1, "unit": "seconds"}
    """,
    "yield_in_expr": """
        x = (yield NewEvent(ctx, Note, value=1))
        yield NewEvent(ctx, Note, value=x is None)
        found = yield Select(ctx, Product)
        yield NewEvent(ctx, Note, value=found.price if found else -1)
    """,
    "while_select": """
        tries = 0
        while not ctx.get_entity(Product) and tries < 3:
            yield Select(ctx, Product, where=[("price", ">", 70.0 - tries * 20)])
            tries += 1
            yield AddDecay(ctx, rate=0.0, seconds=1)
        if ctx.get_entity(Product):
            yield NewEvent(ctx, Bought)
        yield NewEvent(ctx, Note, value=tries)
    """,
    "either_held": """
        if user.age > 35:
            yield Select(ctx, Product)
        yield NewEvent(ctx, Maybe)
        if user.age > 35:
            yield NewEvent(ctx, Bought)
        ----
        class Maybe(BaseEvent):
            product_id: str = Field(faker="bothify", text="X-##")
    """,
    "helper_selects": """
        p = find(ctx, 20.0)
        yield NewEvent(ctx, Note, value=p.price)
        yield NewEvent(ctx, Bought)
        ----
        def find(ctx, floor):
            p = ctx.global_context.select_entities(Select(Product, where=[("price", ">", floor)]))[0]
            ctx.add_entity(Product, p)
            return p
    """,
    "nested_subflows": """
        for i in range(2):
            r = yield from outer(ctx, i)
            if r == "stop":
                break
            yield NewEvent(ctx, Note, value=f"{i}{r}")
        else:
            yield NewEvent(ctx, Note, value="else")
        ----
        def inner(ctx, n):
            for k in range(3):
                yield AddDecay(ctx, rate=0.02, milliseconds=300)
                if random.random() < 0.2:
                    return k
            return None
        def outer(ctx, i):
            found = yield from inner(ctx, i)
            if found is None:
                return "stop"
            yield NewEvent(ctx, Note, value=found)
            return found * 2
    """,
    "none_values": """
        x = None if user.age > 40 else user.age
        if x is None:
            x = 0
        y = x or None
        yield NewEvent(ctx, Note, value=x)
        yield NewEvent(ctx, Note, value=y)
        yield NewEvent(ctx, Note, value=(y or 1) + x)
        seen = user.seen
        if seen is not None and seen > datetime(2024, 1, 1):
            yield NewEvent(ctx, Note, value=(datetime.now() - seen).total_seconds())
        yield SetState(User, [("seen", "is", datetime.now() if user.age > 30 else None)])
        yield AddDecay(ctx, rate=0.1, seconds=1)
    """,
    "save_twice": """
        for k in range(2):
            yield NewEvent(ctx, ProductMade, save_entity=Product, price=float(k), mutate=[SetState(Product, [("sold", "add", k)]), SetState(User, [("visits", "add", 1)])])
            yield NewEvent(ctx, Bought, amount=ctx.get_entity(Product).price)
            if random.random() < 0.3:
                break
        yield Select(ctx, Product, where=[("sold", "is", 1)])
        if ctx.get_entity(Product):
            yield NewEvent(ctx, Bought)
    """,
    "explicit_key": """
        yield NewEvent(ctx, ProductMade, product_id=f"K-{user.user_id}-{user.visits}-{random.getrandbits(40)}", save_entity=Product, mutate=SetState(User, [("visits", "add", 1)]))
        yield NewEvent(ctx, Note, value=ctx.get_entity(Product).product_id[:2])
        yield Select(ctx, Product, where=[("product_id", "is", f"K-{user.user_id}")])
    """,
    "entity_or": """
        yield Select(ctx, Product, where=[("price", ">", 40.0)])
        p = ctx.get_entity(Product)
        if not p:
            yield Select(ctx, Product, shared=True)
            p = ctx.get_entity(Product)
        if not p: return
        yield NewEvent(ctx, Bought, mutate=SetState(Product, [("sold", "add", 1)]))
        yield NewEvent(ctx, Note, value=p.sold)
        best = p if p.price > 50 else None
        yield NewEvent(ctx, Note, value=best.price if best else -1)
    """,
    "floats": """
        x = user.age / 3
        yield NewEvent(ctx, Note, value=str(x * 1e308 * 0))
        yield NewEvent(ctx, Note, value=float("inf") > x)
        yield NewEvent(ctx, Note, value=0.1 + 0.2 == 0.3)
        yield NewEvent(ctx, Note, value=str(x * 1e16))
        yield NewEvent(ctx, Note, value=-0.0 * user.age)
        yield NewEvent(ctx, Note, value=round(-x) + round(2.5) + round(x * 100) / 100)
        yield NewEvent(ctx, Note, value=x // 1 + -x % 2)
        yield NewEvent(ctx, Note, value=int(-x))
    """,
    "two_flows_share": """
        yield NewEvent(ctx, Note, value=1, mutate=SetState(User, [("visits", "add", 1)]))
        yield AddDecay(ctx, rate=0, seconds=random.expovariate(1/3))
        ----
        @sim.flow(initiation_weight=2.0, filter=[Select(User, where=[("visits", ">", 0)]), Select(Product, shared=True)])
        def second(ctx):
            u, p = ctx.get_entity(User), ctx.get_entity(Product)
            yield NewEvent(ctx, Bought, amount=p.price, mutate=[SetState(User, [("visits", "subtract", 1), ("spent", "add", p.price)]), SetState(Product, [("sold", "add", 1)])])
            yield NewEvent(ctx, Note, value=ctx.get_entity().get_primary_key() == u.user_id)
    """,
}


@pytest.mark.parametrize("name", FLOWS)
def test_f2_flows_compile(name: str, tmp_path: Path) -> None:
    """No part goes row by row, and sessions, entities and events are the same in every engine."""
    plan, told = agreed(world(user_flow(FLOWS[name]), tmp_path))
    assert [reason for table in plan.flows for reason in reasons(table)] == []
    assert sum(map(len, told.events.values())) > 18  # more than the initial entities


@pytest.mark.slow
@pytest.mark.parametrize("name", ["several_selects", "save_mid", "shared_changes", "event_data_mutate"])
def test_e2_history_is_the_same(name: str, tmp_path: Path) -> None:
    """With history too."""
    plan, told = agreed(world(user_flow(FLOWS[name]), tmp_path), history=True)
    assert plan.settings.history
    assert told.events
