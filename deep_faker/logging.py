"""The package's loggers: silent until the application asks for them."""

from __future__ import annotations

import logging

_ROOT = "deep_faker"
# A library writes nothing by itself; standard output and standard error belong to the application.
logging.getLogger(_ROOT).addHandler(logging.NullHandler())


def get_logger(name: str = "") -> logging.Logger:
    """The logger ``deep_faker`` or a child of it.

    >>> get_logger("outputs").name
    'deep_faker.outputs'
    >>> get_logger("deep_faker.engine").name
    'deep_faker.engine'
    """
    if not name or name == _ROOT:
        return logging.getLogger(_ROOT)
    return logging.getLogger(name if name.startswith(_ROOT + ".") else f"{_ROOT}.{name}")
