"""Nulls and rich types: what a source gives is what state, flows, filters and files see, on every engine.

The grid: type × source × way of reading × filter × engine. The right values come from the generators
themselves and from Python's operators, not from an engine.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest

from deep_faker.declare.schema.classes import value_classes
from deep_faker.plan import Plan
from deep_faker.run.checkpoints.arrays import read_state, write_state
from tests.support.checkpoint_runs import whole
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import SAVING, engine_of, engines_for, traces_of
from tests.support.programs.null_programs import Program
from tests.support.programs.plans import story
from tests.support.worlds.null_world import CASES, COPIED, DRAWN, STATE, answer, asked_of, drawn, world

SEED = 11
INITIAL = 60


@cache
def plan_of(name: str) -> Plan:
    with TemporaryDirectory() as folder:
        return compiled(load_text(world(name), Path(folder)))


class Told:
    """The tables of one run, every cell as ``low``, ``high`` or ``none``."""

    def __init__(self, found: dict[str, pa.Table], name: str) -> None:
        self.case, self.found = CASES[name], found
        sample = self.rows("events/Sample", raw=True)[0]
        self.written = {repr(sample["low"]): "low", repr(sample["high"]): "high", "None": "none"}
        self.names = [n for n in STATE if n != "frame" or self.case.framed]

    def rows(self, table: str, *, raw: bool = False) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.found[table].to_pylist()
        if raw:
            return rows
        wanted = {*STATE, "wanted"}
        return [{n: self.written[repr(v)] if n in wanted else v for n, v in row.items()} for row in rows]


@pytest.mark.parametrize("name", CASES)
def test_values_are_the_same_wherever_they_are_looked_at(name: str) -> None:
    """V1, N11, S1, E2: a value, or that there is none, is what its source gave, however it is read."""
    plan = plan_of(name)
    assert [flow.name for flow in plan.flows if flow.live] == []
    runs = {engine: tables(plan, SEED, engine) for engine in engines_for(plan)}
    reference = runs.pop("reference")
    assert isinstance(reference, dict), str(reference)
    for engine, run in runs.items():
        assert not isinstance(run, Exception), f"{engine}: {run}"
        assert differences(reference, run) == [], engine
    told = Told(reference, name)
    opened = _sources(told, plan)
    _state(told, opened)
    _reads(told, opened)
    _questions(told, opened, name)


def _sources(told: Told, plan: Any) -> dict[str, dict[str, str]]:
    """The source events say what their generators gave; by key."""
    rows = told.rows("events/Opened")
    first = [row for row in rows if row["sys__ets"] == rows[0]["sys__ets"]][:INITIAL]
    assert len(first) == INITIAL < len(rows)
    for field in DRAWN:
        if field in told.names:
            values = drawn(plan, SEED, field, range(INITIAL))
            assert [row[field] for row in first] == [told.case.label_of_drawn(value) for value in values], (
                field
            )
            assert {row[field] for row in rows} == {"low", "high"} | ({"none"} if field != "plain" else set())
    assert {row["default"] for row in rows} == {"none"}
    assert {row["ready"] for row in rows} == {"high"}
    assert {row["given"] for row in first} == {"none"}
    assert {row["given"] for row in rows} == {"low", "none"}
    return {row["k"]: row for row in rows}


def _state(told: Told, opened: dict[str, dict[str, str]]) -> None:
    """The final state and every version of it hold what the source event held."""
    for table in ("entities/Account", "history/Account"):
        rows = told.rows(table)
        assert {row["k"] for row in rows} == opened.keys()
        for row in rows:
            for field in COPIED:
                if field in told.names:
                    assert row[field] == opened[row["k"]][field], (table, field)
            assert (row["empty"], row["start"]) == ("none", "low")
    first = {row["k"]: row for row in reversed(told.rows("history/Account"))}
    assert {row["put"] for row in first.values()} == {"high"}
    assert {row["put"] for row in told.rows("history/Account")} == {"low", "high", "none"}


def _reads(told: Told, opened: dict[str, dict[str, str]]) -> None:
    """What flows read, keep, compare and say again is the same value."""
    fixed = {"empty": "none", "start": "low"}
    for table in ("events/Looked", "events/Kept", "events/Told"):
        rows = told.rows(table)
        assert rows
        for row in rows:
            for field in (*COPIED, *fixed):
                if field in told.names and not (table == "events/Told" and field in fixed):
                    right = fixed[field] if field in fixed else opened[row["k"]][field]
                    assert row[field] == right, (table, field)
    for row in told.rows("events/Kept"):
        for label, said in (("none", row["nulls"]), ("low", row["lows"])):
            assert said.split() == [field for field in told.names if row[field] == label]
    changed = told.rows("events/Changed")
    assert {row["wanted"] for row in changed} == {"low", "high", "none"}
    by_flow = defaultdict(list)
    for row in changed:
        by_flow[row["sys__sid"]].append(row)
    for flow in by_flow.values():
        assert [row["put"] for row in flow] == [row["wanted"] for row in flow]


def _questions(told: Told, opened: dict[str, dict[str, str]], name: str) -> None:
    """A selection finds what Python's operators say, and something where there is something to find."""
    found = defaultdict(set)
    for row in told.rows("events/Hit"):
        field, (op, wanted) = asked_of(name)[row["number"]]
        assert answer(told.case, op, wanted, row[field]), (field, op, wanted)
        assert field == "put" or row[field] == opened[row["k"]][field]
        found[row["number"]].add(row[field])
    best, seen = defaultdict(set), defaultdict(set)
    for number, (field, (op, wanted)) in enumerate(asked_of(name)):
        if field != "put":
            there = {row[field] for row in opened.values()}
            right = {label for label in there if answer(told.case, op, wanted, label)}
            assert bool(found[number]) == bool(right), (field, op, wanted)
            best[op, wanted] |= right
            seen[op, wanted] |= found[number]
    assert seen == best
    for row in told.rows("events/Found"):
        field, op = row["name"].split()
        assert (row[field] == "none") == (op == "is_null"), row["name"]
    assert len({row["name"] for row in told.rows("events/Found")}) == 4


@pytest.mark.parametrize("engine", SAVING)
@pytest.mark.parametrize("name", ["int", "decimal", "uuid", "enum", "int_enum", "model", "models", "tuple"])
def test_r4_values_of_every_type_go_through_a_checkpoint(name: str, engine: str, tmp_path: Path) -> None:
    """State and locals, null or of any type, are after a resumption what they were before it."""
    plan = plan_of(name)
    classes = value_classes([*plan.events.values(), *(entity.spec for entity in plan.entities.values())])
    first, binding = engine_of(plan, engine, SEED)
    traces = traces_of(first, binding, stop_before_step=3)
    sha = write_state(tmp_path / "state", first.save(), classes)
    second, binding = engine_of(plan, engine, SEED)
    second.load(read_state(tmp_path / "state", sha, classes))
    traces += traces_of(second, binding)
    assert story(plan, traces, second, binding) == whole(plan, engine)


@pytest.mark.parametrize("seed", range(16))
def test_e2_random_flows_over_nulls_and_rich_types_agree(seed: int, tmp_path: Path) -> None:
    """E2: whatever flows do with state that may be null, every engine gives what the reference gives.

    ``-k random_flows`` over ``range(2_000)`` is the long form of this test.
    """
    plan = compiled(load_text(Program(seed).text(), tmp_path), history=seed % 2 == 0)
    runs = {engine: tables(plan, SEED, engine) for engine in engines_for(plan)}
    assert not isinstance(runs["reference"], Exception), str(runs["reference"])
    for engine, run in runs.items():
        assert differences(runs["reference"], run) == [], engine
