"""The interpreter: every flow of a step's work goes on until it waits, asks, ends, or needs Python."""

from __future__ import annotations

import numpy as np

from deep_faker.simulate.native.kernel.acts import (
    ask,
    born,
    change,
    decide,
    emit,
    finish,
    let_go,
    no_room,
    park,
    put_aside,
    put_ready,
    record_version,
    trigger,
    view,
)
from deep_faker.simulate.native.kernel.boundary import compute, draw_value, make_value, mix, wait_drawn
from deep_faker.simulate.native.kernel.changes import bring_row, is_short, row_of
from deep_faker.simulate.native.kernel.exact import unit
from deep_faker.simulate.native.kernel.jit import I, bits, flt, jit, pi64, prefetch, pu64
from deep_faker.simulate.native.kernel.lists import Words
from deep_faker.simulate.native.kernel.shares import share, share_apart
from deep_faker.simulate.native.kernel.waits import given_micros, int_to_micros
from deep_faker.simulate.native.layout import *
from deep_faker.simulate.native.words import FIRST, SESSION, SHIFT
from deep_faker.times import LATEST

TOGETHER = 8  # flows that are looked at ahead of their turn


@jit
def next_pick(slot: Words, hint: int, P: Words) -> int:
    """Where the list has what the flow picks, if it goes on as the last one did there; 0: nothing is known.

    ``hint``: what the place knows where the flow stands. A pick of what is shared is a draw like any other:
    by the flow's number, and how many it has had.
    """
    G, FT, keys = pi64(P[B_GLOBALS]), pi64(P[B_FILTERS]), pu64(P[B_KEYS])
    if hint == 0 or slot[S_PENDING] != 0:
        return 0
    base, draws = (hint >> HINT) * F_SIZE, slot[S_DRAWS] + (hint & ((1 << HINT) - 1)) - 1
    n = FT[base + F_LENGTH]
    if n == 0:
        return 0
    u = mix(keys[G[G_KEY_SELECT]], slot[S_NUMBER], draws)
    return FT[base + F_MEMBERS] + 8 * I(unit(u) * np.float64(n))


@jit
def look_ahead(number: int, P: Words) -> int:
    """Have brought near what the next flows of the work read: what they hold and pick.

    For several flows at a time, and each kind in a loop of its own: to find out where a page is takes as
    long as to fetch a line of it, and what asks for a line waits for that. Those that follow closely wait
    together. The flow after them is given back.
    """
    G, links, hints, types = pi64(P[B_GLOBALS]), pi64(P[B_LINKS]), pi64(P[B_HINTS]), pi64(P[B_TYPES])
    words, at = 8 * G[G_SLOT_WORDS], number
    for _ in range(TOGETHER):
        if at < 0:
            break
        slot = pi64(P[B_SLOTS] + at * words)
        for e in range(G[G_TYPES]):
            held = slot[S_HELD + e]
            if held >= 0:
                bring_row(e << 40 | held >> 1, types)
        at = links[at * N_SIZE + N_NEXT]
    at = number
    for _ in range(TOGETHER):
        if at < 0:
            break
        slot = pi64(P[B_SLOTS] + at * words)
        picked = next_pick(slot, hints[slot[S_PC]], P)
        if picked != 0:
            prefetch(picked)
        at = links[at * N_SIZE + N_NEXT]
    following, at = at, number
    for _ in range(TOGETHER):
        if at < 0:
            break
        slot = pi64(P[B_SLOTS] + at * words)
        hint = hints[slot[S_PC]]
        picked = next_pick(slot, hint, P)
        if picked != 0:
            e = pi64(P[B_FILTERS])[(hint >> HINT) * F_SIZE + F_TYPE]
            bring_row(e << 40 | pi64(picked)[0], types)
        at = links[at * N_SIZE + N_NEXT]
    return following


@jit
def flows(P: Words) -> int:
    """All of the step's work that there is now; a status where something is missing."""
    G, C, r = pi64(P[B_GLOBALS]), pi64(P[B_CODE]), pi64(P[B_REGISTERS])
    FT, types, table = pi64(P[B_FILTERS]), pi64(P[B_TYPES]), pi64(P[B_FLOWS])
    keys, links, hints = pu64(P[B_KEYS]), pi64(P[B_LINKS]), pi64(P[B_HINTS])
    random, select = keys[G[G_KEY_RANDOM]], keys[G[G_KEY_SELECT]]
    registers, words = G[G_REGISTERS], G[G_SLOT_WORDS]
    first_local = S_HELD + G[G_TYPES]
    near, far = 0, I(-1)
    while True:
        if G[G_READY] > 0:  # they were put aside
            record = pi64(P[B_READY] + 8 * (G[G_READY] - 1) * (A_FIRST + registers))
            number = record[A_SLOT]
            if no_room(number, P):
                return ROOM
            G[G_READY] -= 1
            slot = pi64(P[B_SLOTS] + 8 * number * words)
            pc, turns, wait = record[A_PC], record[A_TURNS], record[A_WAIT]
            stored = table[slot[S_FLOW] * FLOW_WORDS + 1]
            for i in range(registers):
                r[i] = record[A_FIRST + i]
            outcome = I(-1)
        elif G[G_WORK] >= 0:
            number = G[G_WORK]
            if no_room(number, P):
                return ROOM
            slot = pi64(P[B_SLOTS] + 8 * number * words)
            if near == 0:
                far, near = look_ahead(number, P), TOGETHER
            near -= 1
            if far >= 0:  # its slot is read when these are done
                for line in range(0, 8 * words, 64):
                    prefetch(P[B_SLOTS] + 8 * far * words + line)
                far = links[far * N_SIZE + N_NEXT]
            G[G_WORK] = links[number * N_SIZE + N_NEXT]
            pc, turns, wait = slot[S_PC], I(0), I(0)
            stored = table[slot[S_FLOW] * FLOW_WORDS + 1]
            for i in range(stored):
                r[i] = slot[first_local + i]
            outcome = I(-1)
            if slot[S_PENDING] != 0:
                outcome = slot[S_PENDING]
                finish(number, outcome, C[pc + 3], P)
        else:
            return DONE
        flow = slot[S_NUMBER]
        line = I(0)
        began, drawn = pc, slot[S_DRAWS]
        while outcome < 0:
            op = C[pc]
            if op >= 192:
                pc = make_value(op, C, pc, r, flow, slot[S_ACTION], slot[S_CLOCK])
            elif op >= 64:
                pc = compute(op, C, pc, r)
            elif op == O_GOTO:
                pc = C[pc + 1]
            elif op == O_MOVE:
                r[C[pc + 1]] = r[C[pc + 2]]
                pc += 3
            elif op == O_BRANCH:
                pc = C[pc + 2] if r[C[pc + 1]] != 0 else C[pc + 3]
            elif op == O_COUNT:
                slot[S_ACTION] += 1
                turns = I(0)
                pc += 1
            elif op == O_COUNT_GUARDED:
                slot[S_ACTION] += 1
                turns = I(0)
                pc = C[pc + 1] if slot[S_ACTION] - slot[S_MARK] > STALL else pc + 2
            elif op == O_TURN:
                turns += 1
                pc = C[pc + 1] if turns > TURNS else pc + 2
            elif op == O_DRAW_UNIT:
                r[C[pc + 1]] = bits(unit(mix(random, flow, slot[S_DRAWS])))
                slot[S_DRAWS] += 1
                pc += 2
            elif op == O_DRAW:
                u = mix(random, flow, slot[S_DRAWS])
                slot[S_DRAWS] += 1
                pc = draw_value(C, pc, r, u)
            elif op == O_HELD:
                held = slot[S_HELD + C[pc + 2]]
                r[C[pc + 1]] = held >> 1 if held >= 0 else I(-1)
                pc += 3
            elif op == O_NEED:
                if r[C[pc + 1]] < 0:
                    outcome, line = I(NO_ENTITY), C[pc + 2]
                pc += 3
            elif op == O_NEED_KEY:
                if slot[S_HELD + C[pc + 1]] < 0:
                    outcome, line = I(NO_ENTITY), C[pc + 2]
                pc += 3
            elif op == O_NEED_TRIED:
                if slot[S_HELD + C[pc + 1]] == -1:
                    outcome, line = I(NO_ENTITY), C[pc + 2]
                pc += 3
            elif op == O_SAME:
                held = slot[S_HELD + C[pc + 1]]
                pc = pc + 4 if (held >> 1 if held >= 0 else I(-1)) == r[C[pc + 2]] else C[pc + 3]
            elif op == O_READ:
                row = pi64(row_of(C[pc + 4] << 40 | r[C[pc + 3]], types))
                r[C[pc + 1]] = row[C[pc + 5]]
                if C[pc + 2] >= 0:
                    r[C[pc + 2]] = row[C[pc + 6]]
                pc += 7
            elif op == O_VIEW:
                pc = view(pc, slot, P)
            elif op == O_KEY_WORD:
                r[C[pc + 1]] = I(FIRST + 2 * C[pc + 3]) << SHIFT | r[C[pc + 2]]
                pc += 4
            elif op == O_CLOCK:
                r[C[pc + 1]] = slot[S_CLOCK]
                pc += 2
            elif op == O_SESSION:
                r[C[pc + 1]] = I(SESSION) << SHIFT | flow
                pc += 2
            elif op == O_EMIT:
                at = emit(pc, slot, P)
                if at < 0:
                    put_ready(number, pc, turns, wait, P)
                    return ROOM
                pc = at
            elif op == O_TRIGGER:
                at = trigger(pc, slot, wait_drawn(C, pc, r, mix(C[pc + 1], flow, slot[S_ACTION])), P)
                if at < 0:
                    put_ready(number, pc, turns, wait, P)
                    return ROOM
                pc = at
            elif op == O_CHANGE:
                how = change(pc, slot, P)
                if how == 2:
                    put_ready(number, pc, turns, wait, P)
                    return ROOM
                pc = C[pc + 13] if how == 1 else pc + 14
            elif op == O_VERSION or op == O_BIRTH:
                # both may write down a version
                e = C[pc + 1]
                if is_short(
                    B_VERSIONS, G[G_VERSIONS] + V_FIRST + types[e * T_SIZE + T_STRIDE], P
                ) or is_short(B_CHANGES, (G[G_CHANGES] + 1) * CH_SIZE, P):
                    put_ready(number, pc, turns, wait, P)
                    return ROOM
                if op == O_VERSION:
                    held = slot[S_HELD + e]
                    if held >= 0:
                        record_version(slot, e << 40 | held >> 1, C[pc + 2], P)
                    pc += 3
                else:
                    born(slot, e, C[pc + 2], P)
                    pc += 3
            elif op == O_WAIT:
                wait += C[pc + 1]
                pc += 2
            elif op == O_WAIT_DRAW:
                more = wait_drawn(C, pc, r, mix(C[pc + 1], flow, slot[S_ACTION]))
                if more < 0:
                    pc = C[pc + 8]
                else:
                    wait += more
                    pc += WAIT_WORDS
            elif op == O_WAIT_INT:
                whole = r[C[pc + 1]]
                if whole < 0 or whole > LATEST // C[pc + 2]:
                    pc = C[pc + 3]
                else:
                    wait += int_to_micros(whole, C[pc + 2])
                    pc += 4
            elif op == O_WAIT_FLOAT:
                more, trouble = given_micros(flt(r[C[pc + 1]]), C[pc + 2], LATEST / C[pc + 2])
                if trouble:
                    pc = C[pc + 3]
                else:
                    wait += more
                    pc += 4
            elif op == O_WAIT_MICROS:
                wait += r[C[pc + 1]]
                pc += 2
            elif op == O_WAIT_END:
                how = decide(pc, slot, wait, P)
                if how == 3:  # Python says why not
                    pc = C[pc + 6]
                    continue
                wait = I(0)
                if how == 0:
                    park(number, stored, P)
                    break
                if how == 1:
                    pc = C[pc + 5]
                    began, drawn = pc, slot[S_DRAWS]  # as for a flow that waits here
                else:
                    outcome, line = I(DECAYED), C[pc + 3]
            elif (
                op == O_PICK
            ):  # filter, register of a key's entity (-1), where to go, since when (-1: its clock)
                f = C[pc + 1]
                e = FT[f * F_SIZE + F_TYPE]
                if FT[f * F_SIZE + F_SHARED] == 1:
                    # nobody competes for what is shared: the answer is the same in any order
                    slot[S_WAVE] += 1
                    let_go(slot, e, P)
                    if C[pc + 2] >= 0:
                        found = r[C[pc + 2]]
                        if (
                            found >= 0
                            and pi64(row_of(e << 40 | found, types))[FT[f * F_SIZE + F_POSITION]] < 0
                        ):
                            found = I(-1)
                    else:
                        found = share(f, mix(select, flow, slot[S_DRAWS]), P)
                        before = slot[S_DRAWS] - drawn + 1
                        if FT[f * F_SIZE + F_WEIGHT] < 0 and before < 1 << HINT:
                            hints[began] = f << HINT | before
                    slot[S_DRAWS] += 1
                    slot[S_HELD + e] = found << 1 | 1 if found >= 0 else I(-1)
                    pc = C[pc + 3]
                else:
                    ask(number, stored, f, pc, P)
                    break
            elif op == O_PICK_OWN or op == O_ASK:  # conditions that Python looks at; what a live flow picks
                ask(number, stored, C[pc + 1], pc, P)
                break
            elif op == O_PARK:  # a live flow waits for its clock
                slot[S_PC] = C[pc + 1]
                slot[S_PENDING] = 0
                park(number, stored, P)
                break
            elif op == O_PICK_APART:  # filter, where to go, how many and which registers it must not be
                f = C[pc + 1]
                e = FT[f * F_SIZE + F_TYPE]
                slot[S_WAVE] += 1
                let_go(slot, e, P)
                u = mix(select, flow, slot[S_DRAWS])
                found = share_apart(f, u, pi64(P[B_CODE] + 8 * (pc + 4)), C[pc + 3], r, P)
                slot[S_DRAWS] += 1
                slot[S_HELD + e] = found << 1 | 1 if found >= 0 else I(-1)
                pc = C[pc + 2]
            elif op == O_USE:  # type, register of the entity
                let_go(slot, C[pc + 1], P)
                found = r[C[pc + 2]]
                slot[S_HELD + C[pc + 1]] = found << 1 | 1 if found >= 0 else I(-1)
                pc += 3
            elif op == O_RELEASE:
                let_go(slot, C[pc + 1], P)
                if slot[S_HELD + C[pc + 1]] >= 0:  # shared, or its own birth
                    slot[S_HELD + C[pc + 1]] = -1
                pc += 2
            elif op == O_OVER:  # a live flow has ended: registers of outcome and line
                outcome, line = r[C[pc + 1]], r[C[pc + 2]]
            elif op == O_KEY_NUMBER:
                word = r[C[pc + 2]]
                if word >> SHIFT == FIRST + 2 * C[pc + 3]:
                    r[C[pc + 1]] = word & ((I(1) << SHIFT) - 1)
                    pc += 5
                else:
                    pc = C[pc + 4]
            elif op == O_SAVE:
                ask(number, stored, -1 - C[pc + 1], pc + 2, P)
                break
            elif op == O_BIRTH_STATE:  # type, offset, null offset (-1), register, null register (-1)
                e = C[pc + 1]
                row = pi64(row_of(e << 40 | slot[S_BORN], types))
                row[C[pc + 2]] = r[C[pc + 4]]
                if C[pc + 3] >= 0:
                    row[C[pc + 3]] = r[C[pc + 5]] if C[pc + 5] >= 0 else I(0)
                pc += 6
            elif op == O_BIRTH_TEXT:  # type, offset, tag and field: text that the entity's number tells
                row = pi64(row_of(C[pc + 1] << 40 | slot[S_BORN], types))
                row[C[pc + 2]] = C[pc + 3] | slot[S_BORN]
                pc += 4
            elif op == O_BIRTH_KEY:  # type, offset, type of the entity whose key it is
                row = pi64(row_of(C[pc + 1] << 40 | slot[S_BORN], types))
                row[C[pc + 2]] = I(FIRST + 2 * C[pc + 3]) << SHIFT | slot[S_HELD + C[pc + 3]] >> 1
                pc += 4
            elif op == O_ESCAPE:
                record = pi64(P[B_ASIDE] + 8 * G[G_ASIDE] * (A_FIRST + registers))
                put_aside(record, number, C[pc + 1], pc + 2, turns, wait, P)
                G[G_ASIDE] += 1
                break
            else:  # O_END
                outcome, line = I(COMPLETED), C[pc + 1]
            if outcome >= 0:
                finish(number, outcome, line, P)
