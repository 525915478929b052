"""What `explain` says is what runs: states, lines, methods, scans, and the count of what is row by row."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from deep_faker.loader import load_simulation
from tests.support.places import ROOT
from tests.support.worlds.explained import HEAD, explained


def last(text: str) -> str:
    return text.splitlines()[-1]


@pytest.mark.slow
def test_v4_states_name_the_lines_that_they_come_from(tmp_path: Path):
    text, lines = explained(
        tmp_path,
        """
        @sim.flow(initiation_weight=2.5, filter=Select(User, where=[("last", "<", Now() - timedelta(days=3))]))
        def visit(ctx):
            user = ctx.get_entity(User)
            while user.n < 10 and random.random() < 0.5:
                yield NewEvent(ctx, Seen, n=user.n, mutate=SetState(User, [("n", "add", 1)]))
                yield AddDecay(ctx, rate=0.25, minutes=Exponential(7))
        """,
    )
    assert last(text) == "row by row: 0"
    assert "weight 2.5" in text
    assert "User where last < Now() - 3d" in text
    for what in ("emit Seen, changing User.n add", "exponential(7) min", "decayed 25 %"):
        assert what in text
    row = next(line for line in text.splitlines() if "emit Seen" in line)
    number = int(row.split()[1])
    assert lines[number - 1].strip().startswith("yield NewEvent(ctx, Seen")


def test_v4_a_flow_that_cannot_be_compiled_is_named_with_its_line(tmp_path: Path):
    text, lines = explained(
        tmp_path,
        """
        @sim.flow()
        def visit(ctx):
            yield Select(ctx, User)
            try:
                yield NewEvent(ctx, Seen, n=int(open("/dev/null").read() or 3))
            except ValueError:
                pass
        """,
    )
    assert last(text) == "row by row: 1"
    said = next(line for line in text.splitlines() if line.startswith("flow visit ("))
    number = int(re.search(r":(\d+)\)", said)[1])
    assert lines[number - 1].strip().startswith(("try:", "yield NewEvent", "except"))


def test_v4_source_that_cannot_be_had():
    module = ModuleType("no_source")
    exec(HEAD + "@sim.flow()\ndef visit(ctx):\n    yield NewEvent(ctx, Made)\n", module.__dict__)
    text = module.sim.explain()
    assert last(text) == "row by row: 1"
    assert "its source cannot be had" in text


def test_v4_how_fields_are_made(tmp_path: Path):
    text, _ = explained(
        tmp_path,
        """
        class Shown(BaseEvent):
            free: str = Field(faker="name")
            given: int = 3
            late: int = Field(faker="random_int", min=1, max=9)
            checked: int = Field(faker="random_int", min=1, max=9)

            @field_validator("checked")
            @classmethod
            def check(cls, value):
                return value

        @sim.flow(filter=Select(User))
        def other(ctx):
            yield NewEvent(ctx, Shown, mutate=SetState(User, [("n", "add", ctx.current_event_data.get("late"))]))
        """,
    )
    assert re.search(r"free +free: filled afterwards — name\(\): by column", text)
    assert re.search(r"given +its default", text)
    assert re.search(r"late +.*state-bearing: drawn when it happens", text)
    assert "Shown.checked (" in text
    assert last(text) == "row by row: 1"


def test_s1_comparisons_with_values_of_a_flow_are_scans_but_for_the_key(tmp_path: Path):
    text, _ = explained(
        tmp_path,
        """
        @sim.flow(filter=Select(User))
        def visit(ctx):
            me = ctx.get_entity(User)
            n = me.n
            key = me.user_id
            yield Select(ctx, User, where=[("n", "greater_than", n)], shared=True)
            yield Select(ctx, User, where=[("user_id", "is", key)], shared=True)
        """,
    )
    parts = text[text.index("SELECTIONS") : text.index("EVENTS")]
    assert (
        "SCAN: a value of the flow" in parts[parts.index("n > (a value") : parts.index("user_id is (a value")]
    )
    assert "an index of user_id finds the one" in parts


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ecommerce", "trading"])
def test_diagrams_name_states_that_there_are(name: str):
    """Every target of an arrow is a state of the same diagram, and no label has what Mermaid reads otherwise."""
    text = load_simulation(str(ROOT / "examples" / f"{name}.py")).explain()
    diagrams = re.findall(r"```mermaid\n(.*?)```", text, flags=re.DOTALL)
    assert len(diagrams) == text.count("FLOW ")
    for diagram in diagrams:
        lines = [line.strip() for line in diagram.strip().splitlines()]
        assert lines[0] == "stateDiagram-v2"
        declared = {line.split(" : ")[0] for line in lines if re.match(r"s\d+ : ", line)}
        for line in lines[1:]:
            arrow = re.fullmatch(r"(\[\*\]|s\d+) --> (\[\*\]|s\d+)( : [^:;#<>{}\"]+)?", line)
            if arrow:
                assert {arrow[1], arrow[2]} - {"[*]"} <= declared
            else:
                assert re.fullmatch(r"s\d+ : [^:;#<>{}\"]+", line), line
