"""What a run in parts costs: a second core, a billion events, forty-four million users.

    python benchmarks/scale.py cores                # one core, then two
    python benchmarks/scale.py events --events 1e9  # one run of 64 parts, its memory as a curve, read back
    python benchmarks/scale.py users                # 44 million users, one of 64 parts after the other

The world is the shop of ``shop.py``. Each case is a process of its own, so that its memory is its own; what
is read back is counted by Polars and compared with the report.
Results go into ``results/scale-CASE-DATE.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from batches import resident

HERE = Path(__file__).parent
EVENTS_A_MINUTE = 156_000  # of the shop, at any number of parts: it sizes a run and is no result
MIB = 2**20


class Curve:
    """Resident memory of this process, every few seconds, while the block runs."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.points: list[tuple[float, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(seconds,), daemon=True)

    def _watch(self, seconds: float) -> None:
        began = time.perf_counter()
        while not self._ended.wait(seconds):
            self.points.append((round(time.perf_counter() - began, 1), round(resident())))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def tenths(self) -> list[int]:
        """The greatest of each tenth of the run."""
        values = [value for _, value in self.points]
        cuts = [round(len(values) * i / 10) for i in range(11)]
        return [max(values[a:b]) for a, b in itertools.pairwise(cuts) if b > a]


def shop(**settings: Any) -> Any:
    """The shop's simulation."""
    sys.path.insert(0, str(HERE))
    from shop import make

    return make(**settings)


def cpu() -> float:
    """Processor seconds of this process and of its children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def read_back(folder: Path) -> dict[str, Any]:
    """Rows of each type, read by Polars; in each file every time is at or after the one before it."""
    import polars as pl

    began, worked = time.perf_counter(), cpu()
    rows: dict[str, int] = {}
    files = sorted((folder / "events").rglob("*.parquet"))
    for file in files:
        kind = file.relative_to(folder / "events").parts[0].removesuffix(".parquet")
        times = pl.read_parquet(file, columns=["sys__time"])["sys__time"]
        assert times.is_sorted(), file
        rows[kind] = rows.get(kind, 0) + len(times)
    return {
        "rows": {kind: count for kind, count in rows.items() if count},
        "files": len(files),
        "seconds": round(time.perf_counter() - began, 1),
        "cpu": round(cpu() - worked, 1),
    }


def measured(folder: Path, sim: Any, **how: Any) -> dict[str, Any]:
    """One run into ``folder``: what it made, and what it cost."""
    began, worked = time.perf_counter(), cpu()
    with Curve() as curve:
        report = sim.run(folder, progress=False, **how)
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    worked = cpu() - worked
    return {
        "events": sum(report.events.values()),
        "by_type": dict(report.events),
        "seconds": round(time.perf_counter() - began, 2),
        "cpu": round(worked, 2),
        "ns_of_cpu_an_event": round(worked / sum(report.events.values()) * 1e9),
        "peak_mib": round(report.peak_memory / MIB),
        "memory_tenths_mib": curve.tenths(),
        "files": len(sizes),
        "mib": round(sum(sizes) / MIB),
    }


def case_cores(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One part of the work of `cores`: ``--workers`` at once in this process."""
    minutes = max(1, round(asked.events / EVENTS_A_MINUTE))
    sim = shop(duration=f"{minutes}m")
    sim.run(
        folder / "first", progress=False, partitions=2, overwrite=True
    )  # the kernel and the pages are there
    return measured(folder / "out", sim, partitions=asked.partitions, workers=asked.workers)


def case_events(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """A run of many events, and its files read back."""
    minutes = max(1, round(asked.events / EVENTS_A_MINUTE))
    sim = shop(duration=timedelta(minutes=minutes))
    made = measured(folder / "out", sim, partitions=asked.partitions, workers=asked.workers)
    back = read_back(folder / "out")
    assert back["rows"] == {name: count for name, count in made["by_type"].items() if count}, back["rows"]
    return {**made, "read_back": back}


def case_users(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Forty-four million users, one part after the other in this process; a part is removed once counted."""
    sim = shop(users=asked.users, products=50_000, n_flows=asked.users // 20, duration="10m")
    parts = []
    began, worked = time.perf_counter(), cpu()
    with Curve(1.0) as curve:
        for number in range(asked.partitions):
            report = sim.run(folder / "out", progress=False, partitions=asked.partitions, part=number)
            parts.append({
                "events": sum(report.events.values()),
                "resident_mib": round(resident()),
                "cpu": round(cpu() - worked, 1),
            })  # fmt: skip
            shutil.rmtree(folder / "out")
    return {
        "users": asked.users,
        "events": sum(part["events"] for part in parts),
        "seconds": round(time.perf_counter() - began, 1),
        "cpu": round(cpu() - worked, 1),
        "memory_tenths_mib": curve.tenths(),
        "parts": parts,
    }


def alone(
    case: str, asked: argparse.Namespace, *, cores: list[int] | None = None, **more: Any
) -> dict[str, Any]:
    """One case in a process of its own, on those cores."""
    with tempfile.TemporaryDirectory(dir=asked.scratch) as folder:
        given = {"events": asked.events, "partitions": asked.partitions, "workers": asked.workers} | more
        arguments = [f"--{name}={value}" for name, value in given.items()]
        command = [sys.executable, __file__, case, "--here", folder, f"--users={asked.users}", *arguments]
        before = None if cores is None else (lambda: os.sched_setaffinity(0, cores))
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=before)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run the case that is asked for, and keep what it found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=["cores", "events", "users"])
    parser.add_argument("--events", type=float, default=None, help="how many, about")
    parser.add_argument("--users", type=int, default=44_000_000)
    parser.add_argument("--partitions", type=int, default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3, help="rounds of `cores`")
    parser.add_argument("--scratch", default=None, help="where the data sets lie while they are measured")
    parser.add_argument("--here", default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.events = asked.events or {"cores": 1e7, "events": 1e9, "users": 0}[asked.case]
    asked.partitions = asked.partitions or {"cores": 8, "events": 64, "users": 64}[asked.case]
    if asked.here:
        found = globals()[f"case_{asked.case}"](Path(asked.here), asked)
        print(json.dumps(found))
        return
    result: dict[str, Any]
    if asked.case == "cores":
        rounds = []
        for _ in range(asked.repeat):
            one = alone("cores", asked, cores=[0], workers=1)
            two = alone("cores", asked, workers=2)
            rounds.append({"one": one, "two": two, "times": round(one["seconds"] / two["seconds"], 2)})
            print(rounds[-1]["times"], one["seconds"], two["seconds"], flush=True)
        result = {"rounds": rounds}
    else:
        result = alone(asked.case, asked)
    result |= {
        "case": asked.case,
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    name = HERE / "results" / f"scale-{asked.case}-{datetime.now(UTC):%Y-%m-%d-%H%M}.json"
    name.write_text(json.dumps(result, indent=1) + "\n")
    print(
        json.dumps({key: value for key, value in result.items() if key not in ("parts", "rounds")}, indent=1)
    )


if __name__ == "__main__":
    main()
