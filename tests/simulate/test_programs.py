"""Random programs with wrong values, nulls, rich and nested types: the engines agree, also on what they refuse.

The suite runs a few; ``python tests/simulate/test_programs.py --programs 2000`` runs as many as you like and
prints what became of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest

from deep_faker.errors import DeepFakerError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for
from tests.support.programs.source_behaviour import behaviour_text
from tests.support.programs.source_wild import wild_text

PROGRAMS = 40
BATCH = 10
BEHAVING = 10
FAILED_ONCE = (86, 92, 143, 145, 149, 435, 471, 680, 684, 4037, 4076, 4088, 10172, 10296, 12045)
"""Seeds of programs on which the engines once differed."""
BEHAVED_OTHERWISE = (1015, 1109)
"""The same of those that behave."""


def verdict(
    seed: int, folder: Path, *, rich: bool = True, text_of: Callable[..., str] = wild_text
) -> tuple[str, str]:
    """What became of a program: (kind, details); ``differ`` and ``untyped`` are faults of ours."""
    text = text_of(seed, rich=rich)
    try:
        sim = load_text(text, folder)
        plan = compiled(sim)
    except DeepFakerError as error:
        return "refused at declaration", error.diagnostic.title
    except Exception as error:  # noqa: BLE001 - none but ours may come out of a declaration
        return "untyped", f"{type(error).__name__}: {error}\n{text}"
    made = {}
    for name in engines_for(plan):
        try:
            made[name] = tables(plan, sim.random_seed, name)
        except Exception as error:  # noqa: BLE001 - none but ours may come out of a run
            return "untyped", f"{name}: {type(error).__name__}: {error}\n{text}"
    for name, result in made.items():
        found = differences(result, made["reference"], words=True)
        if found:
            return "differ", f"{name} and reference\n" + "\n".join(found) + f"\n{text}"
    end = made["reference"]
    return ("stopped", end.diagnostic.title) if isinstance(end, DeepFakerError) else ("ran", "")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, PROGRAMS, BATCH))
def test_e2_programs_that_go_wrong_go_wrong_alike(first, tmp_path):
    """The same rows, or the same class, title, line and words of the error, and never an exception not ours."""
    for seed in range(first, first + BATCH):
        kind, details = verdict(seed, tmp_path)
        assert kind not in ("differ", "untyped"), f"program {seed}: {kind}\n{details}"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, BEHAVING, BATCH))
def test_e2_programs_that_behave_are_the_same_on_every_engine(first, tmp_path):
    """The same for arrivals, seasons, traits, draws, choices, lists, queues, and who retires."""
    for seed in range(first, first + BATCH):
        kind, details = verdict(seed, tmp_path, rich=seed % 2 == 0, text_of=behaviour_text)
        assert kind not in ("differ", "untyped"), f"program {seed}: {kind}\n{details}"


ONCE = [*((wild_text, seed) for seed in FAILED_ONCE), *((behaviour_text, seed) for seed in BEHAVED_OTHERWISE)]


@pytest.mark.parametrize(("text_of", "seed"), ONCE, ids=lambda part: getattr(part, "__name__", str(part)))
def test_e2_programs_that_once_differed(text_of, seed, tmp_path):
    """They are kept."""
    kind, details = verdict(seed, tmp_path, rich=text_of is wild_text or seed % 2 == 0, text_of=text_of)
    assert kind not in ("differ", "untyped"), details


def main() -> int:
    """Run many programs and say what became of them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--plain", action="store_true", help="without rich types")
    parser.add_argument("--behaviour", action="store_true", help="arrivals, queues and people who differ")
    given = parser.parse_args()
    text_of = behaviour_text if given.behaviour else wild_text
    counts: Counter[str] = Counter()
    titles: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.first, given.first + given.programs):
            kind, details = verdict(seed, Path(folder), rich=not given.plain, text_of=text_of)
            counts[kind] += 1
            if kind in ("differ", "untyped"):
                sys.stdout.write(f"--- program {seed}: {kind}: {details}\n")
                sys.stdout.flush()
            elif details:
                titles[details.partition(" in flow ")[0].partition("'")[0]] += 1
    sys.stdout.write(f"{dict(counts)} {dict(titles.most_common())}\n")
    return int(counts["differ"] + counts["untyped"] > 0)


if __name__ == "__main__":
    sys.exit(main())
