"""Flows of fixed chances as source text, drawn at random: what a formula can tell the chances of."""

from __future__ import annotations

import random


def chain_source(rng: random.Random) -> str:
    """The source of a generator function ``flow``, which may emit ``Left``, and never lets time pass."""
    lines = ["def flow(ctx):", "    user = ctx.get_entity(User)", "    n = 0", "    k = 0"]
    lines += _block(rng, 1, depth=2)
    lines += ["    if random.random() < 0.04 + user.mood / 20:", "        yield NewEvent(ctx, Left)"]
    return "\n".join(lines) + "\n"


def _block(rng: random.Random, level: int, depth: int) -> list[str]:
    out: list[str] = []
    for _ in range(rng.randint(1, 3)):
        out += _statement(rng, level, depth)
    return out


def _statement(rng: random.Random, level: int, depth: int) -> list[str]:
    pad = "    " * level
    chance = rng.choice([f"{rng.uniform(0.05, 0.9):.2f}", "user.mood", "user.mood * 0.5 + n / 20"])
    simple = [
        [f"{pad}yield NewEvent(ctx, Seen)"],
        [f"{pad}yield AddDecay(ctx, rate={rng.uniform(0.1, 0.6):.2f}, seconds=0)"],
        [f"{pad}k = random.choice([0, 1, 2])"],
    ]
    if depth == 0 or rng.random() < 0.4:
        return rng.choice(simple)
    inner = _block(rng, level + 1, depth - 1)
    kind = rng.randrange(4)
    if kind == 0:
        compare = rng.choice([f"random.random() < {chance}", f"{chance} <= random.random()", "k == 1"])
        return [f"{pad}if {compare}:", *inner, f"{pad}else:", *_block(rng, level + 1, depth - 1)]
    if kind == 1:
        return [f"{pad}n = 0", f"{pad}while n < {rng.randint(1, 3)}:", *inner, f"{pad}    n += 1"]
    if kind == 2:
        return [
            f"{pad}while random.random() < {rng.uniform(0.1, 0.6):.2f}:",
            *inner,
            f"{pad}    yield NewEvent(ctx, Seen)",
        ]
    return [f"{pad}if random.random() < 0.3:", f"{pad}    yield NewEvent(ctx, Left)", f"{pad}else:", *inner]
