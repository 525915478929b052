"""Calls of loggers: no reason to leave the columns. What is said is said where somebody listens."""

from __future__ import annotations

import logging
from typing import Any

from deep_faker.expressions import LogCall
from deep_faker.logging import get_logger

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "log": None,  # its first argument
}
_ASKED = ("isEnabledFor", "getEffectiveLevel", "getChild", "hasHandlers")


def is_asked(function: object) -> bool:
    """Whether a call gives a logger, or tells of one: done once, when compiling.

    >>> is_asked(logging.getLogger), is_asked(logging.getLogger("x").isEnabledFor), is_asked(len)
    (True, True, False)
    """
    if function in (get_logger, logging.getLogger):
        return True
    return getattr(function, "__name__", "") in _ASKED and _owner(function) is not None


def log_call(function: Any) -> LogCall | None:
    """What a call of a logger's method (or of ``logging.info``) does; None for any other function.

    >>> log_call(logging.getLogger("shop").info).level
    20
    """
    name = getattr(function, "__name__", "")
    if name not in _LEVELS:
        return None
    owner = logging.getLogger() if function is getattr(logging, name, None) else _owner(function)
    return None if owner is None else LogCall(function, f"calls {name}() of a logger", owner, _LEVELS[name])


def _owner(function: object) -> logging.Logger | logging.LoggerAdapter[Any] | None:
    owner = getattr(function, "__self__", None)
    return owner if isinstance(owner, (logging.Logger, logging.LoggerAdapter)) else None
