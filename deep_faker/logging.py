"""The package's loggers: silent until the application asks for them.

Programs import both functions from here, and the compiler knows the first by this name.
"""

from __future__ import annotations

import logging

_ROOT = "deep_faker"
# A library writes nothing by itself; standard output and standard error belong to the application.
logging.getLogger(_ROOT).addHandler(logging.NullHandler())


def get_logger(name: str = "", level: int | None = None) -> logging.Logger:
    """The logger ``deep_faker`` or a child of it; with ``level``, it tells from there on.

    >>> get_logger("outputs").name
    'deep_faker.outputs'
    >>> get_logger("deep_faker.engine").name
    'deep_faker.engine'
    """
    is_root = not name or name == _ROOT
    whole = _ROOT if is_root else name if name.startswith(f"{_ROOT}.") else f"{_ROOT}.{name}"
    logger = logging.getLogger(whole)
    if level is not None:
        logger.setLevel(level)
    return logger


def setup_logging(level: int = logging.INFO) -> None:
    """Show messages on standard error from ``level`` on, unless logging is set up already."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
