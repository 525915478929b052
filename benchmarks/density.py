"""What an event costs by how many flows are in flight, beside SimPy, bare generators and numpy by hand.

    python benchmarks/density.py                                  # everything, with few events
    python benchmarks/density.py --events 10_000_000 --events-of simpy=1_000_000 bare=1_000_000
    python benchmarks/density.py --only density --flows 3 320 --steps 1s --engines simpy vectorized

Every cell is a process of its own, run at two lengths.  The difference of the two is what an event costs;
what is left of the shorter one is the start (imports, compiling, pools of values, initial entities),
which is shown apart.  ``simpy`` and ``bare`` only make their events (``generators.py`` says what else
they leave out), all others write typed Parquet.  Engines that are not named here are deep_faker's own.
Raw results go to ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from run import Case, Result, children_cpu, machine, measure  # noqa: E402

from deep_faker.times import parse_duration  # noqa: E402

PARTS = ("density", "entities", "small")
GENERATORS = ("simpy", "bare", "simpy-parquet", "bare-parquet")
BY_HAND = "handwritten"
BASES = ("simpy", "simpy-parquet", "bare", BY_HAND)  # what ratios are taken to, where it ran

# What the shop's sessions are on average, at a pause of 25 s: 9.55 events in 234 s. A slot then waits for the
# next step and for an instant in it, together one step.
SESSION_EVENTS, SESSION_SECONDS = 9.55, 234.0
# A difference of two runs that is less than this, and than this part of the shorter one, says nothing.
LEAST_SECONDS, LEAST_PART = 0.1, 0.1


@dataclass
class Cost:
    """One cell: a longer and a shorter run, and what follows from both.

    Seconds are the best of all repetitions. What a tiny run leaves in the noise of starting is None.
    """

    engine: str
    flows: int | None  # None: knows no flows
    step: str | None
    entities: int
    long: Result
    short: Result
    load: float  # of the machine, when the cell began
    ratios: dict[str, float] = field(default_factory=dict)  # of rates
    cpu_ratios: dict[str, float] = field(default_factory=dict)  # of events a second of processor

    def _an_event(self, long: list[float], short: list[float]) -> float | None:
        more = self.long.events - self.short.events
        seconds = min(long) - min(short)
        noise = max(LEAST_SECONDS, LEAST_PART * min(short))
        return seconds / more if more > 0 and seconds >= noise else None

    def compare(self, name: str, base: Cost) -> None:
        """Keep by ``name`` how many times as fast this is as ``base``."""
        if self.per_second and base.per_second:
            self.ratios[name] = round(self.per_second / base.per_second, 3)
        if self.cpu_ns and base.cpu_ns:
            self.cpu_ratios[name] = round(base.cpu_ns / self.cpu_ns, 3)

    @property
    def per_second(self) -> float | None:
        """Events a second of wall clock, the start left out."""
        each = self._an_event(self.long.seconds, self.short.seconds)
        return None if each is None else 1.0 / each

    @property
    def cpu_ns(self) -> float | None:
        """Nanoseconds of all cores an event, the start left out."""
        each = self._an_event(self.long.cpu_seconds, self.short.cpu_seconds)
        return None if each is None else each * 1e9

    @property
    def start(self) -> float | None:
        """Seconds of wall clock that a run takes before it makes events, and after."""
        rate = self.per_second
        left = None if rate is None else min(self.short.seconds) - self.short.events / rate
        return left if left is not None and left > 0 else None  # the machine was busier in one of the runs

    def as_dict(self) -> dict[str, object]:
        found = {"per_second": self.per_second, "cpu_ns": self.cpu_ns, "start_seconds": self.start}
        found["whole_per_second"] = self.long.per_second
        return asdict(self) | {name: None if one is None else round(one, 3) for name, one in found.items()}


def seconds_of(step: str) -> float:
    return parse_duration(step, "--steps") / 1e6


def durations(events: int, flows: int, step: float) -> tuple[float, float]:
    """Simulated seconds of the longer run, which makes about ``events``, and of the shorter, a quarter of it.

    Each slot has two sessions at least in the longer and one in the shorter, so that a crowd is one: some
    1.2 million events at 60,000 flows. Both are whole steps: an end that cuts a step is a case of its own.
    """
    cycle = SESSION_SECONDS + step
    sessions = max(events / (flows * SESSION_EVENTS), 2.0)
    short, long = (max(math.ceil((count - 1.0) * cycle / step), 1) for count in (sessions / 4.0, sessions))
    return max(long, short + math.ceil(cycle / step)) * step, short * step


def usual(flows: int) -> int:
    """Events of a cell where nothing is said of them: a crowd needs some sessions of each slot."""
    return max(300_000, 50 * flows)


class Bench:
    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options = options
        self.scratch = scratch
        self.events_of: dict[str, int] = dict(options.events_of)

    def events(self, engine: str, flows: int) -> int:
        return self.events_of.get(engine) or self.options.events or usual(flows)

    def cost(self, engine: str, flows: int, step: str, users: int, events: int) -> Cost:
        """One cell of an engine of ours, or of generators."""
        load, name = os.getloadavg()[0], f"{engine}, {flows:,} flows, {step}"
        long, short = (
            self._measure(name, self._command(engine, flows, step, users, seconds))
            for seconds in durations(events, flows, seconds_of(step))
        )
        return Cost(engine, flows, step, users + users // 10, long, short, load)

    def by_hand(self) -> Cost:
        """It knows no flows and no steps: one cell for all, long, for a million events are over at once."""
        events = self.events_of.get(BY_HAND) or self.options.events or 10_000_000
        command, load = [sys.executable, str(HERE / "handwritten.py"), "--events"], os.getloadavg()[0]
        long, short = (
            self._measure(BY_HAND, [*command, str(count)]) for count in (events, max(events // 4, 1))
        )
        return Cost(BY_HAND, None, None, 550_000, long, short, load)

    def warm(self, engine: str) -> Result:
        """A handful of events first: what a cold cache costs is seen here, and in no cell."""
        duration, _ = durations(2_000, 3, 1.0)
        return self._measure(f"{engine}, first run", self._command(engine, 3, "1s", 10, duration), repeat=1)

    def _command(self, engine: str, flows: int, step: str, users: int, duration: float) -> list[str]:
        if engine in GENERATORS:
            told = {"flows": flows, "step": seconds_of(step), "duration": duration, "users": users,
                    "products": max(users // 10, 1)}  # fmt: skip
            words = [word for name, value in told.items() for word in (f"--{name}", f"{value}")]
            return [sys.executable, str(HERE / "generators.py"), engine, *words]
        settings = {"n_flows": flows, "time_step": step, "duration": duration, "users": users,
                    "products": max(users // 10, 1), "engine": engine}  # fmt: skip
        return [sys.executable, str(HERE / "run.py"), "--case", json.dumps(settings)]

    def _measure(self, name: str, command: list[str], repeat: int | None = None) -> Result:
        return measure(Case(name, command, repeat or self.options.repeat or 1), self.scratch / "out")


# ---------------------------------------------------------------- the three parts


def density(bench: Bench, costs: list[Cost]) -> None:
    """Every engine at every number of flows and every step, and the ratios of a row of the table."""
    options = bench.options
    for flows in options.flows:
        for step in options.steps:
            row: dict[str, Cost] = {}
            for engine in options.engines:
                # the hand-written program runs in every row: a shared machine's speed changes by the minute
                cost = (
                    bench.by_hand()
                    if engine == BY_HAND
                    else bench.cost(engine, flows, step, options.users, bench.events(engine, flows))
                )
                for name in BASES:
                    if name in row:
                        cost.compare(name, row[name])
                keep(cost, costs)
                row[engine] = cost


def entities(bench: Bench, costs: list[Cost]) -> None:
    """The cost of an event by how many entities there are: five thousand flows, steps of ten seconds.

    No more than two million events: in a longer run most of ten thousand users have spent so much that they
    are blocked, and the sessions are others.
    """
    few, *_ = counts = bench.options.entities
    flows = min(5_000, min(counts) // 2)
    for engine in own(bench.options.engines):
        first = None
        for count in counts:
            events = min(bench.events(engine, flows), 2_000_000)
            cost = bench.cost(engine, flows, "10s", count * 10 // 11, events)
            if first is None:
                first = cost
            else:
                cost.compare(f"the rate with {few:,}", first)
            keep(cost, costs)


def keep(cost: Cost, costs: list[Cost]) -> None:
    """Said as soon as it is known; the table on standard output comes last."""
    costs.append(cost)
    print(line(cost), file=sys.stderr, flush=True)


def small(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What one waits for all day long; seconds of processor and of wall clock, the best of some runs."""
    command = str(Path(sys.executable).with_name("deepfaker"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import deep_faker": [sys.executable, "-c", "import deep_faker"],
        "deepfaker --help": [command, "--help"],
    }
    for file in (HERE.parent / "examples" / "ecommerce.py", HERE / "shop.py"):
        commands[f"preview of 10 events, {file.name}"] = [command, "preview", str(file), "-n", "10"]
    found = {name: best(words, options.repeat or 5) for name, words in commands.items()}
    for engine in own(options.engines):
        done = subprocess.run(
            [sys.executable, __file__, "--collect", engine], stdout=subprocess.PIPE, text=True, check=True
        )
        for name, cost in json.loads(done.stdout).items():
            found[f"collect() of 10,000 events, 50 flows, 1 s steps, {engine}, {name}"] = cost
    return found


def best(command: list[str], times: int) -> dict[str, float]:
    """The least of several runs: processor seconds with those of its children, and wall clock."""
    runs = []
    for _ in range(times):
        used, began = children_cpu(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runs.append((children_cpu() - used, time.perf_counter() - began))
    cpu, wall = (round(min(column), 3) for column in zip(*runs))
    return {"cpu": cpu, "wall": wall}


def collect(engine: str) -> None:
    """In a process of its own: the first and the second ``collect()`` of a small world, imports left out."""
    from shop import make

    found = {}
    duration, _ = durations(10_000, 50, 1.0)
    for name in ("first", "second"):
        used, began = time.process_time() + children_cpu(), time.perf_counter()
        sim = make(users=10_000, products=1_000, n_flows=50, time_step="1s", duration=f"{duration:.0f}s")
        events = len(sim.collect(engine=engine, progress=False).events)
        cpu = time.process_time() + children_cpu() - used
        found[name] = {
            "cpu": round(cpu, 3), "wall": round(time.perf_counter() - began, 3), "events": events
        }  # fmt: skip
    print(json.dumps(found))


def own(engines: list[str]) -> list[str]:
    """Those that are deep_faker's."""
    return [name for name in engines if name not in (*GENERATORS, BY_HAND)]


# ---------------------------------------------------------------- what is said of it

HEAD = (
    f"{'flows':>7} {'step':>5} {'entities':>10}  {'engine':13} {'events':>10} {'events/s':>10} {'ns CPU':>8} "
    f"{'start s':>8} {'MiB':>6}  rate (by processor time)"
)


def line(cost: Cost) -> str:
    def number(value: float | None, style: str) -> str:
        return "-" if value is None else format(value, style)

    flows = "any" if cost.flows is None else f"{cost.flows:,}"
    ratios = "  ".join(
        f"{number(cost.ratios.get(name), '.2f')} ({number(cost.cpu_ratios.get(name), '.2f')}) of {name}"
        for name in cost.cpu_ratios | cost.ratios
    )
    return (
        f"{flows:>7} {cost.step or '-':>5} {cost.entities:>10,}  {cost.engine:13} {cost.long.events:>10,} "
        f"{number(cost.per_second, ',.0f'):>10} {number(cost.cpu_ns, ',.0f'):>8} "
        f"{number(cost.start, '.2f'):>8} {cost.long.peak_mib:>6,.0f}  {ratios}"
    ).rstrip()


def table(found: dict[str, list[Cost]], little: dict[str, dict[str, float]]) -> str:
    lines = []
    for part, costs in found.items():
        lines += [f"\n{part}", HEAD, *map(line, costs)] if costs else []
    if little:
        lines += ["\nsmall things: seconds of processor, of wall clock"]
        lines += [f"{one['cpu']:8.3f} {one['wall']:8.3f}  {name}" for name, one in little.items()]
    return "\n".join(lines)


def events_of(text: str) -> tuple[str, int]:
    engine, _, count = text.partition("=")
    return engine, int(count)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--flows", nargs="+", type=int, default=[3, 30, 320, 5_000, 60_000], help="at once")
    parser.add_argument("--steps", nargs="+", default=["1s", "5m"], help="time steps")
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["handwritten", "simpy", "bare", "simpy-parquet", "vectorized"],
        help=f"{BY_HAND}, {', '.join(GENERATORS)}, or deep_faker's own; ratios are to those named before",
    )
    parser.add_argument("--events", type=int, help="of a cell; by default 300,000, and 50 a flow at least")
    parser.add_argument(
        "--events-of", nargs="+", type=events_of, default=[], metavar="ENGINE=N", help="others for the slow"
    )
    parser.add_argument("--users", type=int, default=500_000, help="and a tenth of them products")
    parser.add_argument("--entities", nargs="+", type=int, default=[10_000, 10_000_000], help="of that part")
    parser.add_argument(
        "--repeat",
        type=int,
        help="the best of so many runs counts: by default one of a cell, five of small things",
    )
    parser.add_argument("--json", action="store_true", help="the raw results on standard output, no table")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--collect", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if "density" in options.only and max(options.flows) > options.users:
        parser.error(f"{max(options.flows):,} flows at once need as many users: --users is {options.users:,}")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    if options.collect:
        collect(options.collect)
        return
    about = machine(*(name for name in ("simpy", "numba") if find_spec(name)))
    now = dt.datetime.now(tz=dt.UTC)
    first: dict[str, Result] = {}
    found: dict[str, list[Cost]] = {"density": [], "entities": []}
    little: dict[str, dict[str, float]] = {}
    print(HEAD, file=sys.stderr)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(options, Path(folder))
            first |= {engine: bench.warm(engine) for engine in own(options.engines)}
            if "density" in options.only:
                density(bench, found["density"])
            if "entities" in options.only:
                entities(bench, found["entities"])
        if "small" in options.only:
            little = small(options)
    finally:  # what a long run has measured is kept, however it ends
        raw = {
            "date": f"{now:%Y-%m-%d %H:%M} UTC",
            "machine": about | {"load_after": os.getloadavg()[0]},
            "options": {
                key: value for key, value in vars(options).items() if key not in ("results", "collect")
            },
            "first_runs": {engine: asdict(one) for engine, one in first.items()},
            **{part: [cost.as_dict() for cost in costs] for part, costs in found.items()},
            "small": little,
        }
        options.results.mkdir(exist_ok=True)
        file = options.results / f"density-{now:%Y-%m-%d-%H%M}.json"
        file.write_text(json.dumps(raw, indent=1) + "\n")
        print(f"raw results: {file}", file=sys.stderr)
    print(json.dumps(raw, indent=1) if options.json else table(found, little))


if __name__ == "__main__":
    main()
