"""The event being emitted, as far as its ``mutate``, its state and the flow look at it (F7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deep_faker.compile.graph.ir import Block, Op
from deep_faker.declare.schema import EntitySpec, EventSpec


class Beforehand:
    """What is made of an event before it is emitted, at one place: ``fields`` tells each field's local.

    Fields are made where the event is, whoever looks at them: a part of ``mutate`` may be skipped, the
    event not.
    """

    def __init__(self, fields: Mapping[str, str], home: Block | None) -> None:
        """``home``: the block that the event stands in (None: nothing gets there)."""
        self.fields = dict(fields)
        self.home = home
        self._place = len(home.ops) if home is not None else 0

    def after(self) -> list[Op]:
        """What has been written into the block after that place."""
        return self.home.ops[self._place :] if self.home is not None else []

    def insert(self, ops: Sequence[Op]) -> None:
        """Operations that come after those inserted before."""
        if self.home is not None:
            self.home.ops[self._place : self._place] = ops
            self._place += len(ops)

    def make(self, name: str, local: str) -> None:
        """The field is in that local from now on."""
        self.fields[name] = local

    def snapshot(self) -> Callable[[], None]:
        """A function that puts everything back to what it is now."""
        fields, place = dict(self.fields), self._place
        home, ops = self.home, list(self.home.ops) if self.home is not None else []

        def taken_back() -> None:
            self.fields, self._place = fields, place
            if home is not None:
                home.ops[:] = ops

        return taken_back


@dataclass(frozen=True, eq=False)
class Emission:
    """One event. ``keys``: field → entity whose key fills it; ``given``: the fields that the flow gives."""

    event: EventSpec
    save: EntitySpec | None
    keys: Mapping[str, str]
    given: frozenset[str]
    made: Beforehand
