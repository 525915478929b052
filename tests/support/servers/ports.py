"""Ports for the servers that tests start.

The system gives out the ports above 32,768 itself, to any connection that anyone opens: one of them that was free
a moment ago, or belongs to a server that is down for two seconds, may be taken. These here lie below. Processes
that run at the same time begin at random places, and are very unlikely to try the same port at the same moment.
"""

from __future__ import annotations

import itertools
import random
import socket

_FIRST, _MANY = 10_240, 20_480
_NEXT = itertools.count(random.SystemRandom().randrange(_MANY))


def free_port() -> int:
    """A port of the loopback interface that nobody listens at and that was not given before."""
    for _ in range(_MANY):
        port = _FIRST + next(_NEXT) % _MANY
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no port is free")
