"""E2: random simulations, written as Python source, run the same on every engine."""

from __future__ import annotations

import warnings

import pytest

from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for
from tests.support.programs.source_flows import module_text

CASES = 160
BATCH = 20
FAILED_ONCE = (284, 459, 480, 544, 643)
"""Cases beyond them on which the engines once differed."""


def _disagreement(seed: int, folder) -> str:
    """What the engines make differently of a case, with its source; empty where they agree."""
    text = module_text(seed)
    try:
        sim = load_text(text, folder)
        plan = compiled(sim, history=seed % 3 != 0)  # without, numpy makes the changes of a step at once
        made = {name: tables(plan, sim.random_seed, name) for name in engines_for(plan)}
    except Exception as error:
        error.add_note(f"case {seed}:\n{text}")
        raise
    for name, result in made.items():
        found = differences(result, made["reference"])
        if found:
            return f"case {seed}, {name} and reference differ\n" + "\n".join(found) + f"\n\n{text}"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CASES, BATCH))
def test_e2_random_flows_run_alike_on_all_engines(first, tmp_path):
    """Events, sessions, entities and history of all engines are the same, or so is the error."""
    for seed in range(first, first + BATCH):
        assert not (found := _disagreement(seed, tmp_path)), found


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_e2_random_flows_that_once_differed(seed, tmp_path):
    """They are kept."""
    assert not (found := _disagreement(seed, tmp_path)), found


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_e2_collect_gives_the_same_on_both_public_engines(seed, tmp_path):
    """`sim.collect` of a random simulation, vectorized and reference."""
    sim = load_text(module_text(seed), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = (sim.collect(engine=name, history=True) for name in ("vectorized", "reference"))
    assert one.events.equals(other.events)
    assert one.sessions.equals(other.sessions)
    for name in one.entities:
        assert one.entities[name].equals(other.entities[name])
        assert one.history[name].equals(other.history[name])


def test_the_cases_reach_what_they_should(tmp_path):
    """Live flows, collisions of keys, picks, shared use and all sorts of operators are among the cases."""
    texts = [module_text(seed) for seed in range(CASES)]
    for words in (
        "save_entity=", "shared=True", 'weight="w"', "Now()", "except ValueError", "first_name", "yield from",
        "add_entity", "current_event_data", "Exponential", "LogNormal", "Normal(", "Choice(", "Uniform(",
        '"multiply"', '"min"', '"max"', '"subtract"', '"between"', '"not_in"', '"is_null"', 'on_end="cut"',
        "emit_initial_entities=False", "field_validator", "Sub(E",
    ):  # fmt: skip
        assert sum(words in text for text in texts) >= 3, words
    plans = [compiled(load_text(text, tmp_path)) for text in texts[:40]]
    live = [any(flow.live for flow in plan.flows) for plan in plans]
    assert 5 < sum(live) < 35
