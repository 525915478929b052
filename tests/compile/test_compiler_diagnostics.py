"""Every diagnostic of a flow, as the user sees it: one file a kind in golden/flows.

A file holds what the user wrote, a line ``---``, and the message. ``UPDATE_GOLDEN=1 pytest
tests/compile/test_compiler_diagnostics.py`` writes the messages anew; read the difference before committing it.
"""

from __future__ import annotations

import linecache
import os
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from deep_faker import Simulation
from deep_faker.errors import DeclarationError, DeepFakerError, DeepFakerWarning, FlowError, StalledFlowError
from tests.support.engines import every_engine
from tests.support.places import GOLDEN
from tests.support.worlds.flow_world import WORLD, story

FOLDER = GOLDEN / "flows"
PATHS = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_diagnostic_reads_as_written(path: Path) -> None:
    """str() of the error or warning is the golden text: fact, the user's line, and the mend."""
    source, _, expected = path.read_text(encoding="utf-8").partition("---\n")
    message = message_of(source) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(f"{source}---\n{message}", encoding="utf-8")
    else:
        assert message == expected


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_message_names_the_line_and_the_mend(path: Path) -> None:
    """Place, source line, carets, label and help: nothing is left out."""
    source, _, message = path.read_text(encoding="utf-8").partition("---\n")
    place = re.match(r"(?:error|warning): .+ \(shop\.py:(\d+):\d+\)\n", message)
    assert place, message
    line = source.splitlines()[int(place[1]) - 1]
    assert f"{place[1]} | {line}\n" in message
    assert re.search(r"\n +\| +\^+ \S", message)
    assert "\nhelp: " in message


def simulation_of(source: str) -> Simulation:
    """The simulation of `WORLD` with a file ``shop.py`` of ``source``."""
    names: dict[str, Any] = {"__name__": "shop"}
    exec(compile(WORLD, "world.py", "exec", dont_inherit=True), names)
    linecache.cache["shop.py"] = (len(source), None, source.splitlines(keepends=True), "shop.py")
    exec(compile(source, "shop.py", "exec", dont_inherit=True), names)
    sim: Simulation = names["sim"]
    return sim


def message_of(source: str) -> str:
    """What a user whose file ``shop.py`` is ``source`` would read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            simulation_of(source).compile()
        except DeclarationError as error:
            return str(error)
    [warning] = caught
    assert issubclass(warning.category, DeepFakerWarning)
    return str(warning.message)


FLOW = "@sim.flow(filter=Select(User))\ndef flow(ctx):\n    user = ctx.get_entity(User)\n"


@pytest.mark.slow
@every_engine
def test_t6_a_flow_that_stalls_stops_the_run(engine: str) -> None:
    """10,000 actions without time passing: the message names the flow, its line and the mend."""
    source = FLOW + "    while user.age > 0:\n        yield NewEvent(ctx, Note, value=1)\n"
    with pytest.raises(
        StalledFlowError, match=r"shop\.py:5:(.|\n)*10,000 actions of flow 'flow'(.|\n)*AddDecay"
    ):
        story(simulation_of(source).compile(), engine)


RAISING = {
    "1 / (user.age - user.age)": ZeroDivisionError,
    "{1: 2}[user.age]": KeyError,
    'int(user.name + "x")': ValueError,
    "user.name + user.age": TypeError,
    "[1, 2][user.age]": IndexError,
    "math.sqrt(-user.age)": ValueError,
    "10 ** (user.age * 100) * 1.5": OverflowError,
    "random.randint(user.age, 1)": ValueError,
}


@every_engine
@pytest.mark.parametrize("expression", RAISING)
def test_f2_exceptions_of_flows_show_the_users_line(expression: str, engine: str) -> None:
    """What Python raises stops the run, as the cause of an error at the line of the flow."""
    plan = simulation_of(f"{FLOW}    yield NewEvent(ctx, Note, value={expression})\n").compile()
    with pytest.raises(FlowError, match=r"shop\.py:4:") as caught:
        story(plan, engine)
    assert RAISING[expression].__name__ in str(caught.value)


@every_engine
def test_f2_a_local_that_is_not_set_raises_as_in_python(engine: str) -> None:
    """The path on which it is read first is the user's mistake, and it is named."""
    source = f"{FLOW}    if user.age > 200:\n        x = user.age\n    yield NewEvent(ctx, Note, value=x)\n"
    with pytest.raises(FlowError, match="UnboundLocalError") as caught:
        story(simulation_of(source).compile(), engine)
    assert "'x'" in str(caught.value)
    assert "shop.py:6:" in str(caught.value)


def test_f10_errors_are_of_one_tree() -> None:
    """Whatever a flow says wrongly is caught as DeepFakerError."""
    with pytest.raises(DeepFakerError):
        simulation_of(f"{FLOW}    yield 5\n").compile()
