"""What flows do in the kernel (`acts`, `changes`, `waves`), done by Python between two calls of it.

For flows that Python serves: what they let go, take and change is written into the same words.
"""

from __future__ import annotations

from deep_faker.simulate.arrays import I64
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.memory import Memory
from deep_faker.simulate.native.rows import StateWords


class Hands:
    """Acts on the words of one run. Rows of slots and entities are views of `Memory`'s."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.G = memory, memory.G

    def _room(self, which: int, need: int) -> I64:
        """The buffer, with room for so many words."""
        if need > len(self.memory.buffers[which]):
            self.memory.grow(which, need)
        return self.memory.buffers[which]

    def touch(self, packed: int, row: I64) -> None:
        """The entity's lists are looked at when the step is over."""
        G = self.G
        if row[layout.E_TOUCHED] != G[layout.G_STEP]:
            row[layout.E_TOUCHED] = G[layout.G_STEP]
            place = int(G[layout.G_TOUCHED])
            self._room(layout.B_TOUCHED, place + 1)[place] = packed
            G[layout.G_TOUCHED] = place + 1

    def take_node(self, slot: I64, packed: int) -> None:
        """The flow has taken one more entity."""
        nodes = self.memory.buffers[layout.B_CHAIN]
        node = int(nodes[0])
        if node:
            nodes[0] = nodes[2 * node + 1]
        else:
            node = int(nodes[1])
            nodes = self._room(layout.B_CHAIN, 2 * node + 8)
            nodes[1] = node + 1
        nodes[2 * node], nodes[2 * node + 1] = packed, slot[layout.S_CHAIN]
        slot[layout.S_CHAIN] = node
        slot[layout.S_TAKEN] += 1

    def let_go(self, slot: I64, e: int) -> None:
        """What the flow holds of a type goes free; its own births wait for its end (N4)."""
        held = int(slot[layout.S_HELD + e])
        if held >= 0 and held & 1 == 0:
            row = self.memory.entities(e)[held >> 1]
            if row[layout.E_FLAGS] & layout.PUBLISHED:
                row[layout.E_FLAGS] |= layout.AVAILABLE
                self.touch(e << 40 | held >> 1, row)
                slot[layout.S_HELD + e] = -1

    def give(self, slot: I64, e: int, number: int, *, shared: bool) -> None:
        """A flow holds, or shares, the entity that it gets (-1: none); that took one draw."""
        slot[layout.S_DRAWS] += 1
        if number < 0:
            slot[layout.S_HELD + e] = -1
            return
        slot[layout.S_HELD + e] = number << 1 | int(shared)
        if shared:
            return
        row = self.memory.entities(e)[number]
        row[layout.E_FLAGS] &= ~layout.AVAILABLE
        row[layout.E_TAKEN], row[layout.E_HOLDER] = self.G[layout.G_STEP], slot[layout.S_NUMBER]
        self.touch(e << 40 | number, row)
        self.take_node(slot, e << 40 | number)

    def hold_born(self, slot: I64, e: int, number: int) -> None:
        """A new entity is held by its creator, in place of what it held."""
        self.let_go(slot, e)
        self.memory.entities(e)[number, layout.E_HOLDER] = slot[layout.S_NUMBER]
        slot[layout.S_HELD + e] = number << 1
        self.take_node(slot, e << 40 | number)

    def write_down(
        self,
        slot: I64,
        packed: int,
        state: StateWords | None,
        words: tuple[int, int, int],
        order: int,
        where: int,
        *,
        by_event: bool,
        shared: bool = False,
    ) -> None:
        """One more entry of the log of changes; ``words``: kind, word and null. No state: a birth."""
        G, rows = self.G, self.memory.types[packed >> 40]
        row = self.memory.entities(packed >> 40)[packed & layout.NUMBER]
        step, place, linked = int(G[layout.G_STEP]), int(G[layout.G_CHANGES]), rows.log
        log = self._room(layout.B_CHANGES, (place + 1) * layout.CH_SIZE)
        if row[linked + layout.L_STEP] != step:
            row[linked : linked + layout.L_SIZE] = step, -1, 0
        if slot[layout.S_OWN_STEP] != step:
            slot[layout.S_OWN_STEP], slot[layout.S_OWN_LAST] = step, -1
        live, null, start, start_null = (
            (0, -1, 0, -1) if state is None else (state.live, state.null, state.start, state.start_null)
        )
        log[place * layout.CH_SIZE : (place + 1) * layout.CH_SIZE] = (
            row[linked + layout.L_LAST],
            slot[layout.S_OWN_LAST],
            packed,
            live,
            start,
            *words,
            slot[layout.S_CLOCK],
            slot[layout.S_NUMBER],
            slot[layout.S_ACTION],
            order,
            null << 20 | start_null if null >= 0 else -1,
            where,
            by_event,
        )
        row[linked + layout.L_LAST] = slot[layout.S_OWN_LAST] = place
        if shared:
            row[linked + layout.L_SHARED] = 1
        G[layout.G_CHANGES] = place + 1
