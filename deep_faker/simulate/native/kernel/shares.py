"""Weights of a list: drawing in proportion, with and without taking (N9, `deep_faker.simulate.weights`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.simulate.native.kernel.boundary import mix
from deep_faker.simulate.native.kernel.exact import log, unit
from deep_faker.simulate.native.kernel.jit import I, flt, jit, pf64, pi64
from deep_faker.simulate.native.layout import (
    APART_TRIES,
    B_FILTERS,
    B_GLOBALS,
    B_TYPES,
    BLOCK,
    F_BLOCKS,
    F_FRESH,
    F_KEY,
    F_LENGTH,
    F_MARKS,
    F_MEMBERS,
    F_ORDERED,
    F_POSITION,
    F_RACE,
    F_RACE_LEFT,
    F_SIZE,
    F_STALE,
    F_TOTALS,
    F_TYPE,
    F_WEIGHT,
    F_WEIGHT_FLOAT,
    F_WEIGHT_NULL,
    G_UNFIT,
    T_ROWS,
    T_SIZE,
    T_STRIDE,
)

Words = Any  # a pointer to words; numba knows its type
_INFINITE = float("inf")


@jit
def weight_of(row: Words, f: int, FT: Words) -> float:
    """The weight of an entity as the step found it; null counts as zero."""
    null = FT[f * F_SIZE + F_WEIGHT_NULL]
    if null >= 0 and row[null] != 0:
        return 0.0
    word = row[FT[f * F_SIZE + F_WEIGHT]]
    return flt(word) if FT[f * F_SIZE + F_WEIGHT_FLOAT] == 1 else np.float64(word)


@jit
def weigh(row: Words, packed: int, f: int, P: Words) -> None:
    """Note an entity whose weight cannot be drawn by, the first of all."""
    G, FT = pi64(P[B_GLOBALS]), pi64(P[B_FILTERS])
    weight = weight_of(row, f, FT)
    if not (weight >= 0.0 and weight < _INFINITE) and (G[G_UNFIT] < 0 or packed < G[G_UNFIT]):
        G[G_UNFIT] = packed


@jit
def mark(f: int, place: int, FT: Words) -> None:
    """The weight at a place of the list is another one."""
    if FT[f * F_SIZE + F_WEIGHT] >= 0:
        pi64(FT[f * F_SIZE + F_MARKS])[place >> BLOCK] = 1
        FT[f * F_SIZE + F_STALE] = 1


@jit
def totals(f: int, P: Words) -> float:
    """The sum of a list's weights; they are cumulated in blocks, where something has changed."""
    FT, types = pi64(P[B_FILTERS]), pi64(P[B_TYPES])
    base = f * F_SIZE
    n = FT[base + F_LENGTH]
    sums, blocks, marks = pf64(FT[base + F_TOTALS]), pf64(FT[base + F_BLOCKS]), pi64(FT[base + F_MARKS])
    count = (n + (1 << BLOCK) - 1) >> BLOCK
    if FT[base + F_FRESH] == 0 or FT[base + F_STALE] == 1:
        e = FT[base + F_TYPE]
        rows, stride = types[e * T_SIZE + T_ROWS], types[e * T_SIZE + T_STRIDE]
        members = pi64(FT[base + F_MEMBERS])
        whole = 0.0
        for block in range(count):
            first = block << BLOCK
            last = min(n, first + (1 << BLOCK))
            if FT[base + F_FRESH] == 0 or marks[block] != 0:
                marks[block] = 0
                total = 0.0
                for i in range(first, last):
                    weight = weight_of(pi64(rows + 8 * members[i] * stride), f, FT)
                    total = total + weight if i > first else weight
                    sums[i] = total
            whole = whole + sums[last - 1] if block > 0 else sums[last - 1]
            blocks[block] = whole
        FT[base + F_FRESH] = 1
        FT[base + F_STALE] = 0
    return blocks[count - 1] if count > 0 else 0.0


@jit
def first_above(sums: Any, low: int, high: int, aim: float) -> int:
    """The first place whose sum is above the aim; of one that rounding has lifted, the last that counts."""
    end = high
    while low < high:
        middle = (low + high) >> 1
        if aim < sums[middle]:
            high = middle
        else:
            low = middle + 1
    if low == end:
        low -= 1
        while low > 0 and sums[low - 1] == sums[end - 1]:
            low -= 1
    return low


@jit
def share(f: int, u: Any, P: Words) -> int:
    """One member for a draw, used without being taken; -1: there is none."""
    FT = pi64(P[B_FILTERS])
    n = FT[f * F_SIZE + F_LENGTH]
    if n == 0:
        return -1
    members = pi64(FT[f * F_SIZE + F_MEMBERS])
    if FT[f * F_SIZE + F_WEIGHT] < 0:
        return members[I(unit(u) * np.float64(n))]
    total = totals(f, P)
    if not total > 0.0:
        return -1
    blocks = pf64(FT[f * F_SIZE + F_BLOCKS])
    aim = unit(u) * total
    block = first_above(blocks, I(0), (n + (1 << BLOCK) - 1) >> BLOCK, aim)
    rest = aim - (blocks[block - 1] if block > 0 else 0.0)
    inner = pf64(FT[f * F_SIZE + F_TOTALS] + 8 * (block << BLOCK))
    return members[(block << BLOCK) + first_above(inner, I(0), min(n - (block << BLOCK), 1 << BLOCK), rest)]


@jit
def share_apart(f: int, u: Any, which: Words, n: int, r: Words, P: Words) -> int:
    """One member that is none of those in ``n`` registers; -1: none is left (`deep_faker.simulate.apart`)."""
    FT, types = pi64(P[B_FILTERS]), pi64(P[B_TYPES])
    base = f * F_SIZE
    e, length, members = FT[base + F_TYPE], FT[base + F_LENGTH], pi64(FT[base + F_MEMBERS])
    rows, stride = types[e * T_SIZE + T_ROWS], types[e * T_SIZE + T_STRIDE]
    if FT[base + F_WEIGHT] < 0:
        left = length
        for i in range(n):
            if r[which[i]] >= 0 and pi64(rows + 8 * r[which[i]] * stride)[FT[base + F_POSITION]] >= 0:
                left -= 1
        if left <= 0:
            return -1
        place, last = I(unit(u) * np.float64(left)), I(-1)
        for _ in range(n):
            # the places of the others in ascending order: there are a handful
            least = length
            for i in range(n):
                if r[which[i]] >= 0:
                    at = pi64(rows + 8 * r[which[i]] * stride)[FT[base + F_POSITION]]
                    if last < at < least:
                        least = at
            if place >= least:
                place += 1
            last = least
        return members[place]
    for attempt in range(APART_TRIES):
        draw = u
        if attempt > 0:
            draw = mix(I(u), attempt, 0)
        found = share(f, draw, P)
        if found < 0 or not is_among(found, which, n, r):
            return found
    whole = 0.0
    for i in range(length):
        if not is_among(members[i], which, n, r):
            whole += weight_of(pi64(rows + 8 * members[i] * stride), f, FT)
    aim = unit(mix(I(u), APART_TRIES, 0)) * whole
    reached = 0.0
    for i in range(length):
        if not is_among(members[i], which, n, r):
            reached += weight_of(pi64(rows + 8 * members[i] * stride), f, FT)
        if reached > aim:
            return members[i]
    return -1


@jit
def is_among(number: int, which: Words, n: int, r: Words) -> bool:
    """Whether a number is in one of some registers."""
    for i in range(n):
        if r[which[i]] == number:
            return True
    return False


@jit
def race_sink(keys: Any, places: Words, at: int, n: int) -> None:
    """Put the entry at a place of the heap where it belongs below; equal keys go by place in the list."""
    key, place = keys[at], places[at]
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n:
            a, b = keys[child + 1], keys[child]
            if a < b or (a == b and places[child + 1] < places[child]):
                child += 1
        if keys[child] > key or (keys[child] == key and places[child] >= place):
            break
        keys[at] = keys[child]
        places[at] = places[child]
        at = child
    keys[at] = key
    places[at] = place


@jit
def race(f: int, P: Words) -> None:
    """All members with a weight as a heap by their race key: the next is drawn in proportion to weight."""
    FT, types = pi64(P[B_FILTERS]), pi64(P[B_TYPES])
    base = f * F_SIZE
    n = FT[base + F_LENGTH]
    members, keys = pi64(FT[base + F_MEMBERS]), pf64(FT[base + F_TOTALS])
    places = pi64(FT[base + F_RACE])
    e = FT[base + F_TYPE]
    rows, stride = types[e * T_SIZE + T_ROWS], types[e * T_SIZE + T_STRIDE]
    left = 0
    for i in range(n):
        weight = weight_of(pi64(rows + 8 * members[i] * stride), f, FT)
        if weight > 0.0:
            keys[left] = -log(1.0 - unit(mix(FT[base + F_KEY], members[i], 0))) / weight
            places[left] = i
            left += 1
    for at in range(left // 2 - 1, -1, -1):
        race_sink(keys, places, at, left)
    FT[base + F_RACE_LEFT] = left
    FT[base + F_ORDERED] = 1
    FT[base + F_FRESH] = 0  # the sums' room is used


@jit
def race_pop(f: int, FT: Words, keys: Any, places: Words) -> None:
    left = FT[f * F_SIZE + F_RACE_LEFT] - 1
    FT[f * F_SIZE + F_RACE_LEFT] = left
    keys[0] = keys[left]
    places[0] = places[left]
    race_sink(keys, places, 0, left)
