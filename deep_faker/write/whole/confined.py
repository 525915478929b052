"""Paths that a document names, held inside the folder that the document is about."""

from __future__ import annotations

import stat
from pathlib import Path


def why_unfit(name: object) -> str:
    """Why ``name`` is no plain path below a folder or a prefix; empty where it is one.

    >>> why_unfit("events/Order/part-00000.parquet"), why_unfit("events/A/../../x")
    ('', 'it goes up')
    """
    if not isinstance(name, str) or not name:
        return "it is no path"
    if "://" in name or name.startswith("/") or name[1:2] == ":":
        return "it is no path below the folder"
    if any(c in name for c in "\\\0\n\r"):
        return "it has a character that no path of ours has"
    parts = name.split("/")
    if ".." in parts:
        return "it goes up"
    return "it has an empty part" if any(part in ("", ".") for part in parts) else ""


def why_outside(folder: Path, name: object) -> str:
    """Why the file ``name`` does not lie in ``folder``, links followed; empty where it does.

    >>> why_outside(Path("shop"), "events/A/part-00000.parquet")
    ''
    """
    why = why_unfit(name)
    if why:
        return why
    path = folder / str(name)
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        mode = path.stat().st_mode if path.exists() else stat.S_IFREG
    except (OSError, RuntimeError):  # a loop of links
        return "it is a link that leads nowhere"
    if not inside:
        return "it is a link that leads outside"
    return "" if stat.S_ISREG(mode) else "it is no file"
