"""Random programs on the native engine in its checked build, against numpy: a program of its own.

    DEEP_FAKER_NATIVE=checked python -m tests.support.native.checked FIRST COUNT

An access outside of its buffer is an `IndexError`, which no engine else raises: it shows as a difference.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from deep_faker.errors import DeepFakerError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for
from tests.support.programs.source_flows import module_text
from tests.support.programs.source_wild import wild_text


def difference(seed: int, folder: Path) -> str | None:
    """What the native engine makes differently of a program, with its text; None where it has no native form."""
    text = module_text(seed) if seed % 2 else wild_text(seed)
    try:
        sim = load_text(text, folder)
        plan = compiled(sim, history=seed % 3 > 0)
    except DeepFakerError:
        return None
    if "native" not in engines_for(plan):
        return None
    found = differences(*(tables(plan, sim.random_seed, name) for name in ("native", "numpy")), words=True)
    return "\n".join([f"program {seed}", *found, text]) if found else ""


def main(first: int, count: int) -> int:
    """Run programs until so many had a native form; the first that differs ends it."""
    seed, ran = first, 0
    with tempfile.TemporaryDirectory() as folder:
        while ran < count:
            found = difference(seed, Path(folder))
            if found:
                sys.stdout.write(found)
                return 1
            ran += found is not None
            seed += 1
    sys.stdout.write(f"{ran} programs agree\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
