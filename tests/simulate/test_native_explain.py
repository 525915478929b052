"""What `explain` says of the native engine: values, texts for events only, and what is left to Python."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from deep_faker import Dataset, Simulation
from deep_faker.errors import SettingsError
from deep_faker.loader import load_simulation
from deep_faker.plan import Expr, Type
from deep_faker.simulate.native import engine, run_state
from deep_faker.simulate.native.lower import program as lower
from deep_faker.simulate.native.lower.sure import is_sure
from deep_faker.simulate.native.lower.writer import NotLowerableError
from deep_faker.simulate.native.machine import cache, takeover
from deep_faker.spans import Span
from tests.support.places import ROOT
from tests.support.worlds.explained import explained as explained_with_wraps

PROGRAMS = (
    "examples/ecommerce.py",
    "examples/trading.py",
    "examples/bank.py",
    "examples/fleet.py",
    "benchmarks/shop.py",
)
NOTHING_LEFT = re.compile(
    r"^native: (\d+) of (\d+) computed values(?:, (\d+) texts? for events only)?; escapes: 0$"
)


@pytest.fixture(autouse=True)
def a_kernel_is_there(monkeypatch: pytest.MonkeyPatch):
    """What `explain` says does not hang on what this machine has compiled."""
    monkeypatch.delenv(cache.SWITCH, raising=False)
    monkeypatch.setattr(cache, "available", lambda: None)
    monkeypatch.setattr(cache, "ready", lambda: True)
    monkeypatch.setattr("deep_faker.simulate.native.kernel.checking.CHECKED", False)


def explained(tmp_path: Path, body: str) -> tuple[list[str], list[str]]:
    """The lines of what is said, with what is wrapped in one, and those of the file with these flows."""
    text, lines = explained_with_wraps(tmp_path, body)
    return re.sub(r"\n {6,}(?=\S)", " ", text).splitlines(), lines


def summary(sim: Simulation) -> str:
    return next(line for line in sim.explain().splitlines() if line.startswith("native: "))


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_of_the_programs_is_left_to_python(name: str):
    """Each value is computed by the kernel, or waits for its event's column."""
    found = NOTHING_LEFT.match(summary(load_simulation(str(ROOT / name))))
    assert found, summary(load_simulation(str(ROOT / name)))
    native, values, texts = (int(part or 0) for part in found.groups())
    assert native + texts == values > 30


def test_a_text_for_events_only_is_named_with_its_field(tmp_path: Path):
    said, lines = explained(
        tmp_path,
        """
        class Told(BaseEvent):
            text: str

        @sim.flow(filter=Select(User))
        def visit(ctx):
            n = ctx.get_entity(User).n
            yield NewEvent(ctx, Told, text=f"{n + 1} times")
        """,
    )
    line = next(line for line in said if "for events only, made with their columns" in line)
    found = re.fullmatch(r"  visit \(.*flows\.py:(\d+)\): .*: Told\.text", line)
    assert found, line
    assert "yield NewEvent" in lines[int(found[1]) - 1]
    assert "native: 0 of 1 computed values, 1 text for events only; escapes: 0" in said


def test_what_only_python_can_compute_is_named_with_its_line_and_why(tmp_path: Path):
    said, lines = explained(
        tmp_path,
        """
        @sim.flow(filter=Select(User))
        def visit(ctx):
            n = len(sorted([random.random(), 2.0]))
            yield NewEvent(ctx, Seen, n=n)
        """,
    )
    line = next(line for line in said if ": left to Python: " in line)
    found = re.match(
        r"  visit \(.*flows\.py:(\d+)\): left to Python: makes a collection: n = len\(sorted\(", line
    )
    assert found, line
    assert "sorted(" in lines[int(found[1]) - 1]
    assert "native: 1 of 2 computed values; escapes: 1" in said


def test_what_may_need_python_is_no_escape(tmp_path: Path):
    """A quotient can fail, a product leave 64 bits: Python decides then, and only then."""
    said, _ = explained(
        tmp_path,
        """
        @sim.flow(filter=Select(User))
        def visit(ctx):
            n = ctx.get_entity(User).n
            yield NewEvent(ctx, Seen, n=n * n // (n + 1))
        """,
    )
    assert "native: 1 of 1 computed values; escapes: 0" in said


def test_selections_by_values_of_the_flow_and_by_free_text_are_named(tmp_path: Path):
    """Those are looked for, or judged, by Python; one by key is not."""
    said, _ = explained(
        tmp_path,
        """
        @sim.flow(filter=Select(User))
        def visit(ctx):
            me = ctx.get_entity(User)
            n, key = me.n, me.user_id
            yield Select(ctx, User, where=[("n", "greater_than", n)], shared=True)
            yield Select(ctx, User, where=[("user_id", "is", key)], shared=True)

        @sim.flow(filter=Select(User, where=[("user_id", "is_not", "nobody")]))
        def other(ctx):
            yield NewEvent(ctx, Seen, n=1)
        """,
    )
    text = "\n".join(said)
    assert text.count("looked for one by one") == 1
    assert re.search(r"selection of User: left to Python: user_id is_not: judged by Python", text)
    assert any(line.endswith("; escapes: 2") for line in said)


def test_a_flow_that_is_a_generator_is_left_to_python(tmp_path: Path):
    said, _ = explained(
        tmp_path,
        """
        @sim.flow()
        def visit(ctx):
            try:
                yield NewEvent(ctx, Made)
            except ValueError:
                pass
        """,
    )
    assert next(line for line in said if line.startswith("engine ")).startswith("engine       native: ")
    text = " ".join(" ".join(said).split())
    assert re.search(r"visit \(\S+\): left to Python: runs as the generator that it is: ", text)
    assert any(line.endswith("; escapes: 1") for line in said)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Simulation:
    """One that turns out to have no native form while it is lowered, which nothing tells beforehand."""

    def program_of(*_: Any) -> NoReturn:
        raise NotLowerableError("it is too odd")

    monkeypatch.setattr(lower, "program_of", program_of)
    monkeypatch.setattr(run_state, "program_of", program_of)
    sim = load_simulation(str(ROOT / "benchmarks/shop.py"))
    sim.change(duration="1h", n_flows=5)
    return sim


def test_explain_says_why_lowering_refuses_a_plan(refused: Simulation):
    line = next(line for line in refused.explain().splitlines() if line.startswith("engine "))
    assert line.startswith("engine       numpy: ")
    assert "(not native: it is too odd)" in line


@pytest.mark.parametrize("is_there", [True, False])
def test_native_refuses_what_lowering_refuses_before_it_compiles(
    refused: Simulation, is_there: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cache, "ready", lambda *_: is_there)
    monkeypatch.setattr(takeover, "compile_now", lambda: pytest.fail("compiled for nothing"))
    monkeypatch.setattr(engine, "kernel_functions", dict)
    with pytest.raises(SettingsError, match='it is too odd; use "vectorized"'):
        refused.preview(1, engine="native")


class Compiled:
    """A `Takeover` whose kernel is there from the start, or when it is first asked for."""

    def __init__(self, at_once: bool) -> None:
        self.kernel = SimpleNamespace(functions={}) if at_once else None

    @property
    def waiting(self) -> bool:
        return self.kernel is None

    def poll(self) -> SimpleNamespace:
        self.kernel = SimpleNamespace(functions={})
        return self.kernel


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [True, False])
def test_vectorized_stays_numpy_where_lowering_refuses_a_plan(
    refused: Simulation, at_once: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Whether the kernel has been compiled before the run or comes in the midst of it."""
    monkeypatch.setattr(takeover, "Takeover", lambda: Compiled(at_once))
    monkeypatch.setattr("deep_faker.simulate.vectorized._SHORT", 1)
    assert refused.run(tmp_path / "vectorized").engine == "numpy"
    refused.run(tmp_path / "numpy", engine="numpy")
    assert Dataset.open(tmp_path / "vectorized").events.equals(Dataset.open(tmp_path / "numpy").events)


def test_explain_says_which_engine_runs_as_things_are(monkeypatch: pytest.MonkeyPatch):
    """Native, numpy for want of a kernel that is being compiled or could not be, or of numba."""
    sim = load_simulation(str(ROOT / "benchmarks/shop.py"))

    def line() -> str:
        return next(line for line in sim.explain().splitlines() if line.startswith("engine "))[13:]

    assert line() == "native: one compiled kernel walks the table of all flows"
    monkeypatch.setattr(cache, "ready", lambda: False)
    monkeypatch.setattr(cache, "failure", lambda: None)
    assert re.match("numpy: .*, until the native kernel has been compiled; that takes over then$", line())
    monkeypatch.setattr(cache, "failure", lambda: "no memory")
    assert re.match(r"numpy: .* \(not native: no memory\)$", line())
    monkeypatch.setattr(cache, "available", lambda: "numba is not installed")
    assert re.match(r"numpy: .* \(not native: numba is not installed\)$", line())
    assert not any(said.startswith("native: ") for said in sim.explain().splitlines())


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("f'{abs(x) * 100:.1f}'", True),
        ("f'{(x + 1) * n}'", True),
        ("f'{n / 2}'", True),
        ("f'{n * n}'", True),
        ("f'{n * n * x}'", False),
        ("f'{(n + 1) / 2}'", False),
        ("f'{x * len(str(n))}'", False),
        ("f'{1 / n}'", False),
    ],
)
def test_a_text_waits_for_its_event_where_it_cannot_fail(text: str, waits: bool):
    """An int that was computed may be too long to become a float, and what it is divided by may be 0."""
    expr = Expr(text, ("x", "n"), {}, Type("str"), Span("shop.py", 1, 0, 1, ""))
    assert is_sure(expr, {"x": Type("float"), "n": Type("int")}) is waits
