"""The receipt of a part: all that `commit` needs to know of it, so that no file has to be read again.

It is a pure function of the part, like the files: nothing of the machine or the hour, or of who made it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.write.files.manifest import Manifest, check_manifest
from deep_faker.write.whole.seal import sealed, unsealed

FORMAT = "deep_faker part"
VERSION = 1


@dataclass(frozen=True)
class Receipt:
    """One part that is whole.

    ``program`` is the fingerprint of all that the part's bytes depend on, by name; ``time_range`` the first
    and last ``sys__ets`` (ms), None without events; ``counts`` what the run counted; ``manifest`` that of the
    part alone, with its files; ``replicated`` as in `RunInfo`; ``encoding`` the format of the data set, its
    compression and what is done to formulas, as `encoding_of` takes them.
    """

    part: int
    partitions: int
    program: Mapping[str, str]
    time_range: tuple[int, int] | None
    counts: Mapping[str, Any]
    manifest: Manifest
    replicated: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    encoding: tuple[str, str | None, str] = ("parquet", None, "keep")

    def as_bytes(self) -> bytes:
        """The receipt as it lies on disk, with a checksum of itself."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "part": self.part,
            "partitions": self.partitions,
            "program": dict(self.program),
            "time_range": None if self.time_range is None else list(self.time_range),
            "counts": dict(self.counts),
            "replicated": {name: dict(rules) for name, rules in self.replicated.items()},
            "encoding": list(self.encoding),
            "manifest": self.manifest,
        }
        return (json.dumps(sealed(document), indent=1, ensure_ascii=False) + "\n").encode()


def read_receipt(text: bytes, path: str) -> Receipt:
    """The receipt in ``text``, which came from ``path``. Raises `DatasetError` where it is damaged."""
    try:
        document = unsealed(text)
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise _damaged(path, f"it is no receipt of version {VERSION}")
    try:
        times = document["time_range"]
        form, way, formulas = document["encoding"]
        receipt = Receipt(
            int(document["part"]),
            int(document["partitions"]),
            {str(name): str(value) for name, value in document["program"].items()},
            None if times is None else (int(times[0]), int(times[1])),
            dict(document["counts"]),
            cast("Manifest", document["manifest"]),
            {str(name): dict(rules) for name, rules in document["replicated"].items()},
            (str(form), None if way is None else str(way), str(formulas)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(path, f"it lacks what a receipt has ({type(error).__name__})") from None
    check_manifest(receipt.manifest, path)
    return receipt


def _damaged(path: str, why: str) -> DatasetError:
    mend = "remove it and make the part again"
    return DatasetError(Diagnostic(f"cannot use the receipt {path}", None, why, mend))


def digest_of(program: Mapping[str, str]) -> str:
    """One text for a whole fingerprint.

    >>> digest_of({"seed": "1"}) == digest_of({"seed": "2"})
    False
    """
    text = json.dumps(dict(program), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def listed(numbers: Iterable[int]) -> str:
    """Part numbers as messages have them, runs of them joined.

    >>> listed([0, 3, 4, 5, 9])
    '0, 3-5, 9'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return ", ".join(shown if len(shown) <= _MOST else [*shown[:_MOST], f"… ({len(shown) - _MOST} more)"])


_MOST = 20  # runs of numbers that a message lists
