"""The end of a step: shared changes in the order of time, then the lists that the next step finds."""

from __future__ import annotations

from deep_faker.simulate.native.kernel.changes import (
    bring_row,
    collect,
    is_short,
    keep_start,
    once_more,
    row_of,
    settle_dual,
    start_again,
)
from deep_faker.simulate.native.kernel.jit import I, jit, pi64
from deep_faker.simulate.native.kernel.lists import Words, flip_step, heap_push, judge, relist
from deep_faker.simulate.native.kernel.shares import mark, weigh
from deep_faker.simulate.native.layout import *


@jit
def write_version(p: int, row: Words, P: Words) -> None:
    """The state of an entity after an entry of the log, as a version; there is room for it."""
    G, types, log = pi64(P[B_GLOBALS]), pi64(P[B_TYPES]), pi64(P[B_CHANGES])
    out = pi64(P[B_VERSIONS] + 8 * G[G_VERSIONS])
    e = log[p + CH_ENTITY] >> 40
    out[V_TYPE] = e
    out[V_NUMBER] = log[p + CH_ENTITY] & NUMBER
    out[V_CLOCK] = log[p + CH_CLOCK]
    out[V_FLOW] = log[p + CH_FLOW]
    out[V_ACTION] = log[p + CH_ACTION]
    out[V_EVENT] = log[p + CH_EVENT]
    stride = types[e * T_SIZE + T_STRIDE]
    for i in range(E_FIRST, stride):
        out[V_FIRST + i - E_FIRST] = row[i]
    G[G_VERSIONS] += V_FIRST + stride - E_FIRST


@jit
def settle_shared(P: Words) -> int:
    """Make the changes of shared entities (of all, where the history is kept) in the order of T9."""
    G, types, log, entries = pi64(P[B_GLOBALS]), pi64(P[B_TYPES]), pi64(P[B_CHANGES]), pi64(P[B_S1])
    count = G[G_CHANGES]
    if G[G_HISTORY] == 1:
        longest = I(0)
        for e in range(G[G_TYPES]):
            longest = max(longest, types[e * T_SIZE + T_STRIDE])
        if is_short(B_VERSIONS, G[G_VERSIONS] + count * (V_FIRST + longest), P):
            return ROOM
    for i in range(count):
        if i + 8 < count:
            bring_row(log[(i + 8) * CH_SIZE + CH_ENTITY], types)
        packed = log[i * CH_SIZE + CH_ENTITY]
        row = pi64(row_of(packed, types))
        linked = types[(packed >> 40) * T_SIZE + T_LOG]
        state = row[linked + L_SHARED]
        if state == 2 or (state == 0 and G[G_HISTORY] == 0):
            continue
        n = collect(row, linked, P)
        versions = G[G_VERSIONS]
        start_again(row, entries, n, log)
        for at in range(n):
            p = entries[at]
            if not once_more(row, p, log):
                G[G_TROUBLE] = p
                G[G_VERSIONS] = versions  # the entity's turn comes again
                return REPLAY
            if G[G_HISTORY] == 1:
                following = entries[at + 1] if at + 1 < n else I(-1)
                if (
                    following < 0
                    or log[following + CH_CLOCK] != log[p + CH_CLOCK]
                    or log[following + CH_FLOW] != log[p + CH_FLOW]
                    or log[following + CH_ACTION] != log[p + CH_ACTION]
                ):
                    write_version(p, row, P)
        row[linked + L_SHARED] = 2
    for i in range(count):
        keep_start(pi64(row_of(log[i * CH_SIZE + CH_ENTITY], types)), i * CH_SIZE, log)
    settle_dual(P, G[G_DUAL])
    G[G_CHANGES] = 0
    G[G_DUAL] = 0
    return NEXT


@jit
def settle_lists(P: Words) -> int:
    """The lists follow the entities that were touched, judged at the instant of the next step."""
    G, types, FT, FC = pi64(P[B_GLOBALS]), pi64(P[B_TYPES]), pi64(P[B_FILTERS]), pi64(P[B_CONDITIONS])
    touched, of_type = pi64(P[B_TOUCHED]), pi64(P[B_TYPE_FILTERS])
    flip_keys, flip_rows = pi64(P[B_FLIP_KEY]), pi64(P[B_FLIP_ROW])
    leave, enter, part, step = pi64(P[B_S1]), pi64(P[B_S2]), pi64(P[B_S4]), G[G_STEP]
    need = G[G_TOUCHED] * G[G_MOST_FILTERS]
    if is_short(B_S1, need, P) or is_short(B_FLIP_KEY, G[G_FLIPS] + need, P):
        return ROOM
    leaving, entering = 0, 0
    for i in range(G[G_TOUCHED]):
        if i + 4 < G[G_TOUCHED]:
            bring_row(touched[i + 4], types)
        packed = touched[i]
        e = packed >> 40
        row = pi64(row_of(packed, types))
        first = types[e * T_SIZE + T_FIRST_FILTER]
        for at in range(first, first + types[e * T_SIZE + T_FILTERS]):
            f = of_type[at]
            belongs = judge(row, f, FT, FC, G[G_T1])
            if belongs and FT[f * F_SIZE + F_WEIGHT] >= 0:
                weigh(row, packed, f, P)
                if row[FT[f * F_SIZE + F_POSITION]] >= 0:
                    mark(f, row[FT[f * F_SIZE + F_POSITION]], FT)
            if belongs != (row[FT[f * F_SIZE + F_POSITION]] >= 0):
                word = f << 40 | (packed & NUMBER)
                if belongs:
                    enter[entering] = word
                    entering += 1
                else:
                    leave[leaving] = word
                    leaving += 1
            flip = FT[f * F_SIZE + F_FLIP]
            if flip >= 0:
                due = flip_step(row, f, P, step + 1)
                if due != row[flip]:
                    row[flip] = due
                    if due < NEVER:
                        heap_push(flip_keys, flip_rows, G[G_FLIPS], due << 12 | f, packed)
                        G[G_FLIPS] += 1
    G[G_TOUCHED] = 0
    if leaving == 0 and entering == 0:
        return NEXT
    for f in range(G[G_FILTERS]):
        going, coming = 0, 0
        for i in range(leaving):
            if leave[i] >> 40 == f:
                part[going] = leave[i] & NUMBER
                going += 1
        for i in range(entering):
            if enter[i] >> 40 == f:
                part[going + coming] = enter[i] & NUMBER
                coming += 1
        if going > 0 or coming > 0:
            relist(f, part, going, pi64(P[B_S4] + 8 * going), coming, P)
    return NEXT
