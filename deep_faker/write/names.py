"""Names of types and fields as others take them: folders, and systems that do not tell A from a."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from deep_faker.errors import Diagnostic, OutputError

_LONGEST_NAME = 200  # bytes: file systems take 255
_SHOWN = 60
_UNSAFE = re.compile(r"[^\w.-]+")


def folder_of(table: str) -> str:
    """The folder of a table or a type: its name, but for a generic class a plain one.

    Readers' patterns, ``events/*/*.parquet``, take brackets for a choice of letters.

    >>> folder_of("events/UserLogin"), folder_of("events/Sent[dict[str, int]]")
    ('events/UserLogin', 'events/Sent_dict_str_int')
    """
    head, bracket, arguments = table.partition("[")
    return f"{head}_{_UNSAFE.sub('_', arguments).strip('_')}" if bracket else table


def check_folder_names(names: Iterable[str], place: Path | None = None) -> None:
    """Raise `OutputError` for a type whose name is no folder's: nothing is written outside of ``place``.

    Nor may two names be one folder, of all or where ``place`` is on a disk that does not tell A from a.

    >>> check_folder_names(["UserLogin", "user_login"])
    """
    folders: dict[str, str] = {}
    for type_ in names:
        name = folder_of(type_)
        if folders.setdefault(name, type_) != type_:
            label = f"{folders[name]} and {type_} would both lie in {name}"
            raise OutputError(Diagnostic("two types in one folder", None, label, "rename one of the classes"))
        wrong = not name or name.startswith(".") or any(c in '/\\:*?"<>|' or ord(c) < ord(" ") for c in name)
        if wrong or len(name.encode()) > _LONGEST_NAME:
            shown = name if len(name) < _SHOWN else f"{name[:_SHOWN]}…"
            mend = "give the class a plain name, such as UserLogin"
            raise OutputError(Diagnostic("a type's name cannot name a folder", None, repr(shown), mend))
    twins = differ_by_case(folders)
    if twins and place is not None and not tells_case(place):
        label = f"{twins[0]} and {twins[1]} are one folder on the disk of {place}"
        raise OutputError(
            Diagnostic(
                "two types in one folder", None, label, "rename one of the classes, or use another disk"
            )
        )


def differ_by_case(names: Iterable[str]) -> tuple[str, str] | None:
    """Two of the names that differ only by case, if there are any.

    >>> differ_by_case(["a", "B", "A"])
    ('a', 'A')
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            return other, name
    return None


def tells_case(folder: Path) -> bool:
    """Whether the disk of ``folder``, which exists, tells A from a; a file is made and removed."""
    probe = folder / ".deep_faker-case"
    probe.touch()
    try:
        return not probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink()
