"""All that lasts in a native run: its program, the kernel's memory, and what the words in it stand for.

`serving`, `live_world` and `checkpoint` work on this; what is done when is the engine's.
"""

from __future__ import annotations

from threading import RLock

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Plan, Wait
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.failures import Failures
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.entities import EntityStore
from deep_faker.simulate.native.hands import Hands
from deep_faker.simulate.native.lower.program import program_of
from deep_faker.simulate.native.memory import Memory
from deep_faker.simulate.native.texts import Words


class RunState:
    """One run; it is the `escapes.World` of what Python does for the kernel.

    ``whole`` is held where `memory` is exchanged, and by those that look at births on another thread.
    """

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        self.plan, self.draws, self.fields, self.settings = plan, draws, fields, plan.settings
        self.words = Words(plan, draws, fields, self.births)
        self.program = program_of(plan, draws, fields, self.words)
        self.words.objects.keep()
        self.objects_kept = 0  # besides the program's, when others were let go last
        self.failures = Failures()
        self.whole = RLock()
        self.memory = Memory(self.program, draws)
        self.store = EntityStore(self.memory, self.words)
        self.hands = Hands(self.memory)

    def restart(self) -> None:
        """Empty buffers, to be loaded into."""
        self.memory = Memory(self.program, self.draws)
        self.store = EntityStore(self.memory, self.words)
        self.hands = Hands(self.memory)

    def key(self, *purpose: str | int) -> int:
        """The key of draws for a purpose."""
        return self.draws.key(*purpose)

    def births(self, entity: str, numbers: I64) -> tuple[Array, Array, Array]:
        """(flow, action, clock) of entities' births."""
        e = self.program.world.entities[entity].number
        with self.whole:  # the writing thread asks for texts of a history, too
            words = self.memory.births[e].reshape(-1, layout.BIRTH)[numbers]
        flow, action, clock = (np.ascontiguousarray(words[:, i]) for i in (0, 1, 3))
        return flow.view(np.uint64), action, clock

    def find_key(self, entity: str, key: object) -> int:
        """The number of the entity with a key, -1: there is none."""
        return self.store.tables[entity].find_key(key)

    def claim_keys(self, entity: str, keys: dict[object, int]) -> None:
        """New keys, and the numbers of those that have them."""
        self.store.tables[entity].claim_keys(keys)

    def state(self, entity: str, words: tuple[int, int], number: int) -> tuple[int, int]:
        """Two words of an entity."""
        row = self.memory.entities(self.program.world.entities[entity].number)[number]
        return int(row[words[0]]), int(row[words[1]]) if words[1] >= 0 else 0

    def own_changes(self, slot: int, entity: str, number: int, live: int) -> list[tuple[int, int, int]]:
        """(kind, word, null) of a flow's own changes of a field in this step, first to last."""
        G, log, flow = self.memory.G, self.memory.buffers[layout.B_CHANGES], self.memory.slots()[slot]
        packed = self.program.world.entities[entity].number << 40 | number
        changes = []
        place = int(flow[layout.S_OWN_LAST]) if flow[layout.S_OWN_STEP] == G[layout.G_STEP] else -1
        while place >= 0:
            entry = log[place * layout.CH_SIZE : (place + 1) * layout.CH_SIZE]
            if entry[layout.CH_ENTITY] == packed and entry[layout.CH_LIVE] == live:
                value, null = int(entry[layout.CH_VALUE]), int(entry[layout.CH_NULL])
                changes.append((int(entry[layout.CH_KIND]), value, null))
            place = int(entry[layout.CH_OWN])
        return changes[::-1]

    def next_of(self, flow: int, state: int) -> int:
        """The plan's state after a wait."""
        wait = next(s.terminator for s in self.plan.flows[flow].states if s.number == state)
        assert isinstance(wait, Wait)
        return wait.next
