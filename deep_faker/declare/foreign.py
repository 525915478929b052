"""What a flow may not ask: numbers that no seed reaches (F3), facts of the process or the machine (R1)."""

from __future__ import annotations

import builtins
import os
import random
import threading
import types
import uuid

_UNSEEDED = ("numpy.random", "secrets", "faker", "mimesis")
# Modules about the process or the machine; the first word is enough where a module is written in C.
_SURROUNDINGS = ("platform", "socket", "_socket", "getpass", "tempfile", "psutil", "multiprocessing")
_OF_OS = (
    "getpid getppid getpgid getpgrp getsid getlogin getuid geteuid getgid getegid getgroups uname cpu_count "
    "process_cpu_count sched_getaffinity getloadavg times getcwd getcwdb getenv getenvb environ environb "
    "ctermid ttyname get_terminal_size urandom getrandom"
).split()
_OF_THREADING = ("get_ident", "get_native_id", "current_thread", "main_thread", "active_count", "enumerate")
_OF_BUILTINS = ("id", "input")
_NAMED: list[tuple[object, str]] = [
    *((getattr(os, name), f"os.{name}") for name in _OF_OS if hasattr(os, name)),
    *((getattr(threading, name), f"threading.{name}") for name in _OF_THREADING),
    *((getattr(builtins, name), name) for name in _OF_BUILTINS),
    (uuid.getnode, "uuid.getnode"),
]
_BY_ID = {id(value): name for value, name in _NAMED}
_STATE = ("seed", "setstate", "getstate")


def foreign_name(value: object) -> str | None:
    """The name of something that is not of the simulation, if ``value`` is that.

    >>> import os, secrets, random
    >>> foreign_name(os.urandom), foreign_name(secrets), foreign_name(os.getpid), foreign_name(id)
    ('os.urandom', 'secrets', 'os.getpid', 'id')
    >>> foreign_name(random.random) is None
    True
    """
    named = _BY_ID.get(id(value))
    if named is not None:
        return named
    owner = getattr(value, "__self__", None)
    if value is random.SystemRandom or any(isinstance(one, random.SystemRandom) for one in (value, owner)):
        return "random.SystemRandom"
    if isinstance(owner, random.Random) and getattr(value, "__name__", "") in _STATE:
        return f"random.{getattr(value, '__name__', '')}"
    if owner is os.environ:
        return "os.environ"
    module = value.__name__ if isinstance(value, types.ModuleType) else None
    home = module or getattr(value, "__module__", None) or type(value).__module__
    if not isinstance(home, str):
        return None
    for name in (*_UNSEEDED, *_SURROUNDINGS):
        if home == name or home.startswith(f"{name}."):
            shown = name.removeprefix("_")
            return shown if module else f"{shown}.{getattr(value, '__name__', type(value).__name__)}"
    return None


def is_unseeded(name: str) -> bool:
    """Whether it is a source of random numbers, and not of facts about the process.

    >>> is_unseeded("secrets.token_hex"), is_unseeded("os.getpid")
    (True, False)
    """
    return name.startswith((*_UNSEEDED, "random.", "os.urandom", "os.getrandom"))


def refusal(name: str) -> tuple[str, str, str]:
    """Title, label and help of the error for one of them."""
    if is_unseeded(name):
        return (
            "numbers from outside the simulation",
            f"{name} is not drawn from the seed",
            "use random, uuid or shortuuid, which draw from the simulation's seed, or Field(faker=…)",
        )
    return (
        "an answer from outside the simulation",
        f"{name} is of the process or the machine that the run happens to be on",
        "ask it outside of the flow, and give it a name; ctx.session_id is the flow's own",
    )
