"""Membership lists: which entities match a filter, and in what order a step offers them.

The rules are those of `deep_faker.simulate.columns.members`: lists change between steps only, removals fill
holes with the last members, insertions are appended in entity order, and a step reads them in a keyed random
order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.simulate.native.kernel.boundary import mix
from deep_faker.simulate.native.kernel.jit import I, flt, jit, pf64, pi64, prefetch, pu64
from deep_faker.simulate.native.kernel.orders import ordered_place, prepare_order
from deep_faker.simulate.native.kernel.shares import mark, race, race_pop, totals
from deep_faker.simulate.native.layout import (
    AVAILABLE,
    B_CONDITIONS,
    B_FILTERS,
    B_GLOBALS,
    B_KEYS,
    B_PERMUTATION,
    B_S3,
    B_TYPES,
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
    F_BOUNDS,
    F_CONDITIONS,
    F_CURSOR,
    F_EVER,
    F_FIRST_BOUND,
    F_FIRST_CONDITION,
    F_KEY,
    F_LENGTH,
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
    G_FILTERS,
    G_KEY_PICK,
    G_LENGTH,
    G_START,
    G_STEP,
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

Words = Any  # a pointer to words; numba knows its type
_INFINITE = float("inf")
_AHEAD, _RING = 12, 16
_EXPECTED = 2  # members of a list that most steps ask for


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
def look_up(f: int, places: int, P: Words) -> None:
    """Have the members at the first places of the step's keyed order in the ring, and their rows near."""
    FT, types = pi64(P[B_FILTERS]), pi64(P[B_TYPES])
    keys, ring = pu64(P[B_PERMUTATION] + 8 * f * PERM), pi64(P[B_PERMUTATION] + 8 * (f * PERM + RING))
    members = pi64(FT[f * F_SIZE + F_MEMBERS])
    n = FT[f * F_SIZE + F_LENGTH]
    if FT[f * F_SIZE + F_ORDERED] == 0:
        order(f, P)
    e, ahead = FT[f * F_SIZE + F_TYPE], FT[f * F_SIZE + F_AHEAD]
    rows, stride = types[e * T_SIZE + T_ROWS], types[e * T_SIZE + T_STRIDE]
    last = min(places, n)
    for at in range(ahead, last):
        place = ordered_place(keys, at, n)
        ring[at & (_RING - 1)] = place
        prefetch(FT[f * F_SIZE + F_MEMBERS] + 8 * place)
    for at in range(ahead, last):
        number = members[ring[at & (_RING - 1)]]
        ring[at & (_RING - 1)] = number
        prefetch(rows + 8 * number * stride)
        prefetch(rows + 8 * number * stride + 64)
    FT[f * F_SIZE + F_AHEAD] = max(ahead, last)


@jit
def order(f: int, P: Words) -> None:
    """Make ready the step's order of a list."""
    FT = pi64(P[B_FILTERS])
    FT[f * F_SIZE + F_ORDERED] = 1
    FT[f * F_SIZE + F_AHEAD] = 0
    prepare_order(pu64(P[B_PERMUTATION] + 8 * f * PERM), FT[f * F_SIZE + F_KEY], FT[f * F_SIZE + F_LENGTH])


@jit
def offered(f: int, at: int, P: Words) -> int:
    """The member at a place of the step's keyed order; places are asked for in that order.

    Those of the next places are looked up before they are asked for, so that their rows are near by then: few
    at first, as most steps of a world with few flows ask for one or two; then several together, as
    `flows.look_ahead` does.
    """
    FT = pi64(P[B_FILTERS])
    if FT[f * F_SIZE + F_ORDERED] == 0 or FT[f * F_SIZE + F_AHEAD] < at + 2:
        look_up(f, at + min(_AHEAD, at + 2), P)
    return pi64(P[B_PERMUTATION] + 8 * (f * PERM + RING))[at & (_RING - 1)]


@jit
def expect(P: Words) -> None:
    """At the end of a step: lists that it has asked will be asked by the next one, for members far from here.

    Where the first of them stand is brought near now, their rows when that step begins (`bring`).
    """
    FT, G = pi64(P[B_FILTERS]), pi64(P[B_GLOBALS])
    for f in range(G[G_FILTERS]):
        base = f * F_SIZE
        n = FT[base + F_LENGTH]
        if FT[base + F_STEP] == G[G_STEP] and FT[base + F_WEIGHT] < 0 and n > 0:
            begin(f, G[G_STEP] + 1, P)
            order(f, P)
            keys = pu64(P[B_PERMUTATION] + 8 * f * PERM)
            for at in range(min(n, _EXPECTED)):
                prefetch(FT[base + F_MEMBERS] + 8 * ordered_place(keys, at, n))


@jit
def bring(P: Words) -> None:
    """At the beginning of a step: the rows of the members that are `expect`ed, if it is the step after."""
    FT, G = pi64(P[B_FILTERS]), pi64(P[B_GLOBALS])
    for f in range(G[G_FILTERS]):
        if FT[f * F_SIZE + F_STEP] == G[G_STEP] and FT[f * F_SIZE + F_ORDERED] == 1:
            look_up(f, _EXPECTED, P)


@jit
def peek(f: int, P: Words) -> int:
    """The next member that nobody has taken in this step (the cursor stands on it), -1: there is none."""
    FT, G, types = pi64(P[B_FILTERS]), pi64(P[B_GLOBALS]), pi64(P[B_TYPES])
    base = f * F_SIZE
    step = G[G_STEP]
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
                prefetch(FT[base + F_MEMBERS] + 8 * row[position])
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
    FT[base + F_ORDERED] = 0  # an order that was made ready is that of another length


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
