"""Where everything is: the kernel's buffers, and the words of each row of them.

All state of a run is in arrays of 64-bit words. The kernel gets one array of their addresses (`B_…` are the
places in it) and returns a status; nothing else passes between it and Python.
"""

from __future__ import annotations

NEVER = 1 << 62
WHEEL = 4096  # buckets of steps in which flows wait, a power of two
NUMBER = (1 << 40) - 1  # the entity number in a packed ``type << 40 | number``

# ---------------------------------------------------------------- buffers
# fmt: off
(B_GLOBALS, B_CODE, B_KEYS, B_SLOTS, B_TYPES, B_TYPE_FILTERS, B_DEFAULTS, B_FILTERS, B_CONDITIONS, B_PERMUTATION,
 B_WHEEL, B_LOG, B_ENDS, B_CHANGES, B_TOUCHED, B_FLIP_KEY, B_FLIP_ROW, B_WAITING, B_FREE, B_REGISTERS, B_FLOWS,
 B_WEIGHTS, B_FLOW_STARTS, B_DUAL, B_ASIDE, B_READY, B_CHAIN, B_VERSIONS, B_UNMATCHED, B_OUTCOMES,
 B_S1, B_S2, B_S3, B_S4, B_S5, B_S6, B_LINKS, B_HINTS, B_ARRIVALS,
 B_CLOCKS, B_TRIGGERS) = range(41)
BUFFERS = 41

# ---------------------------------------------------------------- globals
# counters and places of the run; capacities of the buffers (in words) follow from G_CAPACITY on
(G_STEP, G_NEXT_FLOW, G_RUNNING, G_SKIPPED, G_STEPS, G_PHASE, G_EVENTS,
 G_LOG, G_ENDS, G_CHANGES, G_TOUCHED, G_FLIPS, G_WAITING, G_FREE, G_DUAL, G_ASIDE, G_READY, G_VERSIONS,
 G_WORK, G_WAVE, G_T0, G_T1, G_SLOTS,
 G_START, G_LENGTH, G_END, G_CUTS, G_LAST, G_CEILING, G_PER_STEP, G_FLOWS, G_TYPES, G_FILTERS, G_SLOT_WORDS,
 G_REGISTERS, G_HISTORY, G_WAVES, G_MOST_FILTERS, G_KEY_START, G_KEY_ORDER, G_KEY_FLOW, G_KEY_SELECT, G_KEY_DECAY,
 G_KEY_RANDOM, G_KEY_PICK, G_KEY_SELECT_START, G_JUDGED,
 G_JUDGES, G_FAILED, G_NEED, G_NEED_WORDS, G_TROUBLE, G_UNFIT,
 G_ARRIVAL, G_ARRIVALS, G_KNOWN, G_KEY_SELECT_ARRIVAL, G_CLOCKS,
 G_ARRIVAL_WORDS, G_WAITERS, G_STIRRED, G_TRIGGERS, G_TRIGGER_DUE) = range(63)
G_CAPACITY = 96
G_SIZE = G_CAPACITY + BUFFERS

# ---------------------------------------------------------------- a flow in flight
(S_NUMBER, S_FLOW, S_PC, S_CLOCK, S_ACTION, S_DRAWS, S_STARTED, S_EVENTS, S_MARK, S_PENDING, S_WAVE,
 S_FILTER, S_BORN, S_OWN_STEP, S_OWN_LAST, S_CHAIN, S_TAKEN, S_SINCE, S_WAITED,
 S_HELD) = range(20)
# links of flows that wait or are the step's work, in a small array of their own that stays in the cache
N_NEXT, N_DUE, N_SIZE = 0, 1, 2
# from S_HELD on: for each entity type the entity held (number << 1 | shared; -1: none found, -2: never asked
# for), then the stored locals

# B_HINTS has a word for each of the code: what a flow that went on there picked last (0: nothing), as
# filter << HINT | draws before it + 1. No result depends on it: the next such pick is looked up ahead of its time
HINT = 8

# ---------------------------------------------------------------- an entity
E_FLAGS, E_TAKEN, E_HOLDER, E_TOUCHED, E_FIRST = range(5)
AVAILABLE, PUBLISHED = 1, 2  # bits of E_FLAGS
# of types whose changes are written down: the step of the list, its last entry, whether somebody shared it
L_STEP, L_LAST, L_SHARED, L_SIZE = range(4)
# rows are multiples of half a line of the cache, and the first begins one: none lies on a line more than it must
ROW, LINE = 4, 8
BIRTH = 4  # words of a birth, in an array of their own: flow, action, site, clock

# ---------------------------------------------------------------- an entity type
(T_ROWS, T_STRIDE, T_CAPACITY, T_COUNT, T_FILTERS, T_FIRST_FILTER, T_DEFAULT, T_LOG, T_BIRTHS) = range(9)
T_SIZE = 9

# ---------------------------------------------------------------- a filter
(F_TYPE, F_SHARED, F_WEIGHT, F_WEIGHT_NULL, F_WEIGHT_FLOAT, F_CONDITIONS, F_FIRST_CONDITION, F_MEMBERS, F_LENGTH,
 F_CAPACITY, F_POSITION, F_FLIP, F_CURSOR, F_STEP, F_KEY, F_ORDERED, F_TOTALS, F_MARKS, F_FRESH, F_RACE,
 F_RACE_LEFT, F_EVER, F_BOUNDS, F_FIRST_BOUND, F_ASKED, F_AHEAD, F_BLOCKS, F_STALE) = range(28)
F_SIZE = 28
BLOCK = 8  # bits of a place within a block of weights (simulate/weights.py)
NO_FILTER = 1 << 30  # of a flow that has been served
C_SIZE = 6  # a condition: offset, null offset (-1), kind, comparison, value; of BY_SET: count << 1 | None is in it
PERM, RING = 80, 64  # words of a filter's permutation: up to 16 places, or mask, shift and rounds; the next ones

# kinds of conditions
BY_WORD, BY_FLOAT, BY_NOW, BY_INT_FLOAT, BY_SET, BY_BIT, BY_FLOAT_INT = range(7)
# comparisons
(IS, IS_NOT, GREATER, LESS, GREATER_EQUAL, LESS_EQUAL, IS_NULL, NOT_NULL, IN, NOT_IN, NO_ONE) = range(11)

# ---------------------------------------------------------------- logs
A_SLOT, A_ESCAPE, A_PC, A_TURNS, A_WAIT, A_FIRST = range(6)  # a flow put aside, then its registers
(CH_BEFORE, CH_OWN, CH_ENTITY, CH_LIVE, CH_START, CH_KIND, CH_VALUE, CH_NULL, CH_CLOCK, CH_FLOW, CH_ACTION, CH_ORDER,
 CH_NULLS, CH_WHERE, CH_EVENT) = range(15)
CH_SIZE = 15
V_TYPE, V_NUMBER, V_CLOCK, V_FLOW, V_ACTION, V_EVENT, V_FIRST = range(7)  # a version, then the state
END_WORDS = 9  # flow, table, started, ended, outcome, line, events, how many taken, µs in queues; then those

# ---------------------------------------------------------------- statuses
DONE, CHUNK, STOPPED, ROOM, ESCAPE, GROW, SLOTS, JUDGE, SERVE, REPLAY, WAVES, UNFIT, FAILED, ARRIVE = range(14)
NEXT = 99  # inside the kernel: go on

# ---------------------------------------------------------------- outcomes (see plan.OUTCOMES), and the late
COMPLETED, DECAYED, NO_ENTITY, CUT, LATE = range(5)

# ---------------------------------------------------------------- changes
(K_IS, K_ADD_INT, K_SUB_INT, K_MUL_INT, K_MIN_INT, K_MAX_INT, K_ADD_FLOAT, K_SUB_FLOAT, K_MUL_FLOAT, K_MIN_FLOAT,
 K_MAX_FLOAT, K_ADD_TIME, K_SUB_TIME, K_ADD_DATE, K_SUB_DATE, K_BORN) = range(16)
K_PYTHON = 16  # and what follows: `change_kinds.BY_PYTHON`, the value is the word of an object
WATCHED, LOGGED, BY_EVENT = 1, 2, 4  # bits of a change

# ---------------------------------------------------------------- opcodes (from 64 on: `opcodes`, from 192 on: `recipe_codes`)
(O_GOTO, O_BRANCH, O_END, O_COUNT, O_COUNT_GUARDED, O_TURN, O_ESCAPE, O_HELD, O_NEED, O_NEED_KEY, O_NEED_TRIED,
 O_SAME, O_READ, O_VIEW, O_CLOCK, O_SESSION, O_KEY_WORD, O_EMIT, O_CHANGE, O_VERSION, O_WAIT, O_WAIT_INT,
 O_WAIT_FLOAT, O_WAIT_MICROS, O_WAIT_DRAW, O_WAIT_END, O_PICK, O_PICK_OWN, O_SAVE, O_BIRTH_STATE, O_BIRTH_KEY,
 O_BIRTH_TEXT, O_BIRTH, O_DRAW, O_DRAW_UNIT, O_KEY_NUMBER, O_MOVE, O_ASK, O_PARK, O_OVER, O_RELEASE, O_USE, O_PICK_APART, O_TRIGGER) = range(44)
# fmt: on

# an arrival: instant, flow, the word that its draws go by, the entities that it names (-1: none), then words of the
# event that started it, G_ARRIVAL_WORDS in all. G_ARRIVAL is the next one's place, G_ARRIVALS how many there are in the buffer: all of the steps before
# G_KNOWN. The first G_WAITERS are from before: they wait, and G_STIRRED says whether the last step did anything
A_CLOCK, A_FLOW, A_WORD, A_ENTITY = range(4)
ARRIVING = 1 << 20  # as simulate/arrivals.py says
# a flow that goes by clocks: whose, how many have been looked at, the step in which the first of these is due,
# and the first gaps: of which number the first one is, how many there are, their address
K_TYPE, K_SEEN, K_SOONEST, K_FIRST, K_COUNT, K_GAPS, K_SIZE = range(7)
# of a flow's row: entry, stored registers, first start filter (in B_FLOW_STARTS), how many, whether arrivals wait,
# how many words of an event its arrivals have, which are its first stored locals
FLOW_WORDS = 6
# what an event starts: flow, then of the flow that emitted it number, action and clock, and its entities (-1: none)
# and words of the event, as many as arrivals have. G_TRIGGERS words are there; the first is due in step G_TRIGGER_DUE
X_FLOW, X_NUMBER, X_ACTION, X_CLOCK, X_ENTITY = range(5)

# ---------------------------------------------------------------- draws
# fmt: off
(RANDINT, RANDRANGE, BITS, INDEX, UNIFORM_INTS, UNIFORM, NORMAL, TRIANGULAR, TRIANGULAR_MIDDLE, EXPONENTIAL,
 LOGNORMAL, PARETO, WEIBULL, WHOLE_DRAW) = range(14)
# fmt: on
DRAW_WORDS = 7  # opcode, function, target, three operands, where Python draws
WAIT_WORDS = (
    9  # opcode, key, kind, two operands, unit, address of a table, most (0: constants), where Python waits
)

APART_TRIES = 32  # as simulate/apart.py says
# after the words of a wait: the flow that is started, the type that is being born (-1: none), then
# for each word of an arrival the type of the entity whose number it is (-1: none), else its register
TRIGGER_WORDS = WAIT_WORDS + 2
MOST_TRIGGERS = 1 << 18  # words of B_TRIGGERS with which Python is called, whatever is due

STALL, TURNS = 10_000, 1_000_000  # as simulate/failures.py says
