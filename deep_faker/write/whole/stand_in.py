"""Where an output that goes to an object store is made whole first."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from deep_faker.write.protocol import RunInfo


class StandIn:
    """A place on the local disk: beside the run's checkpoints, where it keeps them, else a temporary one."""

    def __init__(self) -> None:
        self._temporary: TemporaryDirectory[str] | None = None

    def place(self, info: RunInfo, name: str) -> Path:
        """The local path of what is to be called ``name``. Raises `OSError`."""
        if info.scratch is not None:
            folder = info.scratch / "whole"
            folder.mkdir(exist_ok=True)
            return folder / name
        self.remove()
        self._temporary = TemporaryDirectory(prefix="deep_faker-")
        return Path(self._temporary.name, name)

    def remove(self) -> None:
        """Remove a temporary place; what lies beside checkpoints goes with them."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
