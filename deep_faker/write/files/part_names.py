"""The names of a data set's files: of one run, or of one of many parts, of which each has names of its own.

events/Order/part-00000.parquet          file 0 of a run
events/Order/part-00003-00000.parquet    file 0 of part 3
_parts/part-00003.json                   the receipt of part 3
"""

from __future__ import annotations

import re
from typing import NamedTuple

FOLDER = "_parts"
_FILE = re.compile(r"part-(?:(\d{5,})-)?(\d{5,})(\..+)")
_RECEIPT = re.compile(rf"{FOLDER}/part-(\d{{5,}})\.json")
_LIST = re.compile(rf"{FOLDER}/receipts-(\d{{5,}})\.parquet")
_MAKING = f"{FOLDER}/making-"
REPLICATED = "replicated"
"""Where each part has its entities of the types that all parts have, below `FOLDER`."""


class FileName(NamedTuple):
    """What a file's name says: ``part`` (None: of a whole run), its number there, and its ending."""

    part: int | None
    number: int
    ending: str


def stem_of(part: int | None) -> str:
    """How the names of a part's files begin.

    >>> stem_of(None), stem_of(3)
    ('part', 'part-00003')
    """
    return "part" if part is None else f"part-{part:05d}"


def read_name(name: str) -> FileName | None:
    """What the last piece of a path says; None where no file of a table has such a name.

    >>> read_name("part-00003-00001.csv.gz"), read_name("notes.txt")
    (FileName(part=3, number=1, ending='.csv.gz'), None)
    """
    found = _FILE.fullmatch(name)
    if found is None:
        return None
    read = FileName(None if found[1] is None else int(found[1]), int(found[2]), found[3])
    return read if f"{stem_of(read.part)}-{read.number:05d}{read.ending}" == name else None


def receipt_name(part: int) -> str:
    """Where the receipt of a part lies, below the data set's folder.

    >>> receipt_name(3)
    '_parts/part-00003.json'
    """
    return f"{FOLDER}/part-{part:05d}.json"


def receipt_part(name: str) -> int | None:
    """The part whose receipt has this path; None where it is no receipt's.

    >>> receipt_part("_parts/part-00003.json"), receipt_part("_parts/notes.json")
    (3, None)
    """
    found = _RECEIPT.fullmatch(name)
    return None if found is None else int(found[1])


def making_name(what: str, mark: str) -> str:
    """Where a part is made, below the data set's folder; ``mark`` is of the process that makes it."""
    return f"{_MAKING}{what}-{mark}"


def placed(path: str) -> str:
    """Where a file of a part lies: what is only put together by `commit` lies with the receipts.

    >>> placed("replicated/Product/part-00003-00000.parquet")
    '_parts/replicated/Product/part-00003-00000.parquet'
    """
    return f"{FOLDER}/{path}" if path.startswith(f"{REPLICATED}/") else path


def is_list(path: str) -> bool:
    """Whether a path is that of a list of files, the second level of a manifest.

    >>> is_list(list_name(0)), is_list("_parts/notes.parquet")
    (True, False)
    """
    return _LIST.fullmatch(path) is not None


def list_name(number: int) -> str:
    """Where a list of files lies."""
    return f"{FOLDER}/receipts-{number:05d}.parquet"


def is_of_parts(path: str) -> bool:
    """Whether a path in a data set's folder is no file of it, and yet ours: a receipt, or a part being made.

    >>> is_of_parts("_parts/making-00003-1f/events"), is_of_parts("events/Order/part-00000.parquet")
    (True, False)
    """
    if path in (FOLDER, f"{FOLDER}/{REPLICATED}") or path.startswith((_MAKING, f"{FOLDER}/{REPLICATED}/")):
        return True
    return receipt_part(path) is not None
