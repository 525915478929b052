"""Sizes of files, as people write them."""

from __future__ import annotations

import re

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.spans import caller_span

_SIZE = re.compile(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([kKMGT]?)(i?)[Bb]?\s*")
_POWERS = " kMGT"
_LEAST = 1024


def parse_size(value: object, argument: str) -> int:
    """Bytes: a whole number, ``"128MB"``, ``"1.5 GiB"``. Raises `SettingsError` for others, or below 1 kiB.

    >>> parse_size("128MB", "file_size"), parse_size("1GiB", "file_size")
    (128000000, 1073741824)
    """
    size = 0.0
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        power = _POWERS.index(match[2].replace("K", "k") or " ")
        size = float(re.sub("[_,]", "", match[1])) * (1024 if match[3] else 1000) ** power
    if size < _LEAST:
        mend = 'give bytes, at least 1024: "128MB", "1GiB" or 128_000_000'
        raise SettingsError(Diagnostic(f"wrong {argument}", caller_span(), f"{argument}={value!r}", mend))
    return int(size)


def parse_rows(value: object, argument: str) -> int:
    """Rows: a whole number above 0, ``"1M"``, ``"500k"``. Raises `SettingsError`.

    >>> parse_rows("1M", "rows_per_file")
    1000000
    """
    rows = 0
    if isinstance(value, int) and not isinstance(value, bool):
        rows = value
    elif isinstance(value, str) and (match := re.fullmatch(r"\s*([0-9][0-9_,]*)\s*([kM]?)\s*", value)):
        rows = int(re.sub("[_,]", "", match[1])) * 1000 ** _POWERS.index(match[2] or " ")
    if rows < 1:
        mend = 'give a whole number of rows: 1_000_000, "1M" or "500k"'
        raise SettingsError(Diagnostic(f"wrong {argument}", caller_span(), f"{argument}={value!r}", mend))
    return rows
