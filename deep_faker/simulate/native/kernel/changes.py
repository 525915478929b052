"""State changes: one at a time, and once more in the order of time where flows share an entity.

A type whose entities are changed by flows that do not hold them has its changes written down, each linked
to the one before it of the same entity, and of the same flow. Who holds an entity changes it at once as
well; at the step's end what was shared is made anew from the state that the step found (T9).
"""

from __future__ import annotations

from typing import Any

from deep_faker.simulate.native.kernel.intrinsics import add_checked, compiled, mul_checked, sub_checked
from deep_faker.simulate.native.kernel.jit import I, bits, flt, jit, pi64, prefetch
from deep_faker.simulate.native.layout import (
    B_CHANGES,
    B_DUAL,
    B_GLOBALS,
    B_S1,
    B_S2,
    B_TOUCHED,
    B_TYPES,
    CH_ACTION,
    CH_BEFORE,
    CH_CLOCK,
    CH_ENTITY,
    CH_FLOW,
    CH_KIND,
    CH_LIVE,
    CH_NULL,
    CH_NULLS,
    CH_ORDER,
    CH_OWN,
    CH_SIZE,
    CH_START,
    CH_VALUE,
    E_TOUCHED,
    G_CAPACITY,
    G_CHANGES,
    G_NEED,
    G_NEED_WORDS,
    G_STEP,
    G_TOUCHED,
    K_ADD_DATE,
    K_ADD_FLOAT,
    K_ADD_INT,
    K_ADD_TIME,
    K_BORN,
    K_IS,
    K_MAX_FLOAT,
    K_MAX_INT,
    K_MIN_FLOAT,
    K_MIN_INT,
    K_MUL_FLOAT,
    K_MUL_INT,
    K_PYTHON,
    K_SUB_DATE,
    K_SUB_FLOAT,
    K_SUB_INT,
    K_SUB_TIME,
    L_LAST,
    L_SHARED,
    L_STEP,
    NUMBER,
    S_OWN_LAST,
    S_OWN_STEP,
    T_LOG,
    T_ROWS,
    T_SIZE,
    T_STRIDE,
)
from deep_faker.times import EARLIEST, LATEST

Words = Any  # a pointer to words; numba knows its type
_DAY = 86_400_000_000
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # of Python's calendar, from 1970 on


@compiled
def add_overflows(a: int, b: int) -> bool:
    """Whether a sum leaves 64 bits."""
    return add_checked(a, b)[1]


@compiled
def subtract_overflows(a: int, b: int) -> bool:
    """Whether a difference leaves 64 bits."""
    return sub_checked(a, b)[1]


@compiled
def multiply_overflows(a: int, b: int) -> bool:
    """Whether a product leaves 64 bits."""
    return mul_checked(a, b)[1]


@jit
def row_of(packed: int, types: Words) -> int:
    """The address of an entity's words."""
    e = packed >> 40
    return types[e * T_SIZE + T_ROWS] + 8 * (packed & NUMBER) * types[e * T_SIZE + T_STRIDE]


@jit
def bring_row(packed: int, types: Words) -> None:
    """Have an entity's row brought near: its first two lines, in which most rows end."""
    address = row_of(packed, types)
    prefetch(address)
    prefetch(address + 64)


@jit
def is_short(which: int, need: int, P: Words) -> bool:
    """Whether a buffer has fewer words than are needed; Python is told."""
    G = pi64(P[B_GLOBALS])
    if need <= G[G_CAPACITY + which]:
        return False
    G[G_NEED] = which
    G[G_NEED_WORDS] = need
    return True


@jit
def touch(row: Words, packed: int, P: Words) -> None:
    """The entity's lists are looked at when the step is over."""
    G = pi64(P[B_GLOBALS])
    if row[E_TOUCHED] != G[G_STEP]:
        row[E_TOUCHED] = G[G_STEP]
        pi64(P[B_TOUCHED])[G[G_TOUCHED]] = packed
        G[G_TOUCHED] += 1


@jit
def cannot(kind: int, old: int, value: int) -> bool:
    """Whether only Python can tell what a change comes to: overflows, dates out of the calendar."""
    if kind == K_ADD_INT:
        return add_overflows(old, value)
    if kind == K_SUB_INT:
        return subtract_overflows(old, value)
    if kind == K_MUL_INT:
        return multiply_overflows(old, value)
    if kind == K_ADD_TIME or kind == K_SUB_TIME:
        if add_overflows(old, value) if kind == K_ADD_TIME else subtract_overflows(old, value):
            return True
        new = old + value if kind == K_ADD_TIME else old - value
        return new < EARLIEST or new > LATEST
    if kind == K_ADD_DATE or kind == K_SUB_DATE:
        days = value // _DAY
        new = old + days if kind == K_ADD_DATE else old - days
        return new < _FIRST_DAY or new > _LAST_DAY
    return kind >= K_PYTHON


@jit
def changed(kind: int, old: int, value: int) -> int:
    """What a change comes to, where `cannot` has no doubts."""
    if kind == K_IS:
        return value
    if kind == K_ADD_INT or kind == K_ADD_TIME:
        return old + value
    if kind == K_SUB_INT or kind == K_SUB_TIME:
        return old - value
    if kind == K_MUL_INT:
        return old * value
    if kind == K_MIN_INT:
        return value if value < old else old
    if kind == K_MAX_INT:
        return value if value > old else old
    if kind == K_ADD_FLOAT:
        return bits(flt(old) + flt(value))
    if kind == K_SUB_FLOAT:
        return bits(flt(old) - flt(value))
    if kind == K_MUL_FLOAT:
        return bits(flt(old) * flt(value))
    if kind == K_MIN_FLOAT:
        return value if flt(value) < flt(old) else old
    if kind == K_MAX_FLOAT:
        return value if flt(value) > flt(old) else old
    if kind == K_ADD_DATE:
        return old + value // _DAY
    return old - value // _DAY


@jit
def make(row: Words, live: int, null: int, kind: int, value: int, is_null: int) -> bool:
    """Change the words of a state field (``null`` -1: never None); False: Python must, nothing is done."""
    if kind == K_IS:
        row[live] = value
        if null >= 0:
            row[null] = is_null
        return True
    if null >= 0 and row[null] != 0:
        return False
    if cannot(kind, row[live], value):
        return False
    row[live] = changed(kind, row[live], value)
    return True


@jit
def write_down(
    row: Words,
    slot: Words,
    packed: int,
    live: int,
    start: int,
    kind: int,
    value: int,
    is_null: int,
    order: int,
    nulls: int,
    P: Words,
) -> int:
    """One more entry of the log of changes; its place. There is room for it."""
    G, log, types = pi64(P[B_GLOBALS]), pi64(P[B_CHANGES]), pi64(P[B_TYPES])
    step, at = G[G_STEP], G[G_CHANGES]
    linked = types[(packed >> 40) * T_SIZE + T_LOG]
    if row[linked + L_STEP] != step:
        row[linked + L_STEP] = step
        row[linked + L_LAST] = -1
        row[linked + L_SHARED] = 0
    if slot[S_OWN_STEP] != step:
        slot[S_OWN_STEP] = step
        slot[S_OWN_LAST] = -1
    p = at * CH_SIZE
    log[p + CH_BEFORE] = row[linked + L_LAST]
    log[p + CH_OWN] = slot[S_OWN_LAST]
    log[p + CH_ENTITY] = packed
    log[p + CH_LIVE] = live
    log[p + CH_START] = start
    log[p + CH_KIND] = kind
    log[p + CH_VALUE] = value
    log[p + CH_NULL] = is_null
    log[p + CH_ORDER] = order
    log[p + CH_NULLS] = nulls
    row[linked + L_LAST] = at
    slot[S_OWN_LAST] = at
    G[G_CHANGES] = at + 1
    return p


@jit
def own_view(slot: Words, packed: int, live: int, word: int, is_null: int, P: Words) -> int:
    """A field of a shared entity with the flow's own changes of this step, first to last.

    The place of its last change is given back as ``-1``: none could be made by the kernel. The result is in
    the first two words of the second scratch buffer.
    """
    log, found, out = pi64(P[B_CHANGES]), pi64(P[B_S1]), pi64(P[B_S2])
    count = 0
    at = slot[S_OWN_LAST]
    while at >= 0:
        p = at * CH_SIZE
        if log[p + CH_ENTITY] == packed and log[p + CH_LIVE] == live:
            found[count] = p
            count += 1
        at = log[p + CH_OWN]
    for i in range(count - 1, -1, -1):
        p = found[i]
        kind = log[p + CH_KIND]
        if kind == K_IS:
            word, is_null = log[p + CH_VALUE], log[p + CH_NULL]
        elif is_null != 0 or cannot(kind, word, log[p + CH_VALUE]):
            return -1
        else:
            word = changed(kind, word, log[p + CH_VALUE])
    out[0] = word
    out[1] = is_null
    return 0


@jit
def is_before(a: int, b: int, log: Words) -> bool:
    """Whether an entry comes before another in the order of T9."""
    for word in (CH_CLOCK, CH_FLOW, CH_ACTION, CH_ORDER):
        if log[a + word] != log[b + word]:
            return log[a + word] < log[b + word]
    return a < b


@jit
def in_time(entries: Words, n: int, log: Words) -> None:
    """Entries of the log in the order of T9, in place."""
    if n <= 24:
        for i in range(1, n):
            entry = entries[i]
            j = i
            while j > 0 and is_before(entry, entries[j - 1], log):
                entries[j] = entries[j - 1]
                j -= 1
            entries[j] = entry
        return
    for start in range(n // 2 - 1, -1, -1):
        _sink(entries, start, n, log)
    for last in range(n - 1, 0, -1):
        entry = entries[last]
        entries[last] = entries[0]
        entries[0] = entry
        _sink(entries, 0, last, log)


@jit
def _sink(entries: Words, at: int, n: int, log: Words) -> None:
    entry = entries[at]
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and is_before(entries[child], entries[child + 1], log):
            child += 1
        if not is_before(entry, entries[child], log):
            break
        entries[at] = entries[child]
        at = child
    entries[at] = entry


@jit
def collect(row: Words, linked: int, P: Words) -> int:
    """The entries of one entity in this step, in the order of T9, in the first scratch buffer; how many."""
    log, entries = pi64(P[B_CHANGES]), pi64(P[B_S1])
    count = 0
    at = row[linked + L_LAST]
    while at >= 0:
        entries[count] = at * CH_SIZE
        count += 1
        at = log[at * CH_SIZE + CH_BEFORE]
    for i in range(count // 2):  # as they were written: nearly in order
        entry = entries[i]
        entries[i] = entries[count - 1 - i]
        entries[count - 1 - i] = entry
    in_time(entries, count, log)
    return count


@jit
def start_again(row: Words, entries: Words, count: int, log: Words) -> None:
    """The fields that these entries change are as the step found them."""
    for i in range(count):
        p = entries[i]
        if log[p + CH_KIND] != K_BORN:
            row[log[p + CH_LIVE]] = row[log[p + CH_START]]
            if log[p + CH_NULLS] >= 0:
                row[log[p + CH_NULLS] >> 20] = row[log[p + CH_NULLS] & 0xFFFFF]


@jit
def once_more(row: Words, p: int, log: Words) -> bool:
    """Make the change of one entry; False: Python must."""
    if log[p + CH_KIND] == K_BORN:
        return True
    null = log[p + CH_NULLS] >> 20 if log[p + CH_NULLS] >= 0 else I(-1)
    return make(row, log[p + CH_LIVE], null, log[p + CH_KIND], log[p + CH_VALUE], log[p + CH_NULL])


@jit
def keep_start(row: Words, p: int, log: Words) -> None:
    """What others see of a changed field is what it has come to."""
    if log[p + CH_KIND] != K_BORN:
        row[log[p + CH_START]] = row[log[p + CH_LIVE]]
        if log[p + CH_NULLS] >= 0:
            row[log[p + CH_NULLS] & 0xFFFFF] = row[log[p + CH_NULLS] >> 20]


@jit
def settle_dual(P: Words, count: int) -> None:
    """The start view follows fields that holders alone have changed: (entity, live, start) each."""
    dual, types = pi64(P[B_DUAL]), pi64(P[B_TYPES])
    for i in range(0, count, 3):
        row = pi64(row_of(dual[i], types))
        row[dual[i + 2]] = row[dual[i + 1]]
