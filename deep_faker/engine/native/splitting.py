"""The kernel's logs, record by record, as columns. Compiled in the checked build too; for any thread."""

from __future__ import annotations

from deep_faker.engine.native.intrinsics import compiled, pi64
from deep_faker.engine.native.layout import END_WORDS, NUMBER


@compiled
def count_rows(log: int, end: int, widths: int, counts: int) -> None:
    """How many records of each site there are in the first ``end`` words of the log."""
    words, width, count = pi64(log), pi64(widths), pi64(counts)
    at = 0
    while at < end:
        site = words[at]
        count[site] += 1
        at += 4 + width[site]


@compiled
def to_columns(log: int, end: int, widths: int, counts: int, places: int, out: int) -> None:
    """The records as columns: those of a site one below the other, from word ``places[site]`` of ``out`` on.

    ``places`` is used up: it ends where the first column of each site does.
    """
    words, width, count, place, columns = pi64(log), pi64(widths), pi64(counts), pi64(places), pi64(out)
    at = 0
    while at < end:
        site = words[at]
        to = place[site]
        place[site] += 1
        for i in range(3 + width[site]):
            columns[to] = words[at + 1 + i]
            to += count[site]
        at += 4 + width[site]


@compiled
def count_taken(ends: int, end: int, rows: int) -> int:
    """How many flows have ended; and how many entities of each type they have taken, into ``rows``."""
    words, taken = pi64(ends), pi64(rows)
    n = 0
    at = 0
    while at < end:
        n += 1
        for i in range(words[at + 7]):
            taken[words[at + END_WORDS + i] >> 40] += 1
        at += END_WORDS + words[at + 7]
    return n


@compiled
def split_ends(ends: int, n: int, types: int, out: int, offsets: int, places: int, items: int) -> None:
    """Sessions as columns of ``n`` rows, and their entities as lists of each type.

    ``offsets`` has ``n + 1`` words for each type, ``places`` where its entities begin in ``items``.
    """
    words, columns, offset, place, item = pi64(ends), pi64(out), pi64(offsets), pi64(places), pi64(items)
    at = 0
    for i in range(n):
        for j in range(7):
            columns[j * n + i] = words[at + j]
        for e in range(types):
            offset[e * (n + 1) + i + 1] = offset[e * (n + 1) + i]
        for j in range(words[at + 7]):
            packed = words[at + END_WORDS + j]
            e = packed >> 40
            item[place[e]] = packed & NUMBER
            place[e] += 1
            offset[e * (n + 1) + i + 1] += 1
        at += END_WORDS + words[at + 7]
