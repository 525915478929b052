"""Who starts in a step: the arrivals of flows that have a rate, and flows that take free places."""

from __future__ import annotations

from typing import Any

from deep_faker.simulate.native.kernel.boundary import counted_from, mix
from deep_faker.simulate.native.kernel.changes import is_short, row_of, touch
from deep_faker.simulate.native.kernel.exact import below, unit
from deep_faker.simulate.native.kernel.jit import I, jit, pf64, pi64, pu64
from deep_faker.simulate.native.kernel.lists import advance, any_left, peek
from deep_faker.simulate.native.kernel.shares import share
from deep_faker.simulate.native.kernel.starts import take_node, wanted_now
from deep_faker.simulate.native.layout import (
    A_CLOCK,
    A_ENTITY,
    A_FLOW,
    A_WORD,
    ARRIVING,
    AVAILABLE,
    B_ARRIVALS,
    B_CHAIN,
    B_FILTERS,
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
    DONE,
    E_FLAGS,
    E_HOLDER,
    E_TAKEN,
    F_POSITION,
    F_SHARED,
    F_SIZE,
    F_TYPE,
    FLOW_WORDS,
    G_ARRIVAL,
    G_ARRIVAL_WORDS,
    G_ARRIVALS,
    G_CEILING,
    G_END,
    G_FLOWS,
    G_FREE,
    G_KEY_FLOW,
    G_KEY_ORDER,
    G_KEY_SELECT_ARRIVAL,
    G_KEY_SELECT_START,
    G_KEY_START,
    G_LENGTH,
    G_NEED,
    G_NEXT_FLOW,
    G_RUNNING,
    G_SKIPPED,
    G_SLOT_WORDS,
    G_STEP,
    G_T0,
    G_T1,
    G_TOUCHED,
    G_TYPES,
    G_WAITERS,
    G_WORK,
    N_NEXT,
    N_SIZE,
    PUBLISHED,
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
    S_WAITED,
    S_WAVE,
    S_WORD,
    SLOTS,
)

Words = Any  # a pointer to words; numba knows its type
AWAY, SERVED, BUSY = range(3)  # how a call goes
WAITS = -3  # what is chosen for an arrival that waits


@jit
def can_serve(f: int, P: Words) -> bool:
    """Whether all start filters of a flow have somebody left."""
    flows, starts = pi64(P[B_FLOWS]), pi64(P[B_FLOW_STARTS])
    for i in range(flows[f * FLOW_WORDS + 3]):
        if not any_left(starts[flows[f * FLOW_WORDS + 2] + i], P):
            return False
    return True


@jit
def serve(f: int, place: int, key: int, a: int, b: int, got: Words, P: Words) -> bool:
    """The start at a place gets an entity of each filter of the flow; False: there are not enough.

    What it shares is drawn by the counters ``a`` and ``b`` under the keys from ``key`` on, one a filter.
    """
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
            u = mix(keys[key + i], a, b)
            got[place * G[G_TYPES] + e] = share(q, u, P) << 1 | 1
        else:
            number = peek(q, P)
            advance(q, P)
            pi64(row_of(e << 40 | number, types))[E_TAKEN] = G[G_STEP]
            got[place * G[G_TYPES] + e] = number << 1
    return True


@jit
def call(f: int, place: int, at: int, got: Words, P: Words) -> int:
    """The start at a place gets those that the arrival at word ``at`` names, if all match and are free."""
    G, FT, types, words = pi64(P[B_GLOBALS]), pi64(P[B_FILTERS]), pi64(P[B_TYPES]), pi64(P[B_ARRIVALS])
    flows, starts = pi64(P[B_FLOWS]), pi64(P[B_FLOW_STARTS])
    first, count = flows[f * FLOW_WORDS + 2], flows[f * FLOW_WORDS + 3]
    how = SERVED
    for i in range(count):
        q, number = starts[first + i], words[at + A_ENTITY + i]
        if number < 0:
            return AWAY
        row = pi64(row_of(FT[q * F_SIZE + F_TYPE] << 40 | number, types))
        shared, listed = FT[q * F_SIZE + F_SHARED] == 1, row[FT[q * F_SIZE + F_POSITION]] >= 0
        if not listed and row[E_FLAGS] & (PUBLISHED if shared else AVAILABLE) != 0:
            return AWAY  # it does not match
        if not listed or (not shared and row[E_TAKEN] == G[G_STEP]):
            how = BUSY
    if how == SERVED:
        for i in range(count):
            q, number = starts[first + i], words[at + A_ENTITY + i]
            e = FT[q * F_SIZE + F_TYPE]
            got[place * G[G_TYPES] + e] = number << 1 | FT[q * F_SIZE + F_SHARED]
            if FT[q * F_SIZE + F_SHARED] == 0:
                pi64(row_of(e << 40 | number, types))[E_TAKEN] = G[G_STEP]
    return how


@jit
def count_unmatched(open_: int, alive: Words, out: Words, P: Words) -> None:
    """So many starts that could not be the dead flows' own."""
    G, weights, unmatched = pi64(P[B_GLOBALS]), pf64(P[B_WEIGHTS]), pi64(P[B_UNMATCHED])
    for f in range(G[G_FLOWS]):
        if weights[f] > 0.0 and alive[f] == 0 and out[f] == 0:
            unmatched[f] += open_


@jit
def coming(P: Words) -> int:
    """How many arrivals fall into this step."""
    G, words = pi64(P[B_GLOBALS]), pi64(P[B_ARRIVALS])
    at = G[G_ARRIVAL]
    for i in range(at, at + G[G_WAITERS]):
        words[G[G_ARRIVAL_WORDS] * i + A_CLOCK] = max(words[G[G_ARRIVAL_WORDS] * i + A_CLOCK], G[G_T0])
    while at < G[G_ARRIVALS] and words[G[G_ARRIVAL_WORDS] * at + A_CLOCK] < G[G_T1]:
        at += 1
    return at - G[G_ARRIVAL]


@jit
def start(P: Words) -> int:
    """The arrivals of the step, then the starts that fill places; they are numbered in the order of time."""
    G = pi64(P[B_GLOBALS])
    if G[G_T0] >= G[G_END]:
        return DONE
    came = coming(P)
    let_in = came if G[G_CEILING] < 0 else min(came, G[G_CEILING] - G[G_RUNNING])
    wanted = max(wanted_now(G, let_in), I(0))
    total = wanted + let_in
    if total == 0 and came == 0:
        return DONE
    if G[G_FREE] < total:
        G[G_NEED] = total
        return SLOTS
    taken = total * G[G_TYPES]
    if is_short(B_TOUCHED, G[G_TOUCHED] + taken, P) or is_short(
        B_CHAIN, 2 * (pi64(P[B_CHAIN])[1] + taken) + 8, P
    ):
        return ROOM
    chosen, got, types_count = pi64(P[B_S2]), pi64(P[B_S5]), G[G_TYPES]
    for i in range(total):
        chosen[i] = -1
        for e in range(types_count):
            got[i * types_count + e] = -2
    admit(came, let_in, wanted, P)
    filled = fill(wanted, P) if wanted > 0 else I(0)
    seat_all(filled, let_in, wanted, P)
    waiting = keep_waiting(came, let_in, wanted, P)
    G[G_ARRIVAL] += came - waiting
    G[G_WAITERS] = waiting
    return DONE


@jit
def keep_waiting(came: int, let_in: int, base: int, P: Words) -> int:
    """Put those of the arrivals that wait last among them, before the next ones; how many there are."""
    G, words, chosen, flows = pi64(P[B_GLOBALS]), pi64(P[B_ARRIVALS]), pi64(P[B_S2]), pi64(P[B_FLOWS])
    size, waiting = G[G_ARRIVAL_WORDS], I(0)
    first = size * G[G_ARRIVAL]
    for i in range(came - 1, -1, -1):
        at = first + size * i
        if i < let_in:
            waits = chosen[base + i] == WAITS
        else:
            waits = flows[words[at + A_FLOW] * FLOW_WORDS + 4] == 1
        if waits:
            waiting += 1
            to = first + size * (came - waiting)
            for j in range(size):
                words[to + j] = words[at + j]
    return waiting


@jit
def admit(came: int, let_in: int, base: int, P: Words) -> None:
    """Serve the arrivals that are let in, flow by flow, at places from ``base`` on; turn away the rest."""
    G, keys, words = pi64(P[B_GLOBALS]), pu64(P[B_KEYS]), pi64(P[B_ARRIVALS])
    chosen, got, flows = pi64(P[B_S2]), pi64(P[B_S5]), G[G_FLOWS]
    who, rank, seen = pi64(P[B_S6]), pu64(P[B_S6] + 24 * flows), pi64(P[B_S6] + 32 * flows)
    unmatched, turned_away = pi64(P[B_UNMATCHED]), pi64(P[B_UNMATCHED] + 8 * flows)
    size = G[G_ARRIVAL_WORDS]
    first = size * G[G_ARRIVAL]
    table = pi64(P[B_FLOWS])
    for i in range(let_in, came):
        f = words[first + size * i + A_FLOW]
        if table[f * FLOW_WORDS + 4] == 0:
            turned_away[f] += 1
    if let_in == 0:
        return
    for f in range(flows):
        seen[f] = 0
    for i in range(let_in):
        seen[words[first + size * i + A_FLOW]] = 1
    shuffle = mix(keys[G[G_KEY_ORDER]], G[G_STEP], 0)
    n = 0
    for f in range(flows):
        if seen[f] == 1:
            who[n] = f
            rank[n] = mix(I(shuffle), ARRIVING * 65536 + f, 0)
            n += 1
    by_rank(who, rank, n)
    for a in range(n):
        f = who[a]
        served = can_serve(f, P)
        for i in range(let_in):
            at = first + size * i
            if words[at + A_FLOW] == f:
                place = base + i
                if words[at + A_ENTITY] >= 0 or table[f * FLOW_WORDS + 4] == 1:
                    how = call(f, place, at, got, P)
                    if how == BUSY and table[f * FLOW_WORDS + 4] == 1:
                        chosen[place] = WAITS
                        continue
                    served = how == SERVED
                elif served:
                    served = serve(f, place, G[G_KEY_SELECT_ARRIVAL], words[at + A_WORD], I(0), got, P)
                if served:
                    chosen[place] = f
                else:
                    unmatched[f] += 1
                    turned_away[f] += 1


@jit
def fill(wanted: int, P: Words) -> int:
    """Starts that fill places, in rounds: flows are chosen by weight among those that can start.

    They have the places 0, 1, … in the order of their instants; how many there are, 0 where nobody can start.
    """
    G, keys = pi64(P[B_GLOBALS]), pu64(P[B_KEYS])
    flows, step = G[G_FLOWS], G[G_STEP]
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
        return 0
    for f in range(flows):
        out[f] = 1 - alive[f]
    for i in range(wanted):
        instants[i] = G[G_T0] + below(mix(keys[G[G_KEY_START]], step, i), G[G_LENGTH])
        open_[i] = i
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
        by_rank(who, rank, n)
        for a in range(n):
            f = who[a]
            for i in range(left):
                place = open_[i]
                if chosen[place] == -2 - f:
                    if not serve(f, place, G[G_KEY_SELECT_START], step, place, got, P):
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
    return wanted


@jit
def by_rank(who: Words, rank: Words, n: int) -> None:
    """Put flows into the order of their ranks; there are few."""
    for i in range(1, n):
        flow, key = who[i], rank[i]
        j = i
        while j > 0 and rank[j - 1] > key:
            who[j] = who[j - 1]
            rank[j] = rank[j - 1]
            j -= 1
        who[j] = flow
        rank[j] = key


@jit
def seat_all(filled: int, let_in: int, base: int, P: Words) -> None:
    """All that were served begin, in the order of time; of one instant, arrivals come first."""
    G, words = pi64(P[B_GLOBALS]), pi64(P[B_ARRIVALS])
    instants, chosen, got = pi64(P[B_S1]), pi64(P[B_S2]), pi64(P[B_S5])
    size, flows = G[G_ARRIVAL_WORDS], pi64(P[B_FLOWS])
    first = size * G[G_ARRIVAL] + A_CLOCK
    i, j = 0, 0
    while i < filled or j < let_in:
        if j < let_in and (i >= filled or words[first + size * j] <= instants[i]):
            place, clock = base + j, words[first + size * j]
            j += 1
        else:
            place, clock = I(i), instants[i]
            i += 1
        if chosen[place] >= 0:
            seat(chosen[place], clock, got, place, P)
            f = chosen[place]
            if place < base:
                continue
            # an arrival draws by its own word, not by its number: whoever else starts moves nothing of it
            at = first - A_CLOCK + size * (j - 1)
            slot = pi64(P[B_SLOTS] + 8 * pi64(P[B_FREE])[G[G_FREE]] * G[G_SLOT_WORDS])
            slot[S_WORD] = words[at + A_WORD]
            slot[S_DRAWS] = counted_from(slot[S_WORD], slot[S_NUMBER])
            if flows[f * FLOW_WORDS + 5] > 0:
                at += A_ENTITY + flows[f * FLOW_WORDS + 3]
                for n in range(flows[f * FLOW_WORDS + 5]):
                    slot[S_HELD + G[G_TYPES] + n] = words[at + n]


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
    slot[S_WORD] = flow
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
    slot[S_WAITED] = 0
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
