"""The entry of the native kernel: steps until there are enough events, nothing is left, or Python is needed.

It never allocates, and takes and gives nothing but words: `run` gets the address of the table of buffers
(`layout.BUFFERS`), and returns a status. Between two calls the whole state is in the buffers, and a call goes
on in the phase (``G_PHASE``) in which the last one stopped:

====== ===============================================================
0      which step is next; a run is cut into chunks, and saved, here
1      `Now()` flips, and the flows that are due
2      the starts
3      flows run, until all wait for an instant or for the competition
4      one wave of the competition, then back to 3
5      shared changes in the order of time
6      the lists
====== ===============================================================
"""

from __future__ import annotations

from deep_faker.simulate.native.kernel.column_loops import (
    count_actions,
    first_come,
    first_come_far,
    gather_texts,
    in_types,
    spell,
    sums_of_pieces,
    write_ids8,
    write_ids12,
)
from deep_faker.simulate.native.kernel.flows import flows
from deep_faker.simulate.native.kernel.jit import jit, pi64
from deep_faker.simulate.native.kernel.lists import bring, expect
from deep_faker.simulate.native.kernel.seating import start
from deep_faker.simulate.native.kernel.settling import settle_lists, settle_shared
from deep_faker.simulate.native.kernel.splitting import (
    count_rows,
    count_taken,
    in_time,
    split_ends,
    to_columns,
)
from deep_faker.simulate.native.kernel.starts import calendar, next_step, take_due
from deep_faker.simulate.native.kernel.waves import wave
from deep_faker.simulate.native.layout import *


@jit
def run(table: int, stop: int, want: int) -> int:
    """Go on until step ``stop`` or ``want`` events; see `layout` for what a status asks for."""
    P = pi64(table)
    G = pi64(P[B_GLOBALS])
    while True:
        phase = G[G_PHASE]
        if phase == 0:
            if G[G_EVENTS] >= want:
                return CHUNK
            status = next_step(P, stop)
            if status != NEXT:
                return status
            G[G_PHASE] = 1
        elif phase == 1:
            if G[G_FLIPS] > 0 and pi64(P[B_FLIP_KEY])[0] >> 12 <= G[G_STEP]:
                calendar(P)
                if G[G_UNFIT] >= 0:
                    return UNFIT
            bring(P)
            take_due(P)
            G[G_PHASE] = 2
        elif phase == 2:
            status = start(P)
            if status != DONE:
                return status
            G[G_PHASE] = 3
        elif phase == 3:
            if G[G_WORK] >= 0 or G[G_READY] > 0:
                G[G_STIRRED] = 1
                status = flows(P)
                if status != DONE:
                    return status
            if G[G_ASIDE] > 0:
                return ESCAPE
            G[G_PHASE] = 4
        elif phase == 4:
            if G[G_WAITING] > 0:
                status = wave(P)
                if status == SERVE:  # Python puts the flows back to work
                    G[G_PHASE] = 3
                    return SERVE
                if status != NEXT:
                    return status
                G[G_PHASE] = 3
            else:
                G[G_PHASE] = 5
        elif phase == 5:
            if G[G_FAILED] > 0:
                return FAILED
            if G[G_CHANGES] > 0 or G[G_DUAL] > 0:
                status = settle_shared(P)
                if status != NEXT:
                    return status
            G[G_PHASE] = 6
        else:
            if G[G_TOUCHED] > 0:
                if G[G_JUDGED] == 0 and G[G_JUDGES] > 0:
                    return JUDGE
                status = settle_lists(P)
                if status != NEXT:
                    return status
                if G[G_UNFIT] >= 0:
                    return UNFIT
            G[G_JUDGED] = 0
            expect(P)
            G[G_PHASE] = 0


ENTRIES = (
    *(run, count_rows, in_time, to_columns, count_taken, split_ends),
    *(write_ids12, write_ids8, count_actions, first_come, first_come_far, gather_texts, spell),
    *(sums_of_pieces, in_types),
)
"""What Python calls."""

WIDE = (write_ids12, write_ids8, sums_of_pieces)
"""Those whose loops do the same to many words in a row: with instructions for several words at once."""
