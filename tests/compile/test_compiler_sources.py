"""Where flows come from: files, notebook cells, decorators, other modules, and no source at all."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deep_faker import Simulation
from deep_faker.errors import CompileError
from tests.support.worlds.flow_world import FLOW, WORLD, agreed, module_of, reasons, world

BODY = "    yield NewEvent(ctx, Note, value=user.age + random.random())\n"


def _executed(source: str, file: str | None) -> Simulation:
    """The simulation of source that is executed; lines of ``file`` can be had if it is given."""
    if file is not None:
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {"__name__": "cell"}
    exec(compile(source, file or "<string>", "exec", dont_inherit=True), names)
    sim: Simulation = names["sim"]
    return sim


def test_f2_without_source_the_flow_is_live() -> None:
    """exec of a text leaves no lines behind: the generator runs as it is, with the same events."""
    plan, told = agreed(_executed(WORLD + FLOW + BODY, None))
    table = plan.flows[0]
    assert table.live == "its source cannot be had"
    assert table.live_span is not None
    assert table.live_span.line > 50
    assert len(set(told.notes())) > 10
    linecache.checkcache()


def test_f2_a_notebook_cell_is_compiled() -> None:
    """IPython keeps the lines of a cell under a made-up file name."""
    live = agreed(_executed(WORLD + FLOW + BODY, None))[1]
    plan, told = agreed(_executed(WORLD + FLOW + BODY, "/tmp/ipykernel_7/1234567.py"))
    assert reasons(plan.flows[0]) == []
    assert told.notes() == live.notes()


def test_f2_cells_run_by_ipython() -> None:
    """A cell that is run again, with other helpers of the same name, is compiled as it is now."""
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    shell = interactive.InteractiveShell.instance()
    try:
        shell.run_cell(WORLD)
        shell.run_cell("def helper(x):\n    return x\n")
        shell.run_cell("def helper(x):\n    return -x\n")
        shell.run_cell("%time\n" + FLOW + "    yield NewEvent(ctx, Note, value=helper(user.age))\n")
        plan, told = agreed(shell.user_ns["sim"])
    finally:
        interactive.InteractiveShell.clear_instance()
    assert reasons(plan.flows[0]) == []
    assert all(note.startswith("-") for note in told.notes())


def test_f2_a_file_that_was_edited_is_not_compiled(tmp_path: Path) -> None:
    """What runs is what was loaded, not what the file says now."""
    sim = world(FLOW + "    yield NewEvent(ctx, Note, value=1)\n", tmp_path)
    path = next(tmp_path.glob("*.py"))
    path.write_text(path.read_text(encoding="utf-8").replace("value=1", "value=2"), encoding="utf-8")
    linecache.checkcache()
    plan, told = agreed(sim)
    assert plan.flows[0].live == "its source cannot be had"
    assert set(told.notes()) == {"1"}


DECORATED = {
    "wrapper": """
import functools
def logged(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
@sim.flow(filter=Select(User))
@logged
@logged
def flow(ctx):
    yield NewEvent(ctx, Note, value=1)
""",
    "generator": """
import functools
def logged(function):
    @functools.wraps(function)
    def inner(ctx):
        yield NewEvent(ctx, Note, value=1)
        yield from function(ctx)
    return inner
@sim.flow(filter=Select(User))
@logged
def flow(ctx):
    yield NewEvent(ctx, Note, value=1)
""",
    "helper": """
def one_less(function):
    def inner(x):
        return function(x) - 1
    return inner
@one_less
def twice(x):
    return 2 * x
@sim.flow(filter=Select(User))
def flow(ctx):
    yield NewEvent(ctx, Note, value=twice(1))
""",
    "factory": """
def make(n):
    def flow(ctx):
        yield NewEvent(ctx, Note, value=n - n + 1)
    return flow
for n in (1, 2):
    sim.flow(flow_name=f"flow {n}")(make(n))
""",
    "lambda": """
sim.flow(flow_name="short")(lambda ctx: (yield NewEvent(ctx, Note, value=1)))
""",
    "redefined": """
def one(x):
    return x
def one(x):
    return 1
@sim.flow(filter=Select(User))
def flow(ctx):
    yield NewEvent(ctx, Note, value=one(ctx.get_entity(User).age))
""",
    "defaults": """
@sim.flow(filter=Select(User))
def flow(ctx, n=1, *, k=2):
    n += 1
    yield NewEvent(ctx, Note, value=n - k + 1)
""",
    "objects": """
import functools
class Shop:
    rate = 2
    def __init__(self, base): self.base = base
    def net(self, x): return x * self.rate - self.base
    @staticmethod
    def static(x): return x + 1
    @classmethod
    def of(cls, x): return x * cls.rate
SHOP = Shop(1)
half = functools.partial(lambda by, x: x / by, 2)
def scaled(by):
    def inner(x):
        return x * by
    return inner
thrice = scaled(3)
@functools.lru_cache
def kept(x):
    return x
@sim.flow(filter=Select(User))
def flow(ctx):
    one = SHOP.net(1) * Shop.static(0) * Shop.of(1) * kept(1)
    yield NewEvent(ctx, Note, value=int(half(one) * thrice(1) / 3))
""",
}


@pytest.mark.parametrize("name", DECORATED)
def test_f2_decorated_made_and_bound_functions(name: str, tmp_path: Path) -> None:
    """Closures, wrappers, methods, partial functions and lambdas are compiled into the flow."""
    plan, told = agreed(world(DECORATED[name], tmp_path))
    assert [reason for table in plan.flows for reason in reasons(table)] == []
    assert set(told.notes()) == {"1"}


def test_f2_helpers_and_flows_of_other_modules(tmp_path: Path) -> None:
    """Names of another module mean what they mean there."""
    name = f"shop_helpers_{tmp_path.name}".replace("-", "_")
    module_of(
        "import random\nfrom deep_faker import NewEvent\nBASE = 10\ndef boost(x, by=2):\n    return x * by + BASE\n"
        "def sub(ctx, event):\n    yield NewEvent(ctx, event, value=random.random())\n    return boost(1)\n",
        tmp_path,
        name,
    )
    source = f"""
import {name} as shop
from {name} import boost as more
BASE = 1000
{FLOW}
    yield NewEvent(ctx, Note, value=shop.boost(user.age) + more(1, by=3))
    yield NewEvent(ctx, Note, value=(yield from shop.sub(ctx, Note)))
"""
    plan, told = agreed(world(source, tmp_path))
    assert reasons(plan.flows[0]) == []
    assert "12" in told.notes()


@pytest.mark.parametrize(
    "given",
    [
        lambda sim: sim.flow()(lambda: (yield)),
        lambda sim: sim.flow()(print),
        lambda sim: sim.flow(initiation_weight="often")(lambda ctx: (yield)),
    ],
)
def test_f10_what_cannot_be_a_flow_is_refused(given: Callable[[Simulation], Any], tmp_path: Path) -> None:
    """At the decorator, with the user's line."""
    sim = world("", tmp_path)
    with pytest.raises(CompileError, match=r"test_compiler_sources\.py:\d+"):
        given(sim)
