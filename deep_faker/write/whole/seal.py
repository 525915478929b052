"""Documents that carry a checksum of themselves: manifests, and what a checkpoint notes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

KEY = "checksum"


def sealed(document: Mapping[str, object]) -> dict[str, Any]:
    """The document as JSON has it, with its `checksum`.

    >>> sealed({"seed": 1})["checksum"][:8]
    'fbe47f6d'
    """
    plain = json.loads(json.dumps(document, default=str))
    return {**plain, KEY: checksum(plain)}


def checksum(document: Mapping[str, object]) -> str:
    """SHA-256 of the document without its own: keys in order, no spaces, ASCII only.

    >>> checksum({"a": 1, "checksum": "x"}) == checksum({"a": 1})
    True
    """
    rest = {name: value for name, value in document.items() if name != KEY}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def parsed(text: bytes) -> object:
    """The JSON in ``text``. Raises `ValueError` for what is none, or has a key twice, and quotes nothing."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} in line {error.lineno}") from None
    except UnicodeDecodeError:
        raise ValueError("it is no JSON: not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def unsealed(text: bytes) -> dict[str, Any]:
    """The document in ``text``. Raises `ValueError` where its checksum does not fit.

    >>> unsealed(json.dumps(sealed({"seed": 1})).replace("1,", "2,").encode())
    Traceback (most recent call last):
    ValueError: its checksum is fbe47f6d…, and what it says has a61e75dc…
    """
    document = parsed(text)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of a file, not of an argument
    actual, told = checksum(document), document.get(KEY)
    if told != actual:
        shown = f"{told[:8]}…" if isinstance(told, str) else "missing"
        raise ValueError(f"its checksum is {shown}, and what it says has {actual[:8]}…")
    return document


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("it has a key twice")
    return document
