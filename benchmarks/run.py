"""All benchmarks in one run, each in a process of its own; raw results go to ``benchmarks/results/``.

    python benchmarks/run.py                       # everything, at full size
    python benchmarks/run.py --only shop --scale 0.1
    make bench ARGS="--only few-flows"

Times are wall clock from the start of the process to its end, imports included, for ours and the hand-written
program alike; processor time is that of the process and its children.  Memory is the greatest sum over them
of their proportional set sizes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import psutil

HERE = Path(__file__).parent


@dataclass
class Case:
    """One measured process: its name, and the command that prints one line of JSON last."""

    name: str
    command: list[str]
    repeat: int = 1


@dataclass
class Result:
    name: str
    events: int
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    detail: dict[str, object] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return self.events / min(self.seconds)


def measure(case: Case, scratch: Path) -> Result:
    """Run the case ``repeat`` times and keep every time; the best one counts."""
    result = Result(case.name, 0)
    for _ in range(case.repeat):
        shutil.rmtree(scratch, ignore_errors=True)
        used, began = children_cpu(), time.perf_counter()
        process = subprocess.Popen(
            [*case.command, "--output", str(scratch)], stdout=subprocess.PIPE, text=True
        )
        peak = watch(process)
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        if process.returncode != 0 or not lines:
            raise SystemExit(f"{case.name} failed with exit code {process.returncode}")
        detail = json.loads(lines[-1])
        result.events = detail.pop("events")
        result.seconds.append(round(seconds, 3))
        result.cpu_seconds.append(round(children_cpu() - used, 3))
        result.peak_mib = max(result.peak_mib, round(peak / 2**20, 1))
        result.detail = detail
    shutil.rmtree(scratch, ignore_errors=True)
    return result


def watch(process: subprocess.Popen[str]) -> int:
    """Wait for the process to end; its greatest memory, children included, sampled ten times a second."""
    peak = 0
    ended = os.pidfd_open(
        process.pid
    )  # readable at once when it ends, where wait(timeout) looks now and then
    while process.poll() is None:
        try:
            parent = psutil.Process(process.pid)
            peak = max(
                peak, sum(one.memory_full_info().pss for one in [parent, *parent.children(recursive=True)])
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended while we looked
            pass
        select.select([ended], [], [], 0.1)
    os.close(ended)
    return peak


def children_cpu() -> float:
    """Processor seconds of all processes that this one has started and that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cases(scale: float) -> list[Case]:
    """What is measured. ``scale`` shrinks simulated time, never the number of users or of flows in flight."""

    def ours(**settings: object) -> list[str]:
        return [sys.executable, str(HERE / "run.py"), "--case", json.dumps(settings)]

    def minutes(of: float) -> str:
        return f"{max(of * scale, 1):g}m"

    by_hand = [sys.executable, str(HERE / "handwritten.py"), "--events", str(round(10_000_000 * scale))]
    crowd = {"n_flows": 5_000, "duration": minutes(84)}
    return [
        Case("handwritten", by_hand, repeat=3),
        Case("handwritten-defaults", [*by_hand, "--defaults"], repeat=3),
        Case("shop", ours(duration=minutes(68)), repeat=3),
        Case("shop-jsonl", ours(duration=minutes(68), format="jsonl")),
        Case("users-10k", ours(users=10_000, **crowd), repeat=3),
        Case("users-1m", ours(users=1_000_000, **crowd), repeat=3),
        Case("few-flows", ours(users=10_000, products=1_000, n_flows=3, time_step="1s",
                               duration=minutes(60 * 24 * 96))),
        Case("reference", ours(users=10_000, products=1_000, n_flows=1_000, duration=minutes(30),
                               engine="reference")),
        Case("startup", ours(users=10, products=10, n_flows=3, duration="1m"), repeat=3),
    ]  # fmt: skip


def run_shop(settings: dict[str, object], output: str) -> None:
    """In the measured process: build the shop, run it into ``output``, print what came of it."""
    from shop import make

    began = time.perf_counter()
    how = {name: settings.pop(name) for name in ("engine", "format") if name in settings}
    sim = make(**settings)  # type: ignore[arg-type]  # keywords come from the table in cases()
    report = sim.run(output, progress=False, **how)  # type: ignore[arg-type]  # the same
    seconds = time.perf_counter() - began
    size = sum(file.stat().st_size for file in Path(output).rglob("*") if file.is_file())
    found = {
        "events": report.total,
        "flows": dict(report.flows),
        "seconds_inside": round(seconds, 3),
        "bytes_per_event": round(size / max(report.total, 1), 1),
    }
    print(json.dumps(found))


def machine(*others: str) -> dict[str, object]:
    """What a reader must know to judge the figures; ``others``: packages whose versions matter as well."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    libraries = ("numpy", "polars", "pyarrow", "pydantic")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in (*libraries, *others)},
    }


def summary(results: dict[str, Result]) -> dict[str, object]:
    """The figures that are asked for, from whichever cases ran."""
    found: dict[str, object] = {}
    if "shop" in results:
        for base in ("handwritten", "handwritten-defaults"):
            if base in results:
                found[f"shop : {base}"] = round(results["shop"].per_second / results[base].per_second, 3)
    if {"users-10k", "users-1m"} <= results.keys():
        few, many = results["users-10k"], results["users-1m"]
        found["cost of an event at 1,000,000 : 10,000 users"] = round(few.per_second / many.per_second, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[], help="run only these cases")
    parser.add_argument("--scale", type=float, default=1.0, help="a fraction of the events")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        run_shop(options.case, options.output)
        return
    about, results = machine(), {}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(options.scale):
            if options.only and case.name not in options.only:
                continue
            result = measure(case, Path(folder, "out"))
            results[case.name] = result
            print(
                f"{case.name:22} {result.events:>11,} events  {min(result.seconds):8.2f} s  "
                f"{result.per_second:>11,.0f} events/s  {result.peak_mib:7,.0f} MiB",
                flush=True,
            )
    ratios = summary(results)
    for name, ratio in ratios.items():
        print(f"{name}: {ratio}")
    now = dt.datetime.now(tz=dt.UTC)
    options.results.mkdir(exist_ok=True)
    file = options.results / f"{now:%Y-%m-%d-%H%M}.json"
    file.write_text(json.dumps({"date": f"{now:%Y-%m-%d %H:%M} UTC", "machine": about, "scale": options.scale,
                                "summary": ratios, "results": [asdict(one) for one in results.values()]},
                               indent=1) + "\n")  # fmt: skip
    print(f"raw results: {file}")


if __name__ == "__main__":
    main()
