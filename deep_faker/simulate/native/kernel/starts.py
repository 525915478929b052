"""The beginning of a step: which it is, whose truth changes with it, who is due, and who starts."""

from __future__ import annotations

from typing import Any

from deep_faker.simulate.native.kernel.boundary import mix
from deep_faker.simulate.native.kernel.changes import is_short, row_of, touch
from deep_faker.simulate.native.kernel.exact import below, unit
from deep_faker.simulate.native.kernel.jit import I, jit, pf64, pi64, pu64
from deep_faker.simulate.native.kernel.lists import (
    advance,
    any_left,
    flip_step,
    heap_pop,
    heap_push,
    judge,
    offers,
    peek,
    relist,
)
from deep_faker.simulate.native.kernel.shares import share, weigh
from deep_faker.simulate.native.layout import (
    AVAILABLE,
    B_CHAIN,
    B_CONDITIONS,
    B_FILTERS,
    B_FLIP_KEY,
    B_FLIP_ROW,
    B_FLOW_STARTS,
    B_FLOWS,
    B_FREE,
    B_GLOBALS,
    B_KEYS,
    B_LINKS,
    B_S1,
    B_S2,
    B_S4,
    B_S5,
    B_S6,
    B_SLOTS,
    B_TOUCHED,
    B_TYPES,
    B_UNMATCHED,
    B_WEIGHTS,
    B_WHEEL,
    DONE,
    E_FLAGS,
    E_HOLDER,
    E_TAKEN,
    F_FLIP,
    F_POSITION,
    F_SHARED,
    F_SIZE,
    F_TYPE,
    F_WEIGHT,
    FLOW_WORDS,
    G_ASIDE,
    G_CEILING,
    G_END,
    G_FLIPS,
    G_FLOWS,
    G_FREE,
    G_KEY_FLOW,
    G_KEY_ORDER,
    G_KEY_SELECT_START,
    G_KEY_START,
    G_LENGTH,
    G_NEED,
    G_NEXT_FLOW,
    G_PER_STEP,
    G_READY,
    G_RUNNING,
    G_SKIPPED,
    G_SLOT_WORDS,
    G_START,
    G_STEP,
    G_STEPS,
    G_T0,
    G_T1,
    G_TOUCHED,
    G_TYPES,
    G_WAITING,
    G_WAVE,
    G_WORK,
    N_DUE,
    N_NEXT,
    N_SIZE,
    NEVER,
    NEXT,
    NUMBER,
    ROOM,
    S_ACTION,
    S_BORN,
    S_CHAIN,
    S_CLOCK,
    S_DRAWS,
    S_EVENTS,
    S_FLOW,
    S_HELD,
    S_MARK,
    S_NUMBER,
    S_OWN_STEP,
    S_PC,
    S_PENDING,
    S_STARTED,
    S_TAKEN,
    S_WAVE,
    SLOTS,
    STOPPED,
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
def wanted_now(G: Words) -> int:
    """How many flows a step starts that begins now."""
    free = I(NEVER) if G[G_CEILING] < 0 else G[G_CEILING] - G[G_RUNNING]
    return free if G[G_PER_STEP] < 0 else min(G[G_PER_STEP], free)


@jit
def next_step(P: Words, stop: int) -> int:
    """Go to the next step in which anything can happen; the starts of those passed over are skipped."""
    G = pi64(P[B_GLOBALS])
    wheel, links, flips = pi64(P[B_WHEEL]), pi64(P[B_LINKS]), pi64(P[B_FLIP_KEY])
    flows, weights, starts = pi64(P[B_FLOWS]), pf64(P[B_WEIGHTS]), pi64(P[B_FLOW_STARTS])
    length = G[G_LENGTH]
    first = G[G_STEP] + 1
    ends_at = -((G[G_START] - G[G_END]) // length)  # the first step without starts
    wanted = wanted_now(G) if first < ends_at else I(0)
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
        if (wanted > 0 or G[G_RUNNING] > 0) and (G[G_RUNNING] > 0 or flip < ends_at):
            found = min(found, flip)
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


@jit
def can_serve(f: int, P: Words) -> bool:
    """Whether all start filters of a flow have somebody left."""
    flows, starts = pi64(P[B_FLOWS]), pi64(P[B_FLOW_STARTS])
    for i in range(flows[f * FLOW_WORDS + 3]):
        if not any_left(starts[flows[f * FLOW_WORDS + 2] + i], P):
            return False
    return True


@jit
def serve(f: int, place: int, got: Words, P: Words) -> bool:
    """The start at a place gets an entity of each filter of the flow; False: there are not enough."""
    G, FT, types = pi64(P[B_GLOBALS]), pi64(P[B_FILTERS]), pi64(P[B_TYPES])
    flows, starts, keys = pi64(P[B_FLOWS]), pi64(P[B_FLOW_STARTS]), pu64(P[B_KEYS])
    first, count = flows[f * FLOW_WORDS + 2], flows[f * FLOW_WORDS + 3]
    for i in range(count):
        q = starts[first + i]
        if FT[q * F_SIZE + F_SHARED] == 0 and peek(q, P) < 0:
            return False
    for i in range(count):
        q = starts[first + i]
        e = FT[q * F_SIZE + F_TYPE]
        if FT[q * F_SIZE + F_SHARED] == 1:
            u = mix(keys[G[G_KEY_SELECT_START] + i], G[G_STEP], place)
            got[place * G[G_TYPES] + e] = share(q, u, P) << 1 | 1
        else:
            number = peek(q, P)
            advance(q, P)
            pi64(row_of(e << 40 | number, types))[E_TAKEN] = G[G_STEP]
            got[place * G[G_TYPES] + e] = number << 1
    return True


@jit
def count_unmatched(open_: int, alive: Words, out: Words, P: Words) -> None:
    """So many starts that could not be the dead flows' own."""
    G, weights, unmatched = pi64(P[B_GLOBALS]), pf64(P[B_WEIGHTS]), pi64(P[B_UNMATCHED])
    for f in range(G[G_FLOWS]):
        if weights[f] > 0.0 and alive[f] == 0 and out[f] == 0:
            unmatched[f] += open_


@jit
def start(P: Words) -> int:
    """Serve the starts of a step in rounds: flows are chosen by weight among those that can start."""
    G, keys = pi64(P[B_GLOBALS]), pu64(P[B_KEYS])
    wanted = wanted_now(G)
    if G[G_T0] >= G[G_END] or wanted <= 0:
        return DONE
    if G[G_FREE] < wanted:
        G[G_NEED] = wanted
        return SLOTS
    taken = wanted * G[G_TYPES]
    if is_short(B_TOUCHED, G[G_TOUCHED] + taken, P) or is_short(
        B_CHAIN, 2 * (pi64(P[B_CHAIN])[1] + taken) + 8, P
    ):
        return ROOM
    flows, types_count, step = G[G_FLOWS], G[G_TYPES], G[G_STEP]
    weights = pf64(P[B_WEIGHTS])
    instants, chosen, open_, got = pi64(P[B_S1]), pi64(P[B_S2]), pi64(P[B_S4]), pi64(P[B_S5])
    alive, who, sums = pi64(P[B_S6]), pi64(P[B_S6] + 8 * flows), pf64(P[B_S6] + 16 * flows)
    rank, out, dead = pu64(P[B_S6] + 24 * flows), pi64(P[B_S6] + 32 * flows), pi64(P[B_S6] + 40 * flows)
    any_alive = False
    for f in range(flows):
        out[f] = 0
        dead[f] = 0
        alive[f] = 1 if weights[f] > 0.0 and can_serve(f, P) else 0
        any_alive = any_alive or alive[f] == 1
    count_unmatched(wanted, alive, out, P)
    if not any_alive:
        G[G_SKIPPED] += wanted
        return DONE
    for f in range(flows):
        out[f] = 1 - alive[f]
    for i in range(wanted):
        instants[i] = G[G_T0] + below(mix(keys[G[G_KEY_START]], step, i), G[G_LENGTH])
        chosen[i] = -1
        open_[i] = i
        for e in range(types_count):
            got[i * types_count + e] = -2
    sort_instants(instants, wanted)
    left = wanted
    turn = 0
    shuffle = mix(keys[G[G_KEY_ORDER]], step, 0)
    while left > 0 and any_alive:
        n = 0
        total = 0.0
        for f in range(flows):
            if alive[f] == 1:
                total = total + weights[f] if n > 0 else weights[f]
                sums[n] = total
                who[n] = f
                n += 1
        for i in range(left):
            j = 0
            if n > 1:
                aim = unit(mix(keys[G[G_KEY_FLOW] + turn], step, open_[i])) * total
                while j < n - 1 and not sums[j] > aim:
                    j += 1
            chosen[open_[i]] = -2 - who[j]
        for i in range(n):
            rank[i] = mix(I(shuffle), turn * 65536 + who[i], 0)
        for i in range(1, n):
            flow, key = who[i], rank[i]
            j = i
            while j > 0 and rank[j - 1] > key:
                who[j] = who[j - 1]
                rank[j] = rank[j - 1]
                j -= 1
            who[j] = flow
            rank[j] = key
        for a in range(n):
            f = who[a]
            for i in range(left):
                place = open_[i]
                if chosen[place] == -2 - f:
                    if not serve(f, place, got, P):
                        dead[f] = 1
                        break
                    chosen[place] = f
        still = 0
        for i in range(left):
            if chosen[open_[i]] < 0:
                open_[still] = open_[i]
                still += 1
        left = still
        if left > 0:
            any_alive = False
            for f in range(flows):
                was = alive[f]
                alive[f] = 1 if was == 1 and dead[f] == 0 and can_serve(f, P) else 0
                any_alive = any_alive or alive[f] == 1
                # who has gone in this round is counted below, and out from then on
                who[f] = was - alive[f]
            count_unmatched(left, alive, out, P)
            for f in range(flows):
                if who[f] == 1:
                    out[f] = 1
        turn += 1
    G[G_SKIPPED] += left
    for place in range(wanted):
        if chosen[place] >= 0:
            seat(chosen[place], instants[place], got, place, P)
    return DONE


@jit
def sort_instants(instants: Words, n: int) -> None:
    """Ascending; a shell sort, as they are already random and often few."""
    gap = n // 2
    while gap > 0:
        for i in range(gap, n):
            word = instants[i]
            j = i
            while j >= gap and instants[j - gap] > word:
                instants[j] = instants[j - gap]
                j -= gap
            instants[j] = word
        gap = 1 if gap == 2 else gap * 5 // 11


@jit
def seat(f: int, clock: int, got: Words, place: int, P: Words) -> None:
    """A flow begins, with what it was given."""
    G, types = pi64(P[B_GLOBALS]), pi64(P[B_TYPES])
    flows, free = pi64(P[B_FLOWS]), pi64(P[B_FREE])
    G[G_FREE] -= 1
    number = free[G[G_FREE]]
    slot = pi64(P[B_SLOTS] + 8 * number * G[G_SLOT_WORDS])
    flow = G[G_NEXT_FLOW]
    G[G_NEXT_FLOW] = flow + 1
    G[G_RUNNING] += 1
    slot[S_NUMBER] = flow
    slot[S_FLOW] = f
    slot[S_PC] = flows[f * FLOW_WORDS]
    slot[S_CLOCK] = clock
    slot[S_STARTED] = clock
    slot[S_ACTION] = 0
    slot[S_DRAWS] = 0
    slot[S_EVENTS] = 0
    slot[S_MARK] = 0
    slot[S_PENDING] = 0
    slot[S_WAVE] = 0
    slot[S_BORN] = -1
    slot[S_OWN_STEP] = -1
    slot[S_CHAIN] = 0
    slot[S_TAKEN] = 0
    for e in range(G[G_TYPES]):
        held = got[place * G[G_TYPES] + e]
        slot[S_HELD + e] = held
        if held >= 0 and held & 1 == 0:
            packed = e << 40 | held >> 1
            row = pi64(row_of(packed, types))
            row[E_FLAGS] &= ~AVAILABLE
            row[E_HOLDER] = flow
            touch(row, packed, P)
            take_node(packed, slot, P)
    pi64(P[B_LINKS])[number * N_SIZE + N_NEXT] = G[G_WORK]
    G[G_WORK] = number
