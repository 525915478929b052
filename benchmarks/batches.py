"""What batches cost beside a run into files, and whether their memory stays flat.

    python benchmarks/batches.py                    # 68 minutes of the shop: ten million events
    python benchmarks/batches.py --minutes 5 --repeat 3

Each case is a process of its own: processor seconds of all threads, rows handed over, and the resident memory
(MiB) at each tenth batch of 100,000 rows. Cases run in turn, round by round, so that a ratio is of one round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

CASES = {
    "parquet": "`sim.run(folder)`: typed Parquet, with sessions, final states and a manifest",
    "all": "`sim.batches()`: every column of every type",
    "type": "`sim.batches(ProductViewed)`: every column of one type",
    "column": '`sim.batches(ProductViewed, columns=["price"])`',
    "skipped": "`sim.batches().skip(10**9)`: the world alone, nothing drawn",
}


def resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def case(name: str, minutes: int) -> dict[str, object]:
    """One case, in this process."""
    sys.path.insert(0, str(Path(__file__).parent))
    import shop

    sim = shop.sim
    sim.change(duration=timedelta(minutes=minutes))
    before = time.process_time()
    rows, curve = 0, []
    if name == "parquet":
        with tempfile.TemporaryDirectory() as folder:
            rows = sum(sim.run(f"{folder}/out", progress=False).events.values())
    else:
        batches = {
            "all": sim.batches,
            "type": lambda: sim.batches(shop.ProductViewed),
            "column": lambda: sim.batches(shop.ProductViewed, columns=["price"]),
            "skipped": lambda: sim.batches().skip(10**9),
        }[name]()
        for number, batch in enumerate(batches):
            rows += batch.height
            if number % 10 == 0:
                curve.append(round(resident()))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "cpu": time.process_time() - before, "peak": round(peak), "curve": curve}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=68)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--case", choices=list(CASES))
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(case(asked.case, asked.minutes)))
        return
    for round_ in range(asked.repeat):
        for name in asked.cases:
            command = [sys.executable, __file__, "--case", name, "--minutes", str(asked.minutes)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(round_, name, done.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
