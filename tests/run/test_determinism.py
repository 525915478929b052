"""R1, R2: what a run writes depends on its code, seed and start time, and on nothing else."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest

import deep_faker
from deep_faker.simulate.choice import ENGINES as NAMES
from deep_faker.simulate.columns import engine as kernel
from deep_faker.simulate.native import engine as native
from deep_faker.simulate.reference import engine as reference
from tests.support.engine_agreement import compiled, load_text
from tests.support.engines import SAVING, engines_for
from tests.support.programs.source_flows import module_text

# cases of all sorts: live flows, stored keys, shared use, validators, cut ends, one flow and many
CASES = (7, 22, 41, 62, 77, 96)
CODE = (7, 41, 62)


def _run(text: str, folder: Path, **settings) -> dict[str, bytes]:
    """The files of a data set, by name."""
    out = folder / f"out{len(list(folder.glob('out*')))}"
    sim = load_text(text, folder)
    sim.change(**settings.pop("change", {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sim.run(out, history=True, progress=False, **settings)
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def _collect(text: str, folder: Path, engine: str, **change):
    sim = load_text(text, folder)
    sim.change(**change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sim.collect(engine=engine, history=True)


@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
@pytest.mark.parametrize("case", CODE)
def test_r1_batch_sizes_do_not_show(case, layout, tmp_path, monkeypatch):
    """The same bytes whether a trace holds some events or all."""
    text = module_text(case)
    made = []
    for size in (1, 37, 10**6):
        monkeypatch.setattr(kernel, "CHUNK", size)
        monkeypatch.setattr(native, "CHUNK", size)
        made.append(_run(text, tmp_path, format=layout))
    assert len(made[0]) > 3
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
@pytest.mark.parametrize("case", CASES)
def test_r1_engines_do_not_show(case, layout, tmp_path, monkeypatch):
    """All engines write the same bytes, the manifest included."""
    text = module_text(case)
    monkeypatch.setattr(reference, "_CHUNK", 50)
    engines = engines_for(compiled(load_text(text, tmp_path)))
    first, *others = (_run(text, tmp_path, format=layout, engine=engine) for engine in engines)
    for other in others:
        assert first.keys() == other.keys()
        assert not [name for name in first if first[name] != other[name]]


@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
def test_r1_processes_do_not_show(layout, tmp_path):
    """Two processes with different hash seeds and thread counts write the same bytes as this one."""
    text = module_text(CASES[1])
    (tmp_path / "here").mkdir()
    made = [_run(text, tmp_path / "here", format=layout)]
    path = tmp_path / "case.py"
    path.write_text(text, encoding="utf-8")
    for seed in ("1", "4000"):
        out = tmp_path / f"process{seed}"
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "POLARS_MAX_THREADS": seed[0],
            "OMP_NUM_THREADS": seed[0],
            "PYTHONPATH": str(Path(deep_faker.__file__).parents[1]),
        }
        command = [sys.executable, "-m", "deep_faker", "run", str(path), "--output", str(out), "--quiet"]
        subprocess.run([*command, "--format", layout, "--history"], check=True, env=environment)
        files = sorted(p for p in out.rglob("*") if p.is_file())
        made.append({str(p.relative_to(out)): p.read_bytes() for p in files})
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("case", CODE)
def test_r1_the_manifest_says_nothing_of_how_and_when(case, tmp_path):
    """No engine, host, process, path or day of the run."""
    files = _run(module_text(case), tmp_path)
    text = files["manifest.json"].decode()
    assert json.loads(text)["seed"] is not None
    said = text.lower()
    for word in (
        "engine",
        *(name for name in NAMES if name != "numpy"),  # the package, whose version it says
        "worker",
        "hostname",
        "seconds",
        str(tmp_path).lower(),
        f"{datetime.now(UTC):%Y-%m-%d}",
        platform.node().lower() or "no name",
    ):
        assert word not in said


@cache
def _what_can_run(case: int) -> tuple[list[str], int, int]:
    """The engines of a case, its step and how many steps there are."""
    with TemporaryDirectory() as folder:
        sim = load_text(module_text(case), Path(folder))
        return list(engines_for(compiled(sim))), sim.time_step, sim.duration // sim.time_step


@cache
def _whole(case: int, engine: str):
    """The longer run, with which several shorter ones are compared."""
    with TemporaryDirectory() as folder:
        return _collect(module_text(case), Path(folder), engine)


@pytest.mark.parametrize("past", [0, 0.4])
@pytest.mark.parametrize("engine", SAVING)
@pytest.mark.parametrize("case", [*CASES, *range(200, 206)])
def test_r2_a_longer_duration_keeps_what_was(case, engine, past, tmp_path):
    """Every event, value, version and session before the shorter run's end.

    Where that end cuts a step (``past``), flows that compete in it are missing; then all before that step.
    """
    engines, step, steps = _what_can_run(case)
    if engine not in engines:
        pytest.skip("a flow runs as a generator")
    until = max(1, steps * 3 // 5) * step
    whole = _whole(case, engine)
    less = _collect(module_text(case), tmp_path, engine, duration=(until + past * step) / 1_000_000)
    end = pl.lit(datetime(2024, 1, 1)) + pl.duration(microseconds=until)
    before = pl.col("sys__ets") < 1_704_067_200_000 + until // 1000  # times are rounded down
    assert whole.events.filter(before).equals(less.events.filter(before))
    for name in _emitted(less):
        assert whole[name].filter(before).equals(less[name].filter(before))
    for name in less.history:  # written as versions end, hence in another order
        old, new = (
            ds.history[name].filter(pl.col("valid_from") < end).drop("valid_to") for ds in (less, whole)
        )
        assert old.sort(pl.all()).equals(new.sort(pl.all()))
    ended = pl.col("ended") < end
    assert whole.sessions.filter(ended).equals(less.sessions.filter(ended))


@pytest.mark.parametrize("case", CASES)
def test_r2_a_new_field_changes_no_other_value(case, tmp_path):
    """A generated field more on every event, and an event type that nobody emits."""
    text = module_text(case)
    wider = text.replace("(BaseEvent):\n", '(BaseEvent):\n    added: str = Field(faker="name")\n')
    wider = wider.replace(
        "\n\nsim = Simul",
        '\n\nclass Never(BaseEvent):\n    x: int = Field(faker="random_int")\n\n\nsim = Simul',
    )
    assert wider.count("added:") >= 2
    assert "class Never" in wider
    one, other = (_collect(code, tmp_path, "vectorized") for code in (text, wider))
    assert one.sessions.drop("line").equals(other.sessions.drop("line"))
    for name in _emitted(one):
        assert "added" in other[name].columns
        assert one[name].equals(other[name].drop("added"))
    for name in one.entities:
        assert one.entities[name].equals(other.entities[name])
        assert one.history[name].equals(other.history[name])


def _emitted(ds) -> list[str]:
    """The event types of a data set that have rows."""
    return sorted(ds.events["event_type"].cast(pl.String).unique().to_list())


@pytest.mark.parametrize("case", CODE)
def test_r2_a_new_output_changes_nothing(case, tmp_path):
    """A data set beside which another output is written is the same, and that output sees every event."""
    text = module_text(case)
    plain = _run(text, tmp_path)
    seen: list[int] = []

    class Counting:
        def write_batch(self, event_type, frame):
            seen.append(frame.height)

    sim = load_text(text, tmp_path)
    sim.add_output(Counting())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = sim.run(tmp_path / "beside", history=True, progress=False)
    files = sorted(p for p in (tmp_path / "beside").rglob("*") if p.is_file())
    assert {str(p.relative_to(tmp_path / "beside")): p.read_bytes() for p in files} == plain
    assert sum(seen) == sum(report.events.values()) > 0


_TELL = """
import hashlib, sys
from deep_faker.run.checkpoints.fingerprint import fingerprint
from deep_faker.loader import load_simulation
for file in sys.argv[1:]:
    sim = load_simulation(file)
    parts = repr(sorted(fingerprint(sim.compile(), seed=1, versions={}).items()))
    print(file, hashlib.sha256((parts + sim.explain()).encode()).hexdigest())
"""


def test_r4_a_program_is_known_again_in_another_process(tmp_path):
    """Fingerprint and explanation of the examples and of random programs, whatever Python hashes text by.

    A program whose fingerprint changes with the process could not be resumed in another one.
    """
    files = [str(file) for file in sorted((Path(deep_faker.__file__).parents[1] / "examples").glob("*.py"))]
    for case in range(6):
        place = tmp_path / f"program_{case}.py"
        place.write_text(module_text(case), encoding="utf-8")
        files.append(str(place))
    told = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _TELL, *files],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for seed in ("1", "2")
    ]
    assert len(told[0]) == len(files)
    assert told[0] == told[1]
