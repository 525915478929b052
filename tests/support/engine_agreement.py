"""One plan run on several engines, and what the runs say differently."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import pyarrow as pa

from deep_faker import Simulation
from deep_faker.errors import DeepFakerError
from deep_faker.loader import load_simulation
from deep_faker.outputs import MemoryOutput
from deep_faker.plan import Plan
from deep_faker.run import runner

_FILES = itertools.count()


def load_text(text: str, folder: Path) -> Simulation:
    """The simulation of a module text, as the command line loads it; what it warns of is left aside."""
    path = folder / f"case_{next(_FILES)}.py"
    path.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_simulation(str(path))


def compiled(sim: Simulation, *, history: bool = True) -> Plan:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sim.compile(history=history)


def tables(plan: Plan, seed: int, engine: str) -> dict[str, pa.Table] | DeepFakerError:
    """Every table of a run (events, entities, history, sessions), or the error that ended it."""
    memory = MemoryOutput()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            report = runner.run_plan(plan, seed=seed, outputs=[memory], engine=engine, owner=None)
        except DeepFakerError as error:
            return error
    return {name: memory.table(name) for name in memory.names()} | {
        "skipped": pa.table(
            {
                "starts": [report.skipped],
                "unmatched": [str(report.unmatched)],
                "turned_away": [str(report.turned_away)],
            }
        )
    }


def differences(one: Any, other: Any, *, words: bool = False) -> list[str]:
    """What two results of `tables` say differently, one line a table. ``words``: errors in every word."""
    if isinstance(one, Exception) or isinstance(other, Exception):
        said = [_said(x, words=words) for x in (one, other)]
        return [] if said[0] == said[1] else [" | ".join(said)]
    out = []
    for name in sorted(one.keys() | other.keys()):
        if name in one and name in other and one[name].equals(other[name]):
            continue
        a, b = (x[name].to_pylist() if name in x else None for x in (one, other))
        if repr(a) == repr(b):  # nan is equal to nan here, and -0.0 not to 0.0
            continue
        if a is None or b is None:
            out.append(f"{name}: only one has it")
            continue
        first = next((pair for pair in itertools.zip_longest(a, b) if repr(pair[0]) != repr(pair[1])), None)
        out.append(f"{name}: {len(a)} and {len(b)} rows, first apart:\n    {first[0]}\n    {first[1]}")
    return out


def _said(result: Any, *, words: bool) -> str:
    """An error by its kind, title and line: the column may be that of the `yield` or of what it yields."""
    if not isinstance(result, DeepFakerError):
        return "no error"
    what = result.diagnostic
    line = "" if what.span is None else f"{what.span.file}:{what.span.line}"
    text = f" {what.label} {what.help}" if words else ""
    return f"{type(result).__name__}: {what.title} {line}{text}"
