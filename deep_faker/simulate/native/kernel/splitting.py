"""The kernel's logs, record by record, as columns. Compiled in the checked build too; for any thread."""

from __future__ import annotations

from deep_faker.simulate.native.kernel.intrinsics import compiled, pi64
from deep_faker.simulate.native.layout import END_WORDS, NUMBER

MOST_AT_ONCE = 64


@compiled
def count_rows(log: int, end: int, widths: int, counts: int, offsets: int, clocks: int) -> int:
    """How many records there are in the first ``end`` words of the log, and of each site; where, and when."""
    words, width, count, offset, clock = pi64(log), pi64(widths), pi64(counts), pi64(offsets), pi64(clocks)
    n = 0
    at = 0
    while at < end:
        site = words[at]
        count[site] += 1
        offset[n] = at
        clock[n] = words[at + 3]
        n += 1
        at += 4 + width[site]
    return n


@compiled
def in_time(log: int, n: int, order: int, bits: int, offsets: int) -> int:
    """Replace ``order`` by where the records are in the log, sorted by (clock, flow, action).

    It has the records' numbers in the low ``bits`` of words that are sorted by the clock, their rest. Gives 0
    if more than `MOST_AT_ONCE` have one clock: to put each in its place would then take too long.
    """
    words, place, offset = pi64(log), pi64(order), pi64(offsets)
    mask = (1 << bits) - 1
    first, last = 0, -1
    for i in range(n):
        clock, at = place[i] >> bits, offset[place[i] & mask]
        if clock != last:
            first, last = i, clock
        elif i - first >= MOST_AT_ONCE:
            return 0
        j = i
        while j > first:
            other = place[j - 1]
            if words[other + 1] < words[at + 1]:
                break
            if words[other + 1] == words[at + 1] and words[other + 2] <= words[at + 2]:
                break
            place[j] = other
            j -= 1
        place[j] = at
    return 1


@compiled
def to_columns(
    log: int, n: int, order: int, widths: int, counts: int, places: int, out: int, sites: int
) -> None:
    """The records as columns, in the order of ``order``: where they are in the log. ``sites``: of each.

    Those of a site are one below the other, from word ``places[site]`` of ``out`` on. ``places`` is used
    up: it ends where the first column of each site does.
    """
    words, width, count, columns = pi64(log), pi64(widths), pi64(counts), pi64(out)
    offset, place, site_of = pi64(order), pi64(places), pi64(sites)
    for i in range(n):
        at = offset[i]
        site = words[at]
        site_of[i] = site
        to = place[site]
        place[site] += 1
        for j in range(3 + width[site]):
            columns[to] = words[at + 1 + j]
            to += count[site]


@compiled
def count_taken(ends: int, end: int, rows: int, places: int) -> int:
    """How many flows have ended, and where; and how many entities of each type they took, into ``rows``."""
    words, taken, place = pi64(ends), pi64(rows), pi64(places)
    n = 0
    at = 0
    while at < end:
        place[n] = at
        n += 1
        for i in range(words[at + 7]):
            taken[words[at + END_WORDS + i] >> 40] += 1
        at += END_WORDS + words[at + 7]
    return n


@compiled
def split_ends(
    ends: int, n: int, order: int, types: int, out: int, offsets: int, places: int, items: int
) -> None:
    """Sessions as columns of ``n`` rows, and their entities as lists of each type.

    ``order``: where they are in the log, row by row. ``offsets`` has ``n + 1`` words for each type, and
    ``places`` says where its entities begin in ``items``.
    """
    words, columns, offset, place, item = pi64(ends), pi64(out), pi64(offsets), pi64(places), pi64(items)
    row = pi64(order)
    for i in range(n):
        at = row[i]
        for j in range(7):
            columns[j * n + i] = words[at + j]
        columns[7 * n + i] = words[at + 8]
        for e in range(types):
            offset[e * (n + 1) + i + 1] = offset[e * (n + 1) + i]
        for j in range(words[at + 7]):
            packed = words[at + END_WORDS + j]
            e = packed >> 40
            item[place[e]] = packed & NUMBER
            place[e] += 1
            offset[e * (n + 1) + i + 1] += 1
