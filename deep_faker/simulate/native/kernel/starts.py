"""The beginning of a step: which it is, whose truth changes with it, who is due, and who starts."""

from __future__ import annotations

from typing import Any

from deep_faker.simulate.native.kernel.changes import row_of
from deep_faker.simulate.native.kernel.jit import I, jit, pf64, pi64
from deep_faker.simulate.native.kernel.lists import (
    flip_step,
    heap_pop,
    heap_push,
    judge,
    offers,
    relist,
)
from deep_faker.simulate.native.kernel.shares import weigh
from deep_faker.simulate.native.layout import (
    A_CLOCK,
    ARRIVE,
    B_ARRIVALS,
    B_CHAIN,
    B_CLOCKS,
    B_CONDITIONS,
    B_FILTERS,
    B_FLIP_KEY,
    B_FLIP_ROW,
    B_FLOW_STARTS,
    B_FLOWS,
    B_GLOBALS,
    B_LINKS,
    B_S1,
    B_S2,
    B_S4,
    B_TYPES,
    B_UNMATCHED,
    B_WEIGHTS,
    B_WHEEL,
    BIRTH,
    DONE,
    F_FLIP,
    F_POSITION,
    F_SIZE,
    F_WEIGHT,
    FLOW_WORDS,
    G_ARRIVAL,
    G_ARRIVAL_WORDS,
    G_ARRIVALS,
    G_ASIDE,
    G_CEILING,
    G_CLOCKS,
    G_END,
    G_FLIPS,
    G_FLOWS,
    G_KNOWN,
    G_LENGTH,
    G_PER_STEP,
    G_READY,
    G_RUNNING,
    G_SKIPPED,
    G_START,
    G_STEP,
    G_STEPS,
    G_STIRRED,
    G_T0,
    G_T1,
    G_TRIGGER_DUE,
    G_WAITERS,
    G_WAITING,
    G_WAVE,
    G_WORK,
    K_COUNT,
    K_FIRST,
    K_GAPS,
    K_SEEN,
    K_SIZE,
    K_SOONEST,
    K_TYPE,
    N_DUE,
    N_NEXT,
    N_SIZE,
    NEVER,
    NEXT,
    NUMBER,
    S_CHAIN,
    S_TAKEN,
    STOPPED,
    T_BIRTHS,
    T_COUNT,
    T_SIZE,
    WHEEL,
)

Words = Any  # a pointer to words; numba knows its type


@jit
def take_node(packed: int, slot: Words, P: Words) -> None:
    """The flow has taken one more entity; there is a node for it."""
    chain = pi64(P[B_CHAIN])
    node = chain[0]  # of the spare ones; the next fresh one is beside it
    if node > 0:
        chain[0] = chain[2 * node + 1]
    else:
        node = chain[1]
        chain[1] = node + 1
    chain[2 * node] = packed
    chain[2 * node + 1] = slot[S_CHAIN]
    slot[S_CHAIN] = node
    slot[S_TAKEN] += 1


@jit
def wanted_now(G: Words, arriving: int) -> int:
    """How many flows a step starts that begins now, beside so many that arrive."""
    free = I(NEVER) if G[G_CEILING] < 0 else G[G_CEILING] - G[G_RUNNING] - arriving
    return free if G[G_PER_STEP] < 0 else min(G[G_PER_STEP], free)


@jit
def newly_born(P: Words) -> int:
    """The first step in which the clock of an entity is due of which Python has not heard; -1: ask it now."""
    G, types, clocks = pi64(P[B_GLOBALS]), pi64(P[B_TYPES]), pi64(P[B_CLOCKS])
    soonest = I(NEVER)
    for i in range(G[G_CLOCKS]):
        at = i * K_SIZE
        e, seen = clocks[at + K_TYPE], clocks[at + K_SEEN]
        count, first = types[e * T_SIZE + T_COUNT], clocks[at + K_FIRST]
        if count > seen:
            if count > first + clocks[at + K_COUNT]:
                return -1
            gaps, births = pi64(clocks[at + K_GAPS]), pi64(types[e * T_SIZE + T_BIRTHS])
            while seen < count:
                due = births[seen * BIRTH + 3] + gaps[seen - first]
                if due < G[G_END]:
                    step = max((due - G[G_START]) // G[G_LENGTH], G[G_STEP] + 1)
                    clocks[at + K_SOONEST] = min(clocks[at + K_SOONEST], step)
                seen += 1
            clocks[at + K_SEEN] = count
        soonest = min(soonest, clocks[at + K_SOONEST])
    return soonest


@jit
def next_step(P: Words, stop: int) -> int:
    """Go to the next step in which anything can happen; the starts of those passed over are skipped."""
    G = pi64(P[B_GLOBALS])
    following = G[G_ARRIVAL] + G[G_WAITERS]
    if following == G[G_ARRIVALS] and G[G_KNOWN] < NEVER:
        return ARRIVE
    soonest = newly_born(P) if G[G_CLOCKS] > 0 else I(NEVER)
    if soonest < 0:
        return ARRIVE
    soonest = min(soonest, G[G_TRIGGER_DUE])
    wheel, links, flips = pi64(P[B_WHEEL]), pi64(P[B_LINKS]), pi64(P[B_FLIP_KEY])
    flows, weights, starts = pi64(P[B_FLOWS]), pf64(P[B_WEIGHTS]), pi64(P[B_FLOW_STARTS])
    length = G[G_LENGTH]
    first = G[G_STEP] + 1
    ends_at = -((G[G_START] - G[G_END]) // length)  # the first step without starts
    wanted = wanted_now(G, I(0)) if first < ends_at else I(0)
    arrival = I(NEVER)
    if following < G[G_ARRIVALS]:
        arrival = (pi64(P[B_ARRIVALS])[G[G_ARRIVAL_WORDS] * following + A_CLOCK] - G[G_START]) // length
    if G[G_WAITERS] > 0 and G[G_STIRRED] == 1 and first < ends_at:
        arrival = first
    can_start = False
    if wanted > 0:
        for f in range(G[G_FLOWS]):
            if weights[f] > 0.0 and not can_start:
                can_start = True
                for i in range(flows[f * FLOW_WORDS + 3]):
                    if not offers(starts[flows[f * FLOW_WORDS + 2] + i], P):
                        can_start = False
                        break
    found = I(NEVER)
    if can_start:
        found = first
    else:
        flip = max(flips[0] >> 12, first) if G[G_FLIPS] > 0 else I(NEVER)
        if G[G_RUNNING] > 0:
            limit = min(first + WHEEL, flip)
            at = first
            far = I(NEVER)
            while at < limit and found == NEVER:
                slot = wheel[at & (WHEEL - 1)]
                while slot >= 0:
                    due = links[slot * N_SIZE + N_DUE]
                    if due == at:
                        found = at
                        break
                    far = min(far, due)
                    slot = links[slot * N_SIZE + N_NEXT]
                at += 1
            if found == NEVER and at >= first + WHEEL:
                found = far
        if wanted > 0 or G[G_RUNNING] > 0 or arrival < NEVER or soonest < NEVER:
            if G[G_RUNNING] > 0 or flip < ends_at:
                found = min(found, flip)
        found = min(found, arrival, soonest)
    if found >= soonest and soonest < NEVER:
        return ARRIVE
    passed = min(found, stop)
    if wanted > 0:
        jumped = wanted * max(I(0), min(passed, ends_at) - first)
        G[G_SKIPPED] += jumped
        unmatched = pi64(P[B_UNMATCHED])
        for f in range(G[G_FLOWS]):
            if weights[f] > 0.0:
                unmatched[f] += jumped
    if found == NEVER or found >= stop:
        if passed != NEVER or wanted > 0:
            G[G_STEP] = max(G[G_STEP], min(passed, ends_at) - 1)
        return DONE if found == NEVER else STOPPED
    G[G_STEP] = found
    G[G_STEPS] += 1
    G[G_T0] = G[G_START] + found * length
    G[G_T1] = G[G_T0] + length
    G[G_WORK] = -1
    G[G_WAVE] = 0
    G[G_WAITING] = 0
    G[G_ASIDE] = 0
    G[G_READY] = 0
    G[G_STIRRED] = 0
    return NEXT


@jit
def calendar(P: Words) -> None:
    """Judge the entities whose truth may change at this step's instant, filter by filter."""
    G, FT, FC = pi64(P[B_GLOBALS]), pi64(P[B_FILTERS]), pi64(P[B_CONDITIONS])
    keys, rows, types = pi64(P[B_FLIP_KEY]), pi64(P[B_FLIP_ROW]), pi64(P[B_TYPES])
    leave, enter = pi64(P[B_S1]), pi64(P[B_S2])
    again = pi64(P[B_S4])
    step = G[G_STEP]
    while G[G_FLIPS] > 0 and keys[0] >> 12 <= step:
        f = keys[0] & 0xFFF
        leaving, entering, judged = 0, 0, 0
        while G[G_FLIPS] > 0 and keys[0] >> 12 <= step and keys[0] & 0xFFF == f:
            packed = rows[0]
            heap_pop(keys, rows, G[G_FLIPS])
            G[G_FLIPS] -= 1
            row = pi64(row_of(packed, types))
            if row[FT[f * F_SIZE + F_FLIP]] != step:
                continue  # it has changed since, and has another entry
            row[FT[f * F_SIZE + F_FLIP]] = NEVER
            again[judged] = packed
            judged += 1
            belongs = judge(row, f, FT, FC, G[G_T0])
            if belongs and FT[f * F_SIZE + F_WEIGHT] >= 0:
                weigh(row, packed, f, P)
            if belongs != (row[FT[f * F_SIZE + F_POSITION]] >= 0):
                if belongs:
                    enter[entering] = packed & NUMBER
                    entering += 1
                else:
                    leave[leaving] = packed & NUMBER
                    leaving += 1
        if leaving > 0 or entering > 0:
            relist(f, leave, leaving, enter, entering, P)
        for i in range(judged):
            row = pi64(row_of(again[i], types))
            due = flip_step(row, f, P, step)
            row[FT[f * F_SIZE + F_FLIP]] = due
            if due < NEVER:
                heap_push(keys, rows, G[G_FLIPS], due << 12 | f, again[i])
                G[G_FLIPS] += 1


@jit
def take_due(P: Words) -> None:
    """The flows whose clock lies in this step are the first of its work."""
    G, wheel, links = pi64(P[B_GLOBALS]), pi64(P[B_WHEEL]), pi64(P[B_LINKS])
    step = G[G_STEP]
    bucket = step & (WHEEL - 1)
    slot = wheel[bucket]
    keep, work = I(-1), G[G_WORK]
    while slot >= 0:
        at = slot * N_SIZE
        following = links[at + N_NEXT]
        if links[at + N_DUE] == step:
            links[at + N_NEXT] = work
            work = slot
        else:
            links[at + N_NEXT] = keep
            keep = slot
        slot = following
    wheel[bucket] = keep
    G[G_WORK] = work
