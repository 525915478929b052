"""What a flow does in the kernel: it lets go and takes, emits, changes, looks, waits, asks, and ends."""

from __future__ import annotations

from deep_faker.simulate.native.kernel.boundary import mix
from deep_faker.simulate.native.kernel.changes import is_short, make, own_view, row_of, touch, write_down
from deep_faker.simulate.native.kernel.exact import unit
from deep_faker.simulate.native.kernel.jit import I, flt, jit, pi64, pu64
from deep_faker.simulate.native.kernel.lists import Words
from deep_faker.simulate.native.kernel.starts import take_node
from deep_faker.simulate.native.layout import *
from deep_faker.times import LATEST


@jit
def let_go(slot: Words, e: int, P: Words) -> None:
    """What the flow holds of a type goes free, as it asks for another one (N4)."""
    held = slot[S_HELD + e]
    if held >= 0 and held & 1 == 0:
        packed = e << 40 | held >> 1
        row = pi64(row_of(packed, pi64(P[B_TYPES])))
        if row[E_FLAGS] & PUBLISHED != 0:  # a flow's own births wait for its end
            row[E_FLAGS] |= AVAILABLE
            touch(row, packed, P)
            slot[S_HELD + e] = -1


@jit
def hold_born(slot: Words, e: int, site: int, P: Words) -> None:
    """The new entity is held by its creator, in place of what it held."""
    types = pi64(P[B_TYPES])
    let_go(slot, e, P)
    number = slot[S_BORN]
    packed = e << 40 | number
    pi64(row_of(packed, types))[E_HOLDER] = slot[S_NUMBER]
    pi64(types[e * T_SIZE + T_BIRTHS] + 8 * BIRTH * number)[2] = site  # `bear` has told the rest
    slot[S_HELD + e] = number << 1
    take_node(packed, slot, P)


@jit
def record_version(slot: Words, packed: int, by_event: int, P: Words) -> None:
    """The live state of an entity as a version; there is room for it."""
    G, types, out = (
        pi64(P[B_GLOBALS]),
        pi64(P[B_TYPES]),
        pi64(P[B_VERSIONS] + 8 * pi64(P[B_GLOBALS])[G_VERSIONS]),
    )
    e = packed >> 40
    row = pi64(row_of(packed, types))
    out[V_TYPE] = e
    out[V_NUMBER] = packed & NUMBER
    out[V_CLOCK] = slot[S_CLOCK]
    out[V_FLOW] = slot[S_NUMBER]
    out[V_ACTION] = slot[S_ACTION]
    out[V_EVENT] = by_event
    stride = types[e * T_SIZE + T_STRIDE]
    for i in range(E_FIRST, stride):
        out[V_FIRST + i - E_FIRST] = row[i]
    G[G_VERSIONS] += V_FIRST + stride - E_FIRST


@jit
def finish(number: int, outcome: int, line: int, P: Words) -> None:
    """The flow in a slot has ended: its session, and the entities that it leaves."""
    G, ends, chain = pi64(P[B_GLOBALS]), pi64(P[B_ENDS]), pi64(P[B_CHAIN])
    types, free = pi64(P[B_TYPES]), pi64(P[B_FREE])
    slot = pi64(P[B_SLOTS] + 8 * number * G[G_SLOT_WORDS])
    p, taken = G[G_ENDS], slot[S_TAKEN]
    ends[p] = slot[S_NUMBER]
    ends[p + 1] = slot[S_FLOW]
    ends[p + 2] = slot[S_STARTED]
    ends[p + 3] = slot[S_CLOCK]
    ends[p + 4] = outcome
    ends[p + 5] = line
    ends[p + 6] = slot[S_EVENTS]
    ends[p + 7] = taken
    ends[p + 8] = slot[S_WAITED]
    node = slot[S_CHAIN]
    for i in range(taken - 1, -1, -1):
        packed, before = chain[2 * node], chain[2 * node + 1]
        ends[p + END_WORDS + i] = packed
        chain[2 * node + 1] = chain[0]
        chain[0] = node
        node = before
        row = pi64(row_of(packed, types))
        is_held = slot[S_HELD + (packed >> 40)] == (packed & NUMBER) << 1
        if row[E_FLAGS] & PUBLISHED == 0 or is_held:
            row[E_FLAGS] = AVAILABLE | PUBLISHED
            touch(row, packed, P)
    G[G_ENDS] = p + END_WORDS + taken
    G[G_RUNNING] -= 1
    outcomes = pi64(P[B_OUTCOMES])
    outcomes[slot[S_FLOW] * 4 + outcome] += 1
    slot[S_CLOCK] = NEVER
    free[G[G_FREE]] = number
    G[G_FREE] += 1


@jit
def no_room(number: int, P: Words) -> bool:
    """Whether what a flow may need before it asks again is not there."""
    G = pi64(P[B_GLOBALS])
    slot = pi64(P[B_SLOTS] + 8 * number * G[G_SLOT_WORDS])
    taken = slot[S_TAKEN] + 2
    return (
        is_short(B_ENDS, G[G_ENDS] + END_WORDS + taken, P)
        or is_short(B_TOUCHED, G[G_TOUCHED] + taken + 4 * G[G_TYPES] + 8, P)
        or is_short(B_CHAIN, 2 * pi64(P[B_CHAIN])[1] + 8, P)
        or is_short(B_ASIDE, (G[G_ASIDE] + 1) * (A_FIRST + G[G_REGISTERS]), P)
        or is_short(B_READY, (G[G_READY] + 1) * (A_FIRST + G[G_REGISTERS]), P)
    )


@jit
def put_aside(to: Words, number: int, escape: int, pc: int, turns: int, wait: int, P: Words) -> None:
    """A flow's registers, and where it goes on."""
    count, r = pi64(P[B_GLOBALS])[G_REGISTERS], pi64(P[B_REGISTERS])
    to[A_SLOT] = number
    to[A_ESCAPE] = escape
    to[A_PC] = pc
    to[A_TURNS] = turns
    to[A_WAIT] = wait
    for i in range(count):
        to[A_FIRST + i] = r[i]


@jit
def put_ready(number: int, pc: int, turns: int, wait: int, P: Words) -> None:
    """A flow put aside until there is room: it goes on with instruction ``pc``, before any other."""
    G = pi64(P[B_GLOBALS])
    put_aside(pi64(P[B_READY] + 8 * G[G_READY] * (A_FIRST + G[G_REGISTERS])), number, -1, pc, turns, wait, P)
    G[G_READY] += 1


@jit
def change(pc: int, slot: Words, P: Words) -> int:
    """The change of instruction O_CHANGE at ``pc``: 0 it is made, 1 Python must, 2 there is no room."""
    G, C, r, types = pi64(P[B_GLOBALS]), pi64(P[B_CODE]), pi64(P[B_REGISTERS]), pi64(P[B_TYPES])
    e, born, live, live_null, start, start_null = (
        C[pc + 1],
        C[pc + 2],
        C[pc + 3],
        C[pc + 4],
        C[pc + 5],
        C[pc + 6],
    )
    kind, register, null, flags = C[pc + 7], C[pc + 8], C[pc + 9], C[pc + 10]
    held = slot[S_BORN] << 1 if born == 1 else slot[S_HELD + e]
    if held < 0:
        return 0
    packed = e << 40 | held >> 1
    # what `no_room` has kept for the flow's end stays free: it may change any number that it shares
    touched = G[G_TOUCHED] + slot[S_TAKEN] + 4 * G[G_TYPES] + 8
    if is_short(B_TOUCHED, touched, P) or is_short(B_DUAL, G[G_DUAL] + 6, P):
        return 2
    if flags & LOGGED != 0 and is_short(B_CHANGES, (G[G_CHANGES] + 1) * CH_SIZE, P):
        return 2
    row = pi64(row_of(packed, types))
    value = r[register]
    is_null = r[null] if null >= 0 else I(0)
    if flags & LOGGED != 0:
        shared = held & 1
        if shared == 0 or row[E_HOLDER] == slot[S_NUMBER]:
            if (
                kind >= K_PYTHON
            ):  # it has made the change: the last operand is the register of what came of it
                row[live] = r[C[pc + 13]]
                if live_null >= 0:
                    row[live_null] = is_null
            elif not make(row, live, live_null, kind, value, is_null):
                return 1
        nulls = live_null << 20 | start_null if live_null >= 0 else I(-1)
        p = write_down(row, slot, packed, live, start, kind, value, is_null, C[pc + 11], nulls, P)
        log = pi64(P[B_CHANGES])
        log[p + CH_CLOCK] = slot[S_CLOCK]
        log[p + CH_FLOW] = slot[S_NUMBER]
        log[p + CH_ACTION] = slot[S_ACTION]
        log[p + CH_WHERE] = C[pc + 12]
        log[p + CH_EVENT] = 1 if flags & BY_EVENT != 0 else 0
        if shared == 1:
            row[types[e * T_SIZE + T_LOG] + L_SHARED] = 1
    else:
        if not make(row, live, live_null, kind, value, is_null):
            return 1
        if start >= 0:
            dual, at = pi64(P[B_DUAL]), G[G_DUAL]
            dual[at], dual[at + 1], dual[at + 2] = packed, live, start
            at += 3
            if live_null >= 0:
                dual[at], dual[at + 1], dual[at + 2] = packed, live_null, start_null
                at += 3
            G[G_DUAL] = at
    if flags & WATCHED != 0:
        touch(row, packed, P)
    return 0


@jit
def emit(pc: int, slot: Words, P: Words) -> int:
    """The event of instruction O_EMIT at ``pc``; the next instruction, -1: there is no room."""
    G, C, r = pi64(P[B_GLOBALS]), pi64(P[B_CODE]), pi64(P[B_REGISTERS])
    values, keys = C[pc + 2], C[pc + 3]
    at = G[G_LOG]
    if is_short(B_LOG, at + values + keys + 4, P):
        return -1
    log = pi64(P[B_LOG] + 8 * at)
    log[0] = C[pc + 1]
    log[1] = slot[S_NUMBER]
    log[2] = slot[S_ACTION]
    log[3] = slot[S_CLOCK]
    words = pi64(P[B_CODE] + 8 * (pc + 4))
    for i in range(values):
        log[4 + i] = r[words[i]]
    for i in range(values, values + keys):
        e = words[i]
        log[4 + i] = slot[S_HELD + e] >> 1 if e >= 0 else slot[S_BORN]
    G[G_LOG] = at + 4 + values + keys
    G[G_EVENTS] += 1
    slot[S_EVENTS] += 1
    return pc + 4 + values + keys


@jit
def trigger(pc: int, slot: Words, micros: int, P: Words) -> int:
    """The event starts a flow, instruction O_TRIGGER at ``pc``, after so long (-1: not known).

    The next instruction, -1: there is no room.
    """
    G, C = pi64(P[B_GLOBALS]), pi64(P[B_CODE])
    count = G[G_ARRIVAL_WORDS] - A_ENTITY
    size, at = X_ENTITY + count, G[G_TRIGGERS]
    if is_short(B_TRIGGERS, at + size, P):
        return -1
    due = (slot[S_CLOCK] + max(micros, I(0)) - G[G_START]) // G[G_LENGTH]
    if due < -((G[G_START] - G[G_END]) // G[G_LENGTH]):
        out = pi64(P[B_TRIGGERS] + 8 * at)
        out[X_FLOW] = C[pc + WAIT_WORDS]
        out[X_WORD] = slot[S_WORD]
        out[X_ACTION] = slot[S_ACTION]
        out[X_CLOCK] = slot[S_CLOCK]
        for i in range(count):
            e = C[pc + TRIGGER_WORDS + 2 * i]
            if e >= 0:
                had = slot[S_BORN] if e == C[pc + WAIT_WORDS + 1] else slot[S_HELD + e] >> 1
            else:
                had = pi64(P[B_REGISTERS])[C[pc + TRIGGER_WORDS + 2 * i + 1]]
            out[X_ENTITY + i] = had
        G[G_TRIGGERS] = at + size
        if at > MOST_TRIGGERS:
            due = G[G_STEP]
        G[G_TRIGGER_DUE] = min(G[G_TRIGGER_DUE], max(due, G[G_STEP] + 1))
    return pc + TRIGGER_WORDS + 2 * count


@jit
def view(pc: int, slot: Words, P: Words) -> int:
    """A state field as the flow sees it (N2): its own entity live, others as the step found them.

    The next instruction, or where Python reads it.
    """
    G, C, r, types = pi64(P[B_GLOBALS]), pi64(P[B_CODE]), pi64(P[B_REGISTERS]), pi64(P[B_TYPES])
    target, null, handle, e, live, live_null = (
        C[pc + 1],
        C[pc + 2],
        C[pc + 3],
        C[pc + 4],
        C[pc + 5],
        C[pc + 6],
    )
    packed = e << 40 | r[handle]
    row = pi64(row_of(packed, types))
    if row[E_HOLDER] == slot[S_NUMBER]:
        r[target] = row[live]
        if null >= 0:
            r[null] = row[live_null]
    else:
        word = row[C[pc + 7]]
        is_null = row[C[pc + 8]] if null >= 0 else I(0)
        if C[pc + 9] == 1 and slot[S_OWN_STEP] == G[G_STEP]:
            if own_view(slot, packed, live, word, is_null, P) < 0:
                return C[pc + 10]
            out = pi64(P[B_S2])
            word, is_null = out[0], out[1]
        r[target] = word
        if null >= 0:
            r[null] = is_null
    return pc + 11


@jit
def decide(pc: int, slot: Words, wait: int, P: Words) -> int:
    """The end of a wait, instruction O_WAIT_END: the clock moves, and the flow may end.

    0: it waits, 1: it goes on in this step, 2: it ends now, 3: Python must look at it.
    """
    G, C, r = pi64(P[B_GLOBALS]), pi64(P[B_CODE]), pi64(P[B_REGISTERS])
    clock = slot[S_CLOCK]
    new = clock + wait
    if G[G_CUTS] == 0 and new > LATEST:
        return 3
    rate = flt(C[pc + 2])
    if C[pc + 1] >= 0:
        rate = flt(r[C[pc + 1]])
        if not 0.0 <= rate <= 1.0:
            return 3
    if C[pc + 7] == 1:
        slot[S_WAITED] += (min(new, G[G_END]) if G[G_CUTS] == 1 else new) - clock
    pending = I(0)
    if rate > 0.0:
        u = mix(pu64(P[B_KEYS])[G[G_KEY_DECAY]], slot[S_WORD], slot[S_ACTION])
        if unit(u) < rate:
            pending = I(DECAYED)
    if new > clock:
        slot[S_MARK] = slot[S_ACTION]
    if G[G_CUTS] == 1 and new >= G[G_END]:
        if pending == 0 and new < G[G_LAST]:
            pending = I(LATE)
        else:
            pending = I(CUT)
            new = G[G_END]
    slot[S_CLOCK] = new
    if new < G[G_T1]:
        return 2 if pending == DECAYED else 1
    slot[S_PENDING] = pending
    slot[S_PC] = pc if pending != 0 else C[pc + 5]
    return 0


@jit
def park(number: int, stored: int, P: Words) -> None:
    """The flow waits for the step in which its clock lies."""
    G, wheel, r = pi64(P[B_GLOBALS]), pi64(P[B_WHEEL]), pi64(P[B_REGISTERS])
    slot = pi64(P[B_SLOTS] + 8 * number * G[G_SLOT_WORDS])
    first = S_HELD + G[G_TYPES]
    for i in range(stored):
        slot[first + i] = r[i]
    due = (slot[S_CLOCK] - G[G_START]) // G[G_LENGTH]
    slot[S_WAVE] = 0
    bucket = due & (WHEEL - 1)
    link = pi64(P[B_LINKS] + 8 * number * N_SIZE)
    link[N_DUE] = due
    link[N_NEXT] = wheel[bucket]
    wheel[bucket] = number


@jit
def ask(number: int, stored: int, filter_: int, pc: int, P: Words) -> None:
    """The flow waits for the step's competition (``filter_`` below 0: for the birth of that type)."""
    G, r, waiting = pi64(P[B_GLOBALS]), pi64(P[B_REGISTERS]), pi64(P[B_WAITING])
    slot = pi64(P[B_SLOTS] + 8 * number * G[G_SLOT_WORDS])
    first = S_HELD + G[G_TYPES]
    for i in range(stored):
        slot[first + i] = r[i]
    slot[S_WAVE] += 1
    slot[S_FILTER] = filter_
    slot[S_PC] = pc
    C = pi64(P[B_CODE])
    if filter_ < 0 or C[pc + 4] == -1:
        slot[S_SINCE] = slot[S_CLOCK]
    elif C[pc + 4] >= 0:
        slot[S_SINCE] = r[C[pc + 4]]
    waiting[G[G_WAITING]] = number
    G[G_WAITING] += 1


@jit
def born(slot: Words, e: int, site: int, P: Words) -> None:
    """A birth is over: the entity is held, and its first version is written down (``G_HISTORY``)."""
    G, types = pi64(P[B_GLOBALS]), pi64(P[B_TYPES])
    if G[G_HISTORY] == 1:
        packed = e << 40 | slot[S_BORN]
        if types[e * T_SIZE + T_LOG] >= 0:
            log = pi64(P[B_CHANGES])
            row = pi64(row_of(packed, types))
            p = write_down(row, slot, packed, 0, 0, K_BORN, 0, 0, -1, -1, P)
            log[p + CH_CLOCK] = slot[S_CLOCK]
            log[p + CH_FLOW] = slot[S_NUMBER]
            log[p + CH_ACTION] = slot[S_ACTION]
            log[p + CH_WHERE] = -1
            log[p + CH_EVENT] = 1
        else:
            record_version(slot, packed, 1, P)
    hold_born(slot, e, site, P)
