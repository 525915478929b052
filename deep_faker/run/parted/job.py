"""A run in parts, as whoever makes one of them needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event

from deep_faker.errors import Diagnostic
from deep_faker.plan import Plan
from deep_faker.plan.parts import WorldPart, check_parts
from deep_faker.run.checkpoints.fingerprint import differences, fingerprint
from deep_faker.run.delivery import Filtered
from deep_faker.run.parted.commit import receipt_at
from deep_faker.run.report import RunReport
from deep_faker.run.runner import run_plan
from deep_faker.write import versions
from deep_faker.write.files.folder import ParquetOutput
from deep_faker.write.files.part_names import receipt_name
from deep_faker.write.parted.output import PartOutput, require_folder
from deep_faker.write.parted.places import PartsPlace, exists, parts_at
from deep_faker.write.parted.receipts import Receipt


@dataclass(frozen=True)
class PartsJob:
    """A program, its seed, and the data set that its ``partitions`` parts go to.

    ``output`` is a `ParquetOutput`, or one that is given some event types only. Raises `SettingsError` for
    any other, and as `check_parts`.
    """

    plan: Plan = field(repr=False)
    seed: int
    engine: str
    partitions: int
    output: object
    owner: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_folder(self._target)
        check_parts(self.plan, self.partitions)

    @property
    def _target(self) -> object:
        return self.output.output if isinstance(self.output, Filtered) else self.output

    @property
    def folder(self) -> ParquetOutput:
        """The data set."""
        return require_folder(self._target)

    @cached_property
    def place(self) -> PartsPlace:
        """Where the parts are put."""
        return parts_at(self.folder.path, self.folder.remote)

    @cached_property
    def program(self) -> Mapping[str, str]:
        """The fingerprint of all that the parts' bytes depend on, their number left out."""
        out = fingerprint(self.plan, seed=self.seed, versions=versions())
        out["layout of the files"] = repr(self.folder.layout)
        if isinstance(self.output, Filtered):
            out["event types"] = ", ".join(sorted(self.output.events))
        return out

    def receipt(self, number: int) -> Receipt | None:
        """The receipt of a part that has been made.

        Raises `OutputExistsError` where the part that is there is of another program.
        """
        name = receipt_name(number)
        if self.place.read(name) is None:
            return None
        receipt = receipt_at(self.place, name)
        self.require_same(receipt)
        return receipt

    def require_same(self, receipt: Receipt) -> None:
        """Raise `OutputExistsError` where a receipt is of another program, with what differs."""
        lines = differences(receipt.program, self.program)
        if receipt.partitions != self.partitions:
            lines.insert(0, f"partitions was {receipt.partitions} and is {self.partitions}")
        if lines:
            what = "it holds parts of another program:\n" + "\n".join(lines[:10])
            raise exists(self.place.shown, what, "choose another place, or replace it by a run of all parts")

    def make(
        self,
        number: int,
        *,
        progress: bool | None = False,
        heard: Callable[[Diagnostic], None] | None = None,
        stop: Event | None = None,
        tell: Callable[[float, int], None] | None = None,
    ) -> RunReport:
        """Make one part, whether or not it is there; ``heard`` is told what would be a warning;
        ``stop``, once set, ends it; ``tell`` is told how far it is.

        Raises `RunError`; then nothing reads as that part.
        """
        output: object = PartOutput(self.folder)
        if isinstance(self.output, Filtered):
            output = Filtered(output, sorted(self.output.events))
        return run_plan(
            self.plan,
            seed=self.seed,
            outputs=[output],
            engine=self.engine,
            owner=self.owner,
            progress=progress,
            part=WorldPart(number, self.partitions),
            program=self.program,
            heard=heard,
            stop=stop,
            tell=tell,
        )
