"""While a simulation is compiled or runs, the time zone of the process is UTC.

Simulated time is UTC (T1), but the naive datetimes of flows, derived fields, validators and value libraries
are taken for local time by Python itself: ``datetime.timestamp``, ``astimezone``, ``fromtimestamp``,
``time.mktime``, ``strftime("%s")``. These are C functions that ask the process, so that is told.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_before: str | None = None


@contextmanager
def in_utc() -> Iterator[None]:
    """Local time is UTC inside, for as long as one of several runs goes on; nothing is touched where it is.

    >>> import datetime
    >>> with in_utc():
    ...     datetime.datetime(2024, 1, 1).timestamp() == 19723 * 86400
    True
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _before  # noqa: PLW0603 - the zone is the process's own
    with _lock:
        if _inside or (time.tzname != ("UTC", "UTC") and hasattr(time, "tzset")):
            if not _inside:
                _before = os.environ.get("TZ")
                _set("UTC")
            _inside += 1


def _leave() -> None:
    global _inside  # noqa: PLW0603
    with _lock:
        if _inside:
            _inside -= 1
            if not _inside:
                _set(_before)


def _set(zone: str | None) -> None:
    if zone is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = zone
    time.tzset()
