"""Loops over columns for the thread that writes (`deep_faker.loops`): ids as text, and keys by number.

Compiled in the checked build too. Each gives exactly what its twin in numpy does, which its caller has.
"""

from __future__ import annotations

import numpy as np

from deep_faker.simulate.native.kernel.intrinsics import Word, bits, compiled, pi64, pu32, pu64

_ODD = np.uint64(0xBEA225F9EB34556D)
_32 = np.uint64(32)
AT_ONCE = 128

# Halves of ids of 12 and of 8 characters: how many, and hash bits to drop and to keep (`ids._round_keys`).
_HALF12, _DROP12, _KEEP12 = np.uint64(57**6), np.uint64(35), np.uint64(29)
_HALF8, _DROP8, _KEEP8 = np.uint64(57**4), np.uint64(32), np.uint64(32)
_PAIR, _TWO_PAIRS = np.uint64(57**2), np.uint64(57**4)
_NONE, _16, _63, _WORD = np.uint64(0), np.uint64(16), np.uint64(63), np.uint64(0xFFFFFFFF)


@compiled
def _modulo(f: Word, size: Word) -> Word:
    """``f % size`` of what is below twice the size. A branch would be guessed wrongly every other time."""
    rest = f - size
    return rest + (size & (_NONE - (rest >> _63)))


@compiled
def _hash(half: Word, key: Word) -> Word:
    f = (half + key) * _ODD
    return (f ^ (f >> _32)) * _ODD


@compiled
def _halves(counters: int, n: int, size: Word, first: int, second: int) -> None:
    """Counters as two halves of an id."""
    counter, a, b = pu64(counters), pu64(first), pu64(second)
    for i in range(n):
        high = counter[i] // size
        a[i] = high
        b[i] = counter[i] - high * size


@compiled
def _rounds(first: int, second: int, n: int, keys: int, size: Word, drop: Word, keep: Word) -> None:
    """Six rounds of the permutation of `ids.scramble`, of ids side by side: wide registers hold several."""
    a, b, key = pu64(first), pu64(second), pu64(keys)
    k0, k1, k2, k3, k4, k5 = key[0], key[1], key[2], key[3], key[4], key[5]
    for i in range(n):
        x, y = a[i], b[i]
        x = _modulo((((_hash(y, k0) >> drop) * size) >> keep) + x, size)
        y = _modulo((((_hash(x, k1) >> drop) * size) >> keep) + y, size)
        x = _modulo((((_hash(y, k2) >> drop) * size) >> keep) + x, size)
        y = _modulo((((_hash(x, k3) >> drop) * size) >> keep) + y, size)
        x = _modulo((((_hash(y, k4) >> drop) * size) >> keep) + x, size)
        y = _modulo((((_hash(x, k5) >> drop) * size) >> keep) + y, size)
        a[i], b[i] = x, y


@compiled
def _letters12(out: int, first: int, second: int, n: int, pairs: int) -> None:
    """The letters of ids of 12 characters, by pairs."""
    a, b, letters, words = pu64(first), pu64(second), pu64(pairs), pu32(out)
    for i in range(n):
        a0, b0 = a[i] // _TWO_PAIRS, b[i] // _TWO_PAIRS
        rest, other = a[i] - a0 * _TWO_PAIRS, b[i] - b0 * _TWO_PAIRS
        a1, b1 = rest // _PAIR, other // _PAIR
        words[3 * i] = letters[a0] | letters[a1] << _16
        words[3 * i + 1] = letters[rest - a1 * _PAIR] | letters[b0] << _16
        words[3 * i + 2] = letters[b1] | letters[other - b1 * _PAIR] << _16


@compiled
def _letters8(out: int, first: int, second: int, n: int, pairs: int) -> None:
    """The letters of ids of 8 characters."""
    a, b, letters, words = pu64(first), pu64(second), pu64(pairs), pu32(out)
    for i in range(n):
        a0, b0 = a[i] // _PAIR, b[i] // _PAIR
        words[2 * i] = letters[a0] | letters[a[i] - a0 * _PAIR] << _16
        words[2 * i + 1] = letters[b0] | letters[b[i] - b0 * _PAIR] << _16


@compiled
def write_ids12(out: int, counters: int, n: int, keys: int, pairs: int, halves: int) -> None:
    """``n`` ids of 12 characters from their counters. ``pairs``: 57² words of two letters.

    ``halves``: room for two times 128 words, the ids that are made at once.
    """
    at, second = 0, halves + 8 * AT_ONCE
    while at < n:
        m = min(AT_ONCE, n - at)
        _halves(counters + 8 * at, m, _HALF12, halves, second)
        _rounds(halves, second, m, keys, _HALF12, _DROP12, _KEEP12)
        _letters12(out + 12 * at, halves, second, m, pairs)
        at += m


@compiled
def write_ids8(out: int, counters: int, n: int, keys: int, pairs: int, halves: int) -> None:
    """The same with 8 characters."""
    at, second = 0, halves + 8 * AT_ONCE
    while at < n:
        m = min(AT_ONCE, n - at)
        _halves(counters + 8 * at, m, _HALF8, halves, second)
        _rounds(halves, second, m, keys, _HALF8, _DROP8, _KEEP8)
        _letters8(out + 8 * at, halves, second, m, pairs)
        at += m


@compiled
def count_actions(flows: int, actions: int, n: int, partition: int, partitions: int, out: int) -> None:
    """The counters of events: see `ids.action_counter`, which has looked for overflows."""
    flow, action, counter = pu64(flows), pu64(actions), pu64(out)
    for i in range(n):
        number = action[i]
        level = np.uint64((bits(np.float64(np.int64(number))) >> 52) - 1023)  # its highest bit
        first = flow[i] * np.uint64(partitions) + np.uint64(partition)
        low = number ^ (np.uint64(1) << level)
        counter[i] = ((first << level) | low) * np.uint64(26) + level


@compiled
def in_types(sites: int, n: int, types: int, rows: int, places: int, order: int, ranks: int) -> None:
    """Events in the order of time, apart by type: the row of each in its type's rows, and its place in all.

    ``sites`` of events, ``types`` of sites. ``rows``: where the rows of each site begin in those of its type,
    ``places``: where the events of each type begin in ``order`` and ``ranks``; these two are used up.
    """
    site, type_, row, place = pi64(sites), pi64(types), pi64(rows), pi64(places)
    rows_of, rank = pi64(order), pi64(ranks)
    for i in range(n):
        s = site[i]
        to = place[type_[s]]
        place[type_[s]] = to + 1
        rows_of[to] = row[s]
        row[s] += 1
        rank[to] = i + 1


@compiled
def gather_texts(out: int, data: int, words: int, numbers: int, n: int) -> None:
    """Texts of ``words`` times four bytes, by their numbers in ``data``."""
    number, source, target = pi64(numbers), pu32(data), pu32(out)
    to = 0
    for i in range(n):
        at = number[i] * words
        for j in range(words):
            target[to + j] = source[at + j]
        to += words


@compiled
def spell(out: int, codes: int, n: int, starts: int, data: int) -> None:
    """The bytes of texts, one after the other: of the text ``codes[i]``, those from ``starts[code]`` on.

    Eight at a time: ``data`` and ``out`` have room for seven more behind their end.
    """
    code, start = pu32(codes), pi64(starts)
    for i in range(n):
        at, end = start[code[i]], start[code[i] + 1]
        source, target = data + at, out
        while at < end:
            pu64(target)[0] = pu64(source)[0]
            at, source, target = at + 8, source + 8, target + 8
        out += end - start[code[i]]


@compiled
def first_come(numbers: int, n: int, codes: int, order: int, out: int) -> int:
    """Codes of numbers by the order in which they first come, and the numbers in it; how many there are.

    ``codes``: as many words of 32 bits as there are numbers, all zero; the others have so many bits, too.
    """
    number, code, first, target = pu32(numbers), pu32(codes), pu32(order), pu32(out)
    count = 0
    for i in range(n):
        known: Word = np.int64(code[number[i]])
        if known == 0:
            first[count] = number[i]
            count += 1
            known = count
            code[number[i]] = known
        target[i] = known - 1
    return count


@compiled
def first_come_far(numbers: int, n: int, seen: int, size: int, order: int, out: int) -> int:
    """What `first_come` gives, of numbers too large to have a word for each.

    ``seen``: a hash table of ``2**size`` words of 64 bits, all zero, at least two for each of the numbers.
    """
    number, table, first, target = pu32(numbers), pu64(seen), pu32(order), pu32(out)
    last = (np.int64(1) << size) - 1
    count = 0
    for i in range(n):
        mine = np.uint64(number[i])
        place: Word = np.int64((mine * _ODD) >> np.uint64(64 - size))
        known: Word = table[place]
        while known != _NONE and known >> _32 != mine:
            place = (place + 1) & last
            known = table[place]
        if known == _NONE:
            first[count] = number[i]
            count += 1
            known = mine << _32 | np.uint64(count)
            table[place] = known
        target[i] = np.int64(known & _WORD) - 1
    return count


@compiled
def sums_of_pieces(data: int, words: int, keys: int, piece: int, out: int) -> None:
    """NH sums (RFC 4418) of the pieces of ``piece`` 32-bit words: see `outputs.hashing`."""
    word, key, total = pu32(data), pu32(keys), pu64(out)
    at = 0
    while at < words:
        sum_, length = _NONE, min(piece, words - at)
        for i in range(0, length, 2):
            low = (np.uint64(word[at + i]) + np.uint64(key[i])) & _WORD
            high = (np.uint64(word[at + i + 1]) + np.uint64(key[i + 1])) & _WORD
            sum_ += low * high
        total[at // piece] = sum_
        at += piece
