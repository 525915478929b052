"""F10: flows declared again, removed, and given as methods, partials and objects; cells of a notebook."""

from __future__ import annotations

import functools
import importlib
import linecache
import random
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, Simulation, StateField
from deep_faker.errors import CompileError, DeclarationError, SettingsError
from deep_faker.run.checkpoints.fingerprint import digest
from tests.support.engine_agreement import compiled, differences, tables
from tests.support.engines import engines_for
from tests.support.places import ROOT


class Noted(BaseEvent):
    text: str = ""
    number: int = 0


def simulation(**settings) -> Simulation:
    return Simulation(**({"duration": "20s", "start_time": "2024-01-01", "random_seed": 3} | settings))


def cell(text: str, names: dict, file: str) -> None:
    """Run a cell as IPython does: compiled under a file name of its own, its text in linecache."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), names)


def a_flow(number: int, name: str = "visit", before: str = "") -> str:
    return f"{before}@sim.flow()\ndef {name}(ctx):\n    yield NewEvent(ctx, Noted, number={number})\n"


def numbers(sim: Simulation) -> set[int]:
    return set(sim.collect()["Noted"]["number"])


@pytest.fixture
def names() -> dict:
    return {"sim": simulation(), "NewEvent": NewEvent, "Noted": Noted, "__name__": "__main__"}


# ------------------------------------------------ again


@pytest.mark.parametrize(
    "files",
    [
        ("/tmp/ipykernel_71/1234.py", "/tmp/ipykernel_71/987.py"),
        ("<ipython-input-3-abc>", "<ipython-input-4-def>"),
        ("<python-input-3>", "<python-input-9>"),
        ("/tmp/marimo_5/__marimo__cell_Hbol_.py", "/tmp/marimo_5/__marimo__cell_Hbol_.py"),
    ],
    ids=["jupyter", "ipython", "prompt", "marimo"],
)
def test_f10_a_cell_that_is_edited_and_run_again_replaces_its_flow(names, files):
    """The new text counts, also where it stands at another line; the flow keeps its place."""
    cell(a_flow(1), names, files[0])
    cell(a_flow(9, "other"), names, "<ipython-input-2-aaa>")
    cell(a_flow(2, before="# edited\n"), names, files[1])
    assert numbers(names["sim"]) == {2, 9}
    assert [flow.name for flow in names["sim"]._flows] == ["visit", "other"]


def test_f10_the_same_cell_run_again_replaces_its_flow(names):
    """Nothing has changed but that it ran: no second flow, no error."""
    for _ in range(3):
        cell(a_flow(1), names, "/tmp/ipykernel_71/1234.py")
    assert numbers(names["sim"]) == {1}


def test_f10_two_flows_of_one_name_in_one_cell_are_a_mistake(names):
    """A cell that is run once and declares a name twice is refused, by the line of the first."""
    with pytest.raises(DeclarationError, match=r"notebook cell:1:\d+ already"):
        cell(a_flow(1) + a_flow(2), names, "/tmp/ipykernel_71/55.py")


def test_f10_a_loop_that_makes_flows_of_one_name_is_a_mistake(names):
    """Each turn declares the same piece of code: that is no cell run again."""
    text = "for k in (1, 2):\n    @sim.flow()\n    def visit(ctx):\n        yield NewEvent(ctx, Noted)\n"
    with pytest.raises(DeclarationError, match="two flows of one name"):
        cell(text, names, "/tmp/ipykernel_71/56.py")


def test_f10_other_functions_do_not_replace_each_other(names):
    """`flow_name` that is taken by another function is refused, in cells too."""
    cell(a_flow(1), names, "<ipython-input-1-a>")
    with pytest.raises(DeclarationError, match="two flows of one name"):
        cell(a_flow(2, "other").replace("flow()", "flow(flow_name='visit')"), names, "<ipython-input-2-b>")


def test_f10_a_module_that_is_loaded_again_replaces_its_flows(tmp_path, monkeypatch):
    """`importlib.reload` after an edit that moves the flow; two of one name in the file stay a mistake."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "reloaded_world.py").write_text("sim = None\n")
    (tmp_path / "reloaded_flows.py").write_text(
        text := "from deep_faker import NewEvent\nfrom test_flows_again import Noted\n"
        "from reloaded_world import sim\n" + a_flow(1)
    )
    world = importlib.import_module("reloaded_world")
    world.sim = simulation()
    flows = importlib.import_module("reloaded_flows")
    (tmp_path / "reloaded_flows.py").write_text("# edited\n\n" + text.replace("number=1", "number=2"))
    importlib.reload(flows)
    assert numbers(world.sim) == {2}
    (tmp_path / "reloaded_flows.py").write_text("# edited\n\n" + text.replace("number=1", "number=1 + 2"))
    importlib.reload(flows)
    assert numbers(world.sim) == {3}
    assert "cannot be had" not in world.sim.explain()  # it is compiled, by its new lines
    (tmp_path / "reloaded_flows.py").write_text(text + a_flow(3))
    with pytest.raises(DeclarationError, match="two flows of one name"):
        importlib.reload(flows)


# ------------------------------------------------ mended, removed


@pytest.mark.parametrize(
    "bad",
    [
        a_flow(1).replace("number=1", "numbr=1"),
        a_flow(1).replace("yield ", "return "),
        a_flow(1).replace("flow()", "flow(initiation_weight=-1)"),
        a_flow(1).replace("(ctx)", "(ctx, more)", 1),
        a_flow(1).replace("yield", "import secrets; secrets.token_hex(); yield"),
    ],
    ids=["field", "no_generator", "weight", "parameters", "foreign"],
)
def test_one_bad_flow_does_not_poison_the_simulation(names, bad):
    """What is refused where it stands or when it is compiled can be declared rightly, and the run goes on."""
    cell(a_flow(9, "other"), names, "<ipython-input-1-a>")
    with pytest.raises(DeclarationError):
        cell(bad, names, "<ipython-input-2-b>")
        names["sim"].collect()
    cell(a_flow(2), names, "<ipython-input-3-c>")
    assert numbers(names["sim"]) == {2, 9}


def test_remove_flow(names):
    """A flow that was renamed is taken out by its name; an unknown name is told apart."""
    cell(a_flow(1, "visti"), names, "<ipython-input-1-a>")
    cell(a_flow(2), names, "<ipython-input-2-b>")
    names["sim"].remove_flow("visti")
    assert numbers(names["sim"]) == {2}
    with pytest.raises(SettingsError, match=r"no flow 'visitt'(.|\n)*did you mean 'visit'"):
        names["sim"].remove_flow("visitt")


CLASSES = """
class Made(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
class Seen(BaseEvent):
    user_id: str
class User(Entity):
    source_event = Made
    primary_key = "user_id"
    seen: int = StateField(default=0)
"""
HOLDING = """@sim.flow(filter=Select(User))
def holding(ctx):
    yield NewEvent(ctx, Seen, mutate=SetState(User, [("seen", "add", 1)]))
"""


@pytest.mark.parametrize("key", ["User", "'User'"])
def test_classes_that_are_declared_again_take_the_place_of_those_before(key):
    """The cells with the classes and with the flows run again are enough: ``initial_entities`` goes along."""
    names: dict = {"__name__": "__main__"}
    world = f"sim = Simulation('5s', start_time='2024-01-01', initial_entities={{{key}: 5}})"
    for number, text in enumerate(["from deep_faker import *", CLASSES, world, HOLDING, CLASSES]):
        cell(text, names, f"<ipython-input-{number}-x>")
    with pytest.raises(CompileError, match="declared again") as told:
        names["sim"].collect()
    assert "run the cells with the flows again" in str(told.value)
    cell(HOLDING, names, "<ipython-input-6-x>")
    assert names["sim"].collect().entities["User"].height == 5


# ------------------------------------------------ methods, partials, objects


class Opened(BaseEvent):
    shop_id: str = Field(faker="shortuuid", length=8)


class Place(Entity):
    source_event = Opened
    primary_key = "shop_id"
    visits: int = StateField(default=0)


def noted(ctx, text="none", *, number=1, **more):
    yield NewEvent(ctx, Noted, text=f"{text} {random.random():.3f} {sorted(more)}", number=number)


def of(event, entity, ctx, number):
    yield Select(ctx, entity)
    number += 1
    yield NewEvent(ctx, event, text=str(ctx.get_entity(entity).visits), number=number)


def several(ctx, *texts):
    yield NewEvent(ctx, Noted, text="-".join(texts))


class Shop:
    def __init__(self, name: str, rate: float) -> None:
        self.name, self.rate = name, rate

    def visit(self, ctx):
        yield NewEvent(ctx, Noted, text=self.label("came"), number=10)
        yield AddDecay(ctx, rate=self.rate, seconds=2)
        yield NewEvent(ctx, Noted, text=self.label("left"), number=11)

    def label(self, what: str) -> str:
        return f"{self.name} {what} {random.randint(1, 6)}"

    def tried(self, ctx):
        try:
            number = 20 + random.randint(0, 3)
        finally:
            pass
        yield NewEvent(ctx, Noted, text=self.name, number=number)


class Caller:
    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, ctx):
        yield NewEvent(ctx, Noted, number=self.number)


def shops() -> Simulation:
    sim = simulation(n_flows=12, initial_entities={Place: 4})
    sim.flow()(functools.partial(noted, text="hi", number=7, z=1, a=2))
    sim.flow(flow_name="of")(functools.partial(of, Noted, Place, number=3))
    sim.flow()(Shop("north", 0.3).visit)
    sim.flow(flow_name="south")(functools.partial(Shop.visit, Shop("south", 0.6)))
    sim.flow()(Caller(30))
    return sim


def test_methods_partials_and_objects_are_flows():
    """They compile, with what is bound to them as constants; every engine makes the same of them."""
    sim = shops()
    plan = compiled(sim)
    assert [flow.name for flow in plan.flows] == ["noted", "of", "visit", "south", "Caller"]
    assert not any(flow.live for flow in plan.flows)
    made = {name: tables(plan, 3, name) for name in engines_for(plan)}
    for name, result in made.items():
        assert not differences(result, made["reference"]), name
    data = sim.collect()["Noted"]
    assert set(data["number"]) == {4, 7, 10, 11, 30}
    words = {text.split()[0] for text in data["text"] if text}
    assert words == {"hi", "0", "north", "south"}


def test_what_cannot_be_compiled_of_them_runs_live():
    """A method and a partial outside the compiled language run as the generators that they are."""
    sim = simulation()
    sim.flow()(Shop("east", 1).tried)
    sim.flow(flow_name="west")(functools.partial(Shop.tried, Shop("west", 1)))
    plan = compiled(sim)
    assert [flow.live for flow in plan.flows] == ["try", "try"]
    made = [tables(plan, 3, name) for name in ("numpy", "reference")]
    assert not differences(*made)
    assert set(sim.collect()["Noted"]["text"]) == {"east", "west"}


def test_what_is_given_beyond_the_context():
    """Positional arguments before the context do not go together with ones after it."""
    sim = simulation()
    sim.flow()(functools.partial(several))
    assert set(sim.collect()["Noted"]["text"]) == {""}
    with pytest.raises(DeclarationError, match="a flow takes the context"):
        sim.flow()(functools.partial(of, Noted))


@pytest.mark.parametrize(
    "thing",
    [len, Shop, 3, "visit", functools.lru_cache(noted)],
    ids=["builtin", "class", "int", "str", "cached"],
)
def test_what_is_no_python_function_is_refused(thing):
    """The message shows it."""
    with pytest.raises(DeclarationError, match="not a function"):
        simulation().flow()(thing)


def test_a_method_is_declared_of_an_object():
    """Decorated in its class it has no object yet: the mend says how."""
    sim = simulation()
    with pytest.raises(DeclarationError, match=r"sim\.flow\(\)\(shop\.visit\)"):

        class Wrong:
            @sim.flow()
            def visit(self, ctx):
                yield NewEvent(ctx, Noted)


def test_r4_what_is_bound_is_a_part_of_the_program():
    """A run with another object or argument is another run, and the same ones are the same."""
    assert digest(Shop("a", 1).visit) == digest(Shop("a", 1).visit) != digest(Shop("b", 1).visit)
    partial = functools.partial
    assert digest(partial(noted, number=1)) == digest(partial(noted, number=1))
    assert digest(partial(noted, number=1)) != digest(partial(noted, number=2))


# ------------------------------------------------ a real notebook


def executed(sources: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list:
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(
        notebook, timeout=None, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    try:
        client.execute()
    except CellExecutionError as error:  # pragma: no cover - errors are allowed
        raise AssertionError(str(error)) from error
    # a run that takes longer than a moment shows a bar in its cell: here what cells print and raise counts
    return [[one for one in cell.outputs if one.output_type != "display_data"] for cell in notebook.cells]


@pytest.mark.slow
def test_a_notebook(tmp_path, monkeypatch):
    """Cells edited and run again, a refused flow mended, errors as their message; all frames on demand."""
    head = (
        "from deep_faker import BaseEvent, NewEvent, Simulation\nclass Noted(BaseEvent):\n    number: int\n"
    )
    head += 'sim = Simulation(duration="5s", start_time="2024-01-01", random_seed=1, n_flows=2)\n'
    show = 'print(sorted(set(sim.collect()["Noted"]["number"])))'
    wrong = a_flow(3).replace("number=3", "numbr=3")
    cells = [head, a_flow(1), show, "# edited\n" + a_flow(2), show, wrong, show]
    cells += [a_flow(4), show, wrong, "%env DEEP_FAKER_TRACEBACKS=1", show]
    outputs = executed(cells, tmp_path, monkeypatch)
    assert [outputs[at][0].text for at in (2, 4, 8)] == ["[1]\n", "[2]\n", "[4]\n"]
    short, long = ("\n".join(outputs[at][0].traceback) for at in (6, 11))
    assert short.splitlines()[0] == "DeclarationError"
    assert "notebook cell:3" in short
    assert "numbr" in short
    assert "help: did you mean 'number'?" in short
    assert len(short.splitlines()) < 9
    assert "deep_faker/simulation.py" not in short.replace("\\", "/")
    assert len(long.splitlines()) > 20
    assert "simulation.py" in long
