"""The competition of a step: births, and who gets which entity, wave by wave (architecture decision 8)."""

from __future__ import annotations

from deep_faker.simulate.native.kernel.acts import let_go
from deep_faker.simulate.native.kernel.boundary import mix
from deep_faker.simulate.native.kernel.changes import is_short, row_of, touch
from deep_faker.simulate.native.kernel.jit import I, jit, pi64, pu64
from deep_faker.simulate.native.kernel.lists import Words, advance, peek
from deep_faker.simulate.native.kernel.shares import share
from deep_faker.simulate.native.kernel.starts import take_node
from deep_faker.simulate.native.layout import *


@jit
def is_later(a: int, b: int, slots: Words, words: int) -> bool:
    """Whether a flow is served after another: by when it came, then by number."""
    p, q = a * words, b * words
    if slots[p + S_SINCE] != slots[q + S_SINCE]:
        return slots[p + S_SINCE] > slots[q + S_SINCE]
    return slots[p + S_NUMBER] > slots[q + S_NUMBER]


@jit
def in_turn(mine: Words, n: int, slots: Words, words: int) -> None:
    """Slots in the order in which their flows are served, in place."""
    if n <= 24:
        for i in range(1, n):
            slot = mine[i]
            j = i
            while j > 0 and is_later(mine[j - 1], slot, slots, words):
                mine[j] = mine[j - 1]
                j -= 1
            mine[j] = slot
        return
    for start in range(n // 2 - 1, -1, -1):
        _sink(mine, start, n, slots, words)
    for last in range(n - 1, 0, -1):
        slot = mine[last]
        mine[last] = mine[0]
        mine[0] = slot
        _sink(mine, 0, last, slots, words)


@jit
def _sink(mine: Words, at: int, n: int, slots: Words, words: int) -> None:
    slot = mine[at]
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and is_later(mine[child + 1], mine[child], slots, words):
            child += 1
        if not is_later(mine[child], slot, slots, words):
            break
        mine[at] = mine[child]
        at = child
    mine[at] = slot


@jit
def give(slot: Words, e: int, found: int, P: Words) -> None:
    """A flow holds the entity that it has found (-1: none)."""
    slot[S_DRAWS] += 1
    if found < 0:
        slot[S_HELD + e] = -1
        return
    packed = e << 40 | found
    row = pi64(row_of(packed, pi64(P[B_TYPES])))
    slot[S_HELD + e] = found << 1
    row[E_FLAGS] &= ~AVAILABLE
    row[E_TAKEN] = pi64(P[B_GLOBALS])[G_STEP]
    row[E_HOLDER] = slot[S_NUMBER]
    touch(row, packed, P)
    take_node(packed, slot, P)


@jit
def go_on(number: int, slot: Words, pc: int, P: Words) -> None:
    """The flow is part of the step's work again."""
    G = pi64(P[B_GLOBALS])
    slot[S_PC] = pc
    pi64(P[B_LINKS])[number * N_SIZE + N_NEXT] = G[G_WORK]
    G[G_WORK] = number


@jit
def bear(number: int, slot: Words, P: Words) -> None:
    """The entity that a flow saves gets its number, and its default state."""
    types, defaults = pi64(P[B_TYPES]), pi64(P[B_DEFAULTS])
    e = -1 - slot[S_FILTER]
    base = e * T_SIZE
    packed = e << 40 | types[base + T_COUNT]
    types[base + T_COUNT] += 1
    row = pi64(row_of(packed, types))
    first = types[base + T_DEFAULT]
    for i in range(types[base + T_STRIDE]):
        row[i] = defaults[first + i]
    touch(row, packed, P)
    slot[S_BORN] = packed & NUMBER
    # Texts that its event generates are told by who made it and when, and may be looked at before it is held.
    birth = pi64(types[base + T_BIRTHS] + 8 * BIRTH * slot[S_BORN])
    birth[0] = slot[S_NUMBER]
    birth[1] = slot[S_ACTION]
    birth[2] = -1
    birth[3] = slot[S_CLOCK]
    go_on(number, slot, slot[S_PC], P)


@jit
def room_for_births(mine: Words, m: int, P: Words) -> bool:
    """Whether all types have room for what is born in this wave; Python is told."""
    G, types, slots = pi64(P[B_GLOBALS]), pi64(P[B_TYPES]), pi64(P[B_SLOTS])
    for e in range(G[G_TYPES]):
        need = 0
        for i in range(m):
            if slots[mine[i] * G[G_SLOT_WORDS] + S_FILTER] == -1 - e:
                need += 1
        if need > 0 and types[e * T_SIZE + T_COUNT] + need > types[e * T_SIZE + T_CAPACITY]:
            G[G_NEED] = e
            G[G_NEED_WORDS] = types[e * T_SIZE + T_COUNT] + need
            return False
    return True


@jit
def wave(P: Words) -> int:
    """Serve one wave; `NEXT` when its flows are the step's work again."""
    G, C, slots, FT = pi64(P[B_GLOBALS]), pi64(P[B_CODE]), pi64(P[B_SLOTS]), pi64(P[B_FILTERS])
    types, keys, waiting = pi64(P[B_TYPES]), pu64(P[B_KEYS]), pi64(P[B_WAITING])
    mine, asked, rank = pi64(P[B_S1]), pi64(P[B_S2]), pu64(P[B_S4])
    words = G[G_SLOT_WORDS]
    now = G[G_WAVE] + 1
    if now >= G[G_WAVES]:
        return WAVES
    m = 0
    for i in range(G[G_WAITING]):
        if slots[waiting[i] * words + S_WAVE] == now:
            mine[m] = waiting[i]
            m += 1
    if is_short(B_TOUCHED, G[G_TOUCHED] + 3 * m + 8, P) or is_short(
        B_CHAIN, 2 * (pi64(P[B_CHAIN])[1] + m) + 8, P
    ):
        return ROOM
    if not room_for_births(mine, m, P):
        return GROW
    left = 0
    for i in range(G[G_WAITING]):
        if slots[waiting[i] * words + S_WAVE] != now:
            waiting[left] = waiting[i]
            left += 1
    G[G_WAITING] = left
    G[G_WAVE] = now
    in_turn(mine, m, slots, words)
    # births first, then the filters in a keyed order, then those with conditions of their own
    filters, own, keyed = 0, 0, 0
    for i in range(m):
        slot = pi64(P[B_SLOTS] + 8 * mine[i] * words)
        f = slot[S_FILTER]
        if f < 0:
            bear(mine[i], slot, P)
            continue
        pc = slot[S_PC]
        if C[pc] == O_PICK_OWN:
            own += 1
        elif C[pc + 2] >= 0:
            keyed += 1
        elif FT[f * F_SIZE + F_ASKED] != G[G_STEP] << 20 | now:
            FT[f * F_SIZE + F_ASKED] = G[G_STEP] << 20 | now
            h = mix(I(mix(keys[G[G_KEY_ORDER] + now], G[G_STEP], 0)), f, 0)
            j = filters
            while j > 0 and rank[j - 1] > h:
                rank[j] = rank[j - 1]
                asked[j] = asked[j - 1]
                j -= 1
            rank[j] = h
            asked[j] = f
            filters += 1
    for at in range(filters):
        f = asked[at]
        e = FT[f * F_SIZE + F_TYPE]
        for i in range(m):
            slot = pi64(P[B_SLOTS] + 8 * mine[i] * words)
            pc = slot[S_PC]
            if slot[S_FILTER] == f and C[pc] != O_PICK_OWN and C[pc + 2] < 0:
                let_go(slot, e, P)
        for i in range(m):
            slot = pi64(P[B_SLOTS] + 8 * mine[i] * words)
            pc = slot[S_PC]
            if slot[S_FILTER] == f and C[pc] != O_PICK_OWN and C[pc + 2] < 0:
                if FT[f * F_SIZE + F_SHARED] == 1:  # of live flows alone: others do not wait for that
                    found = share(f, mix(keys[G[G_KEY_SELECT]], slot[S_NUMBER], slot[S_DRAWS]), P)
                    slot[S_DRAWS] += 1
                    slot[S_HELD + e] = found << 1 | 1 if found >= 0 else I(-1)
                else:
                    found = peek(f, P)
                    if found >= 0:
                        advance(f, P)
                    give(slot, e, found, P)
                slot[S_FILTER] = NO_FILTER
                go_on(mine[i], slot, C[pc + 3], P)
    if own == 0 and keyed == 0:
        return NEXT
    n = 0
    for i in range(m):
        slot = pi64(P[B_SLOTS] + 8 * mine[i] * words)
        if slot[S_FILTER] >= 0 and slot[S_FILTER] != NO_FILTER:
            mine[n] = mine[i]
            n += 1
            let_go(slot, FT[slot[S_FILTER] * F_SIZE + F_TYPE], P)
    if own > 0:
        G[G_NEED] = n
        return SERVE
    for i in range(n):
        slot = pi64(P[B_SLOTS] + 8 * mine[i] * words)
        f, pc = slot[S_FILTER], slot[S_PC]
        e = FT[f * F_SIZE + F_TYPE]
        found = slot[S_HELD + G[G_TYPES] + C[pc + 2]]  # a stored local
        if found >= 0:
            row = pi64(row_of(e << 40 | found, types))
            if row[FT[f * F_SIZE + F_POSITION]] < 0 or row[E_TAKEN] == G[G_STEP]:
                found = I(-1)
        give(slot, e, found, P)
        go_on(mine[i], slot, C[pc + 3], P)
    return NEXT
