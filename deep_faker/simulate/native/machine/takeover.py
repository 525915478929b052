"""Nobody waits for the compiler: the kernel is compiled beside a run that has begun without it.

A process of low priority compiles. It does not end with its parent: a first run is often shorter than the
compiler, and the second finds the kernel then. (Where it can be kept for this process only, it does end.)
It says nothing, is in no terminal's process group, and of several one works while the others wait for it.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deep_faker.simulate.native.machine import cache, compiling
from deep_faker.simulate.native.machine.cache import KERNEL, Kernel

_PAUSE = 0.05  # seconds between two looks for the kernel: a look costs some microseconds
_PROGRAM = "import sys; sys.path[:] = {path!r}; from {compiler} import main; sys.exit(main({arguments!r}))"


@dataclass(frozen=True)
class Warmed:
    """What `compile_now` gives: the kernel's file, its bytes, and the seconds it took; 0 if it was there."""

    file: Path
    size: int
    seconds: float


def compile_now(module: str = KERNEL) -> Warmed:
    """Compile the kernel where it is not there yet, and wait for it.

    Raises `RuntimeError` with the reason where that fails, `OSError` where it cannot be kept.
    """
    reason = cache.available()
    if reason is not None:
        raise RuntimeError(reason)
    seconds = 0.0
    if not cache.ready(module):
        place, stays = cache.writable()
        if not stays:
            raise OSError(f"its folder cannot be written; {cache.FOLDER} may name another")
        began = time.monotonic()
        child = _start(module, place, background=False)
        try:
            child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
        seconds = time.monotonic() - began
    file = cache.file_of(module)
    if file is None:
        raise RuntimeError(cache.failure(module) or "the compiler was stopped")
    return Warmed(file, file.stat().st_size, seconds)


_children: dict[str, subprocess.Popen[bytes]] = {}


def compile_in_background(module: str = KERNEL) -> Callable[[], bool] | None:
    """Have the kernel compiled; gives a function that says whether somebody still works at it.

    None where that cannot be begun, or has failed before (`cache.failure` says why).
    """
    running = _children.get(module)
    if running is None or running.poll() is not None:
        if cache.failure(module) is not None:
            return None
        try:
            place, stays = cache.writable()
            running = _start(module, place, background=True)
        except OSError:
            return None
        _children[module] = running
        if not stays:
            atexit.register(running.terminate)
        # Somebody must ask how it ended, or its entry stays in the system's table of processes.
        threading.Thread(target=running.wait, name="deep_faker-compiler", daemon=True).start()
    child = running
    return lambda: child.poll() is None


def _start(module: str, place: Path, *, background: bool) -> subprocess.Popen[bytes]:
    """The compiler's process. It finds modules where this one does, and numba's settings are ours alone."""
    if not sys.executable:
        raise OSError("no Python to compile with")
    # An empty entry is the working directory. The child has another, in which no file sets numba's options.
    path = [entry or str(Path.cwd()) for entry in sys.path]
    arguments = [module, cache.key(module), *(["background"] if background else [])]
    program = _PROGRAM.format(path=path, compiler=cache.COMPILER, arguments=arguments)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NUMBA_") or name in cache.PROCESSOR
    }
    quiet = subprocess.DEVNULL
    windows = 0
    if sys.platform == "win32":
        windows = subprocess.CREATE_NO_WINDOW | (subprocess.BELOW_NORMAL_PRIORITY_CLASS if background else 0)
    return subprocess.Popen(  # noqa: S603 - our own Python
        [sys.executable, "-W", "ignore", "-c", program],
        stdin=quiet,
        stdout=quiet,
        stderr=quiet,
        cwd=place,
        env={**kept, **compiling.SETTINGS, cache.FOLDER: str(place)},
        start_new_session=background,
        creationflags=windows,
    )


class Takeover:
    """When a run goes over to the native kernel: at once, at a step that comes, or never.

    ``kernel`` is there from the start where it has been compiled before; else the run begins on the numpy
    engine and calls `poll` between its steps. ``reason`` says why there is no kernel, or none yet.
    """

    def __init__(self, module: str = KERNEL) -> None:
        self.module = module
        self.kernel: Kernel | None = None
        self.reason: str | None = cache.available()
        self._working: Callable[[], bool] | None = None
        self._next = 0.0
        if self.reason is None:
            try:
                self._begin()
            except (
                OSError,
                ImportError,
            ) as error:  # no source (a zip file), or torn
                self.reason = str(error)

    def _begin(self) -> None:
        if cache.ready(self.module):
            self.kernel = cache.load(self.module)
        if self.kernel is None:
            self._working = compile_in_background(self.module)
            self.reason = self._why() if self._working is None else "it is being compiled"

    def _why(self) -> str:
        return cache.failure(self.module) or "the compiler was stopped"

    @property
    def waiting(self) -> bool:
        """Whether the kernel may come yet."""
        return self._working is not None

    def poll(self) -> Kernel | None:
        """The kernel, once it is there. Looks at most every 50 ms, and never again where compiling failed."""
        now = time.monotonic()
        if self._working is not None and now >= self._next:
            self._next = now + _PAUSE
            working = self._working()  # asked first: it ends when the kernel is there
            if cache.ready(self.module):
                self.kernel = cache.load(self.module)
            if self.kernel is not None:
                self.reason = self._working = None
            elif not working:
                self.reason, self._working = self._why(), None
        return self.kernel
