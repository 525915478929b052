"""Paths as users write them: ``~`` is the home folder, and no character of a name is a pattern."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from deep_faker.errors import Diagnostic, SettingsError, shown
from deep_faker.spans import caller_span, narrow_keyword

_PATTERN = re.compile(r"[*?[]")


def checked_path(path: object, name: str = "path") -> Path:
    """``path`` with the home folder in place of ``~``. Raises `SettingsError` for what names no file.

    >>> checked_path("shop")
    PosixPath('shop')
    """
    try:
        text = os.fspath(path)  # type: ignore[call-overload]  # whatever else is given is refused here
        encoded = os.fsencode(text)
    except (TypeError, ValueError):
        text = encoded = b""
    if not isinstance(text, str) or not text or b"\0" in encoded:
        span = narrow_keyword(caller_span(), name)
        raise SettingsError(
            Diagnostic(f"wrong {name}", span, f"{name}={shown(path)}", 'give a path such as "out"')
        )
    return Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib takes "./~" for a home folder, too


def output_path(path: object, name: str = "path") -> Path:
    """`checked_path` of a place to write to, which is no file system's root."""
    place = checked_path(path, name)
    if not Path(os.path.realpath(place)).name:
        label = f"{name}={shown(path)} is the root of a file system"
        span = narrow_keyword(caller_span(), name)
        raise SettingsError(Diagnostic(f"wrong {name}", span, label, "name a folder or a file in it"))
    return place


def exact_path(path: Path | str) -> str:
    """The path for a reader that takes ``*``, ``?`` and ``[`` for patterns and cannot be told otherwise.

    >>> exact_path("run[12]/events.jsonl")
    'run[[]12]/events.jsonl'
    """
    return glob.escape(str(path))


def has_pattern(path: object) -> bool:
    """Whether such a reader would look for other files than the one of this name.

    >>> has_pattern("run[12]"), has_pattern("run12")
    (True, False)
    """
    return _PATTERN.search(str(path)) is not None
