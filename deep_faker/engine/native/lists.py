"""Membership lists: which entities match a filter, and in what order a step offers them.

The rules are those of `deep_faker.engine.lists`: lists change between steps only, removals fill holes with
the last members, insertions are appended in entity order, and a step reads them in a keyed random order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.engine.native.boundary import mix
from deep_faker.engine.native.exact import log, unit
from deep_faker.engine.native.jit import I, flt, jit, pf64, pi64, prefetch, pu64
from deep_faker.engine.native.layout import (
    AVAILABLE,
    B_CONDITIONS,
    B_FILTERS,
    B_GLOBALS,
    B_KEYS,
    B_PERMUTATION,
    B_S3,
    B_TYPES,
    BLOCK,
    BY_BIT,
    BY_FLOAT,
    BY_FLOAT_INT,
    BY_INT_FLOAT,
    BY_NOW,
    BY_SET,
    C_SIZE,
    E_FLAGS,
    E_TAKEN,
    F_AHEAD,
    F_BLOCKS,
    F_BOUNDS,
    F_CONDITIONS,
    F_CURSOR,
    F_EVER,
    F_FIRST_BOUND,
    F_FIRST_CONDITION,
    F_FRESH,
    F_KEY,
    F_LENGTH,
    F_MARKS,
    F_MEMBERS,
    F_ORDERED,
    F_POSITION,
    F_RACE,
    F_RACE_LEFT,
    F_SHARED,
    F_SIZE,
    F_STALE,
    F_STEP,
    F_TOTALS,
    F_TYPE,
    F_WEIGHT,
    F_WEIGHT_FLOAT,
    F_WEIGHT_NULL,
    G_KEY_PICK,
    G_LENGTH,
    G_START,
    G_UNFIT,
    GREATER,
    GREATER_EQUAL,
    IN,
    IS,
    IS_NOT,
    IS_NULL,
    LESS,
    NEVER,
    NO_ONE,
    NOT_NULL,
    PERM,
    PUBLISHED,
    RING,
    T_ROWS,
    T_SIZE,
    T_STRIDE,
)
from deep_faker.engine.native.orders import ordered_place, prepare_order

Words = Any  # a pointer to words; numba knows its type
_INFINITE = float("inf")
_AHEAD, _RING = 8, 16


@jit
def compare_mixed(whole: int, real: float) -> int:
    """-1, 0, 1 as an int is below, equal to, above a float; 2: it is no number."""
    if real != real:
        return 2
    if real >= 9223372036854775808.0:
        return -1
    if real < -9223372036854775808.0:
        return 1
    floor = I(np.floor(real))
    if whole != floor:
        return -1 if whole < floor else 1
    return 0 if np.float64(floor) == real else -1


@jit
def matches(op: int, order: int) -> bool:
    """Whether a comparison holds of two values in that order (2: they have none)."""
    if op == IS:
        return order == 0
    if op == IS_NOT:
        return order != 0
    if order == 2:
        return False
    if op == GREATER:
        return order > 0
    if op == LESS:
        return order < 0
    if op == GREATER_EQUAL:
        return order >= 0
    return order <= 0


@jit
def order_of_words(a: int, b: int) -> int:
    return -1 if a < b else (1 if a > b else 0)


@jit
def order_of_floats(a: float, b: float) -> int:
    if a != a or b != b:
        return 2
    return -1 if a < b else (1 if a > b else 0)


@jit
def holds(kind: int, op: int, word: int, value: int, now: int) -> bool:
    """One condition on a value that is not None."""
    if kind == BY_FLOAT:
        return matches(op, order_of_floats(flt(word), flt(value)))
    if kind == BY_INT_FLOAT:
        return matches(op, compare_mixed(word, flt(value)))
    if kind == BY_FLOAT_INT:
        order = compare_mixed(value, flt(word))
        return matches(op, 2 if order == 2 else -order)
    if kind == BY_NOW:
        value += now
    return matches(op, order_of_words(word, value))


@jit
def judge(row: Words, f: int, FT: Words, FC: Words, now: int) -> bool:
    """Whether an entity belongs into the list of filter ``f``."""
    flags = row[E_FLAGS]
    if FT[f * F_SIZE + F_SHARED] == 1:
        if flags & PUBLISHED == 0:
            return False
    elif flags & AVAILABLE == 0:
        return False
    at = FT[f * F_SIZE + F_FIRST_CONDITION]
    for _ in range(FT[f * F_SIZE + F_CONDITIONS]):
        offset, null, kind, op = FC[at], FC[at + 1], FC[at + 2], FC[at + 3]
        missing = null >= 0 and row[null] != 0
        if op == IS_NULL:
            ok = missing
        elif op == NOT_NULL:
            ok = not missing
        elif op == NO_ONE:
            ok = False
        elif kind == BY_BIT:  # Python has judged it
            ok = row[offset] != 0
        elif kind == BY_SET:
            inside = missing and FC[at + 5] & 1 == 1  # None is one of them
            if not missing:
                words = pi64(FC[at + 4])
                for i in range(FC[at + 5] >> 1):
                    if words[i] == row[offset]:
                        inside = True
                        break
            ok = inside == (op == IN)
        elif missing:
            ok = op == IS_NOT
        else:
            ok = holds(kind, op, row[offset], FC[at + 4], now)
        if not ok:
            return False
        at += C_SIZE
    return True


@jit
def begin(f: int, step: int, P: Words) -> None:
    """A new step: the order of the list begins anew."""
    FT, G = pi64(P[B_FILTERS]), pi64(P[B_GLOBALS])
    keys = pu64(P[B_KEYS])
    FT[f * F_SIZE + F_STEP] = step
    FT[f * F_SIZE + F_CURSOR] = 0
    FT[f * F_SIZE + F_KEY] = I(mix(keys[G[G_KEY_PICK] + f], step, 0))
    FT[f * F_SIZE + F_ORDERED] = 0


@jit
def offered(f: int, at: int, P: Words) -> int:
    """The member at a place of the step's keyed order; places are asked for in that order.

    Those of the next places are looked up before they are asked for, so that their rows are near by then.
    """
    FT, types = pi64(P[B_FILTERS]), pi64(P[B_TYPES])
    keys, ring = pu64(P[B_PERMUTATION] + 8 * f * PERM), pi64(P[B_PERMUTATION] + 8 * (f * PERM + RING))
    members = pi64(FT[f * F_SIZE + F_MEMBERS])
    n = FT[f * F_SIZE + F_LENGTH]
    if FT[f * F_SIZE + F_ORDERED] == 0:
        FT[f * F_SIZE + F_ORDERED] = 1
        FT[f * F_SIZE + F_AHEAD] = 0
        prepare_order(keys, FT[f * F_SIZE + F_KEY], n)
    e, ahead = FT[f * F_SIZE + F_TYPE], FT[f * F_SIZE + F_AHEAD]
    rows, stride = types[e * T_SIZE + T_ROWS], types[e * T_SIZE + T_STRIDE]
    while ahead < min(at + _AHEAD, n):
        number = members[ordered_place(keys, ahead, n)]
        ring[ahead & (_RING - 1)] = number
        prefetch(rows + 8 * number * stride)
        ahead += 1
    FT[f * F_SIZE + F_AHEAD] = ahead
    return ring[at & (_RING - 1)]


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
    """The first place whose sum is above the aim; of an aim that rounding has lifted, the last that counts."""
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
def peek(f: int, P: Words) -> int:
    """The next member that nobody has taken in this step (the cursor stands on it), -1: there is none."""
    FT, G, types = pi64(P[B_FILTERS]), pi64(P[B_GLOBALS]), pi64(P[B_TYPES])
    base = f * F_SIZE
    step = G[0]
    if FT[base + F_STEP] != step:
        begin(f, step, P)
    e = FT[base + F_TYPE]
    rows, stride = types[e * T_SIZE + T_ROWS], types[e * T_SIZE + T_STRIDE]
    if FT[base + F_WEIGHT] >= 0:
        if FT[base + F_ORDERED] == 0:
            race(f, P)
        members, keys = pi64(FT[base + F_MEMBERS]), pf64(FT[base + F_TOTALS])
        places = pi64(FT[base + F_RACE])
        while FT[base + F_RACE_LEFT] > 0:
            number = members[places[0]]
            if pi64(rows + 8 * number * stride)[E_TAKEN] != step:
                return number
            race_pop(f, FT, keys, places)
        return -1
    n = FT[base + F_LENGTH]
    while FT[base + F_CURSOR] < n:
        number = offered(f, FT[base + F_CURSOR], P)
        if pi64(rows + 8 * number * stride)[E_TAKEN] != step:
            return number
        FT[base + F_CURSOR] += 1
    return -1


@jit
def race_pop(f: int, FT: Words, keys: Any, places: Words) -> None:
    left = FT[f * F_SIZE + F_RACE_LEFT] - 1
    FT[f * F_SIZE + F_RACE_LEFT] = left
    keys[0] = keys[left]
    places[0] = places[left]
    race_sink(keys, places, 0, left)


@jit
def advance(f: int, P: Words) -> None:
    """The member that `peek` gave is taken from the order."""
    FT = pi64(P[B_FILTERS])
    if FT[f * F_SIZE + F_WEIGHT] >= 0:
        race_pop(f, FT, pf64(FT[f * F_SIZE + F_TOTALS]), pi64(FT[f * F_SIZE + F_RACE]))
    else:
        FT[f * F_SIZE + F_CURSOR] += 1


@jit
def any_left(f: int, P: Words) -> bool:
    """Whether somebody could still have one."""
    FT = pi64(P[B_FILTERS])
    if FT[f * F_SIZE + F_SHARED] == 1:
        if FT[f * F_SIZE + F_LENGTH] == 0:
            return False
        return FT[f * F_SIZE + F_WEIGHT] < 0 or totals(f, P) > 0.0
    return peek(f, P) >= 0


@jit
def offers(f: int, P: Words) -> bool:
    """Whether the list could serve a start, before its step begins."""
    FT = pi64(P[B_FILTERS])
    if FT[f * F_SIZE + F_LENGTH] == 0:
        return False
    return FT[f * F_SIZE + F_WEIGHT] < 0 or totals(f, P) > 0.0


@jit
def sort_words(words: Words, n: int) -> None:
    """Ascending, in place: by insertion while few, else as a heap."""
    if n <= 24:
        for i in range(1, n):
            word = words[i]
            j = i
            while j > 0 and words[j - 1] > word:
                words[j] = words[j - 1]
                j -= 1
            words[j] = word
        return
    for start in range(n // 2 - 1, -1, -1):
        sink(words, start, n)
    for last in range(n - 1, 0, -1):
        word = words[last]
        words[last] = words[0]
        words[0] = word
        sink(words, 0, last)


@jit
def sink(words: Words, at: int, n: int) -> None:
    word = words[at]
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and words[child + 1] > words[child]:
            child += 1
        if words[child] <= word:
            break
        words[at] = words[child]
        at = child
    words[at] = word


@jit
def relist(f: int, leave: Words, leaving: int, enter: Words, entering: int, P: Words) -> None:
    """Members leave and enter, all of them distinct; ``enter`` is put in order."""
    FT, types = pi64(P[B_FILTERS]), pi64(P[B_TYPES])
    base = f * F_SIZE
    e = FT[base + F_TYPE]
    rows, stride = types[e * T_SIZE + T_ROWS], types[e * T_SIZE + T_STRIDE]
    members, position = pi64(FT[base + F_MEMBERS]), FT[base + F_POSITION]
    if leaving > 0:
        old = FT[base + F_LENGTH]
        n = old - leaving
        holes = pi64(P[B_S3])
        found = 0
        for i in range(leaving):
            if i + 4 < leaving:
                prefetch(rows + 8 * leave[i + 4] * stride)
            row = pi64(rows + 8 * leave[i] * stride)
            if row[position] < n:
                holes[found] = row[position]
                found += 1
            row[position] = -1
        sort_words(holes, found)
        hole = 0
        for i in range(n, old):
            row = pi64(rows + 8 * members[i] * stride)
            if row[position] >= 0:
                members[holes[hole]] = members[i]
                row[position] = holes[hole]
                mark(f, holes[hole], FT)
                hole += 1
        FT[base + F_LENGTH] = n
    if entering > 0:
        sort_words(enter, entering)
        n = FT[base + F_LENGTH]
        for i in range(entering):
            if i + 4 < entering:
                prefetch(rows + 8 * enter[i + 4] * stride)
            members[n + i] = enter[i]
            pi64(rows + 8 * enter[i] * stride)[position] = n + i
            mark(f, n + i, FT)
        FT[base + F_LENGTH] = n + entering
        FT[base + F_EVER] = 1
    FT[base + F_STALE] = 1


# ---------------------------------------------------------------- the calendar of Now()


@jit
def flip_step(row: Words, f: int, P: Words, after: int) -> int:
    """The first step later than ``after`` in which the truth of a bound that moves changes."""
    FT, FC, G = pi64(P[B_FILTERS]), pi64(P[B_CONDITIONS]), pi64(P[B_GLOBALS])
    soonest = I(NEVER)
    at = FT[f * F_SIZE + F_FIRST_BOUND]
    for _ in range(FT[f * F_SIZE + F_BOUNDS]):
        offset, null, added, strict = FC[at], FC[at + 1], FC[at + 2], FC[at + 3]
        at += C_SIZE
        if null >= 0 and row[null] != 0:
            continue
        since = row[offset] - added - G[G_START]
        length = G[G_LENGTH]
        due = since // length + 1 if strict == 1 else -((-since) // length)
        if after < due < soonest:
            soonest = due
    return soonest


@jit
def heap_push(keys: Words, rows: Words, n: int, key: int, row: int) -> None:
    """One more entry in a heap of ``n``."""
    at = n
    while at > 0:
        above = (at - 1) >> 1
        if keys[above] <= key:
            break
        keys[at] = keys[above]
        rows[at] = rows[above]
        at = above
    keys[at] = key
    rows[at] = row


@jit
def heap_pop(keys: Words, rows: Words, n: int) -> None:
    """The least entry goes."""
    n -= 1
    key, row = keys[n], rows[n]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[at] = keys[child]
        rows[at] = rows[child]
        at = child
    keys[at] = key
    rows[at] = row
