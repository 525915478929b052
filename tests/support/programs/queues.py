"""Random programs whose selections queue, and which let go of what they hold: `source_flows`, rewritten."""

from __future__ import annotations

import random
import re

from tests.support.programs.source_flows import module_text

_SELECTS = re.compile(r"^( +)(yield Select\(ctx, (\w+).*)\)$")
_WAITS = ('"1s"', '"2500ms"', '"7s"', "30")


def queue_text(seed: int) -> str:
    """The module of `module_text` with waits in some of its selections, and a `Release` here and there."""
    rng = random.Random(f"queues {seed}")
    lines = module_text(seed).split("\n")
    out: list[str] = []
    names: list[str] = []
    for line in lines:
        selects = _SELECTS.match(line)
        if selects is not None:
            names.append(selects[3])
        waits = selects is not None and rng.random() < 0.7
        out.append(f"{line[:-1]}, wait={rng.choice(_WAITS)})" if waits else line)
        emits = re.match(r"^( +)yield (?:NewEvent|AddDecay)\(.*\)$", line)
        if emits is not None and names and rng.random() < 0.25:
            out.append(f"{emits[1]}yield Release(ctx, {rng.choice(names)})")
    return "\n".join(["from deep_faker.actions import Release", *out])
