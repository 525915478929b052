"""The source of one flow's blocks while it is written: its lines, its names, where its values go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.draws.mix import mix, unit
from deep_faker.expressions import column_source
from deep_faker.plan import (
    Expr,
    Type,
)
from deep_faker.simulate.columns.runtime import Runtime
from deep_faker.simulate.columns.source import (
    OWN,
    Exits,
    Scope,
    Source,
    take,
)
from deep_faker.simulate.liveness import can_stall, columns_of

if TYPE_CHECKING:
    from deep_faker.simulate.columns.places import FlowBlocks
    from deep_faker.simulate.columns.world import World


class FlowSource:
    """What is known of a flow while the functions of its blocks are written, and the lines so far."""

    def __init__(self, world: World, exits: Exits, flow_blocks: FlowBlocks) -> None:
        self.world, self.plan, self.texts = world, world.plan, world.plan.texts
        self.flow, self.blocks, self.gids = flow, blocks, _ = flow_blocks
        self.guarded = can_stall(flow)
        self.live = {block.state: frozenset(block.live_in) for block in blocks}
        env: dict[str, object] = {
            "np": np,
            "take": take,
            "mix": mix,
            "unit": unit,
            "flatnonzero": np.flatnonzero,
            "ONE": np.uint64(1),
            "E": world,
            "S": world.slots,
            "R": Runtime(world, flow),
            "end": exits.end,
            "push": exits.push,
            "wait": exits.wait,
            "cut": exits.cut,
        }
        env |= {f"held_{entity}": held for entity, held in world.slots.held.items()}
        self.types = flow.types
        self.scope = Scope(flow.types, env)
        self.constant = self.scope.constant
        self.out = Source("")
        self.cached: set[str] = set()

    def assign(self, target: str, value: str, nulls: str | None, have: Type) -> None:
        """``target`` = the value, in the storage of the local's type."""
        want = self.types[target]
        if have == want:
            self.out.add(f"{target} = {value}")
            if want.optional:
                self.out.add(f"{target}__null = {nulls}")
            return
        types = f"{self.constant(have, 'type')}, {self.constant(want, 'type')}"
        mask = f"{target}__null" if want.optional else "_"
        self.out.add(f"{target}, {mask} = R.recast({value}, {nulls}, {types})")

    def expression(self, expr: Expr) -> tuple[str, str | None, Type]:
        """Source of an expression's value and mask, after the lines that it needs."""
        source = column_source(expr, self.types, self.texts, f"x{self.scope.count()}__")
        lines, value, nulls = list(source.lines), source.value, source.nulls
        for name, thing in source.env.items():
            if self.scope.env.setdefault(name, thing) is not thing:
                fresh = self.constant(thing)
                lines = [re.sub(rf"\b{name}\b", fresh, line) for line in lines]
                value = re.sub(rf"\b{name}\b", fresh, value)
                nulls = None if nulls is None else re.sub(rf"\b{name}\b", fresh, nulls)
        self.out.add(*lines)
        return value, nulls, expr.type

    def batch(self, state: int, rows: str | None) -> str:
        """The tuple of a batch that goes on at ``state``: all rows, or those at the places ``rows``."""
        names = ["rows__", *columns_of(sorted(self.live[state]), self.types)]
        parts = names if rows is None else [f"take({name}, {rows})" for name in names]
        return f"({', '.join(parts)},)"

    def push(self, state: int, rows: str | None) -> None:
        self.out.add(f"push({self.gids[state]}, {self.batch(state, rows)})")

    def column(self, name: str) -> str:
        slots = self.world.slots
        if name in OWN:
            return f"S.{OWN[name]}"
        return self.constant(slots.local(self.flow.number, name, self.plan), "column")
