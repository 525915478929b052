"""Parts as tasks of Ray: one task a part, one processor a task; what comes back is a few numbers.

Ray runs a task again whose process or machine has died; a part that is made twice does no harm. Needs
``pip install 'deep-faker[ray]'``, here and, with the same versions, on the cluster.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from deep_faker.errors import DeepFakerError, Diagnostic, RunError, SettingsError
from deep_faker.run.parted.workers import Made, Shipment, Told

_RETRIES = 3  # of tasks whose process was killed
_HEARING = 0.5  # seconds
_AHEAD = 4  # tasks that the cluster is given for each processor
_WORKER = "deep_faker.part_worker"  # of a higher room: loaded by its name, in the cluster's processes


class RayCluster:
    """Ray at ``address``: "local" (begun and ended here), "auto" (that which runs here), "ray://HOST:PORT".

    Raises `SettingsError` where Ray is not installed.
    """

    def __init__(self, address: str, shipment: Shipment, program: Mapping[str, str]) -> None:
        try:
            self._ray: Any = import_module("ray")
        except ImportError:
            mend = "pip install 'deep-faker[ray]'"
            problem = Diagnostic("Ray is not installed", None, f"cluster={address!r}", mend)
            raise SettingsError(problem) from None
        self._address, self._program = address, dict(program)
        self._data = pickle.dumps(shipment)
        self._began = False

    def _join(self) -> None:
        ray = self._ray
        if ray.is_initialized():
            return
        named: dict[str, Any] = {
            "address": self._address,
            "log_to_driver": False,
            "logging_level": "error",
            "ignore_reinit_error": True,
        }
        path = os.environ.get("PYTHONPATH")
        if self._address == "local":
            named["include_dashboard"] = False
            if path:
                named["runtime_env"] = {"env_vars": {"PYTHONPATH": path}}
        try:
            ray.init(**named)
        except Exception as error:  # noqa: BLE001 - whatever Ray says
            label = f"cluster={self._address!r}: {str(error).partition(chr(10))[0]}"
            raise RunError(Diagnostic("no cluster", None, label, "check its address")) from None
        self._began = True

    def make_all(self, parts: Sequence[int], done: Callable[[Made], None], told: Told | None = None) -> None:
        """See `Makers`. Tasks say nothing before they end."""
        del told
        if not parts:
            return
        self._join()
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_make)
        data, program = ray.put(self._data), ray.put(self._program)
        ahead = max(1, int(ray.cluster_resources().get("CPU", 1))) * _AHEAD
        rest: Iterator[int] = iter(parts)
        waiting: dict[Any, int] = {}

        def submit() -> None:
            part = next(rest, None)
            if part is not None:
                waiting[task.remote(data, program, part)] = part

        for _ in range(ahead):
            submit()
        try:
            while waiting:  # in turns, so that an interrupt is heard
                for reference in ray.wait(list(waiting), timeout=_HEARING)[0]:
                    done(self._result(reference, waiting.pop(reference)))
                    submit()
        except BaseException:
            for reference in waiting:
                with suppress(Exception):
                    ray.cancel(reference, force=True)
            raise

    def _result(self, reference: Any, part: int) -> Made:
        """What a task gave back; raises what it raised, or in our words why it did not end."""
        ray = self._ray
        try:
            made = ray.get(reference)
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            if isinstance(cause, DeepFakerError):
                raise cause from None
            label = f"{type(cause).__name__}: {str(cause).partition(chr(10))[0]}"
            mend = "run again with resume=True (--resume)"
            raise RunError(Diagnostic(f"part {part} could not be made", None, label, mend)) from None
        assert isinstance(made, Made)
        return made

    def close(self) -> None:
        """End what was begun here; a cluster that was there before goes on."""
        if self._began:
            self._began = False
            self._ray.shutdown()


def _make(data: bytes, program: Mapping[str, str], part: int) -> Made:
    """The task."""
    made = import_module(_WORKER).make_part(data, program, part)
    assert isinstance(made, Made)
    return made
