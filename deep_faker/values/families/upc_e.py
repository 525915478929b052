"""The short form of bar codes, by column: two table look-ups, and a digit that is the sum of both.

The last four of the six digits say where zeros are left out, and how the code is written; what stands
before them is written as it is.  So all that can be computed is computed once for 200 and 10,000 parts.
All two million codes can be drawn, of which a pool would have 10,000 at most.
"""

# ruff: noqa: SLF001 - Faker's conversions are private

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.draws.mix import CHUNK
from deep_faker.values.base import Place, Rows, Values, fixed_width_strings
from deep_faker.values.families.check_digits import Characters
from deep_faker.values.family import Making, family
from deep_faker.values.text.cut_draws import Several, together, together1
from deep_faker.values.text.grammar import NotAGrammarError
from deep_faker.values.text.words64 import U8, Unsigned, store

if TYPE_CHECKING:
    from faker.providers.barcode.en_US import Provider as BarCodes

_ZERO = ord("0")


class ShortCodes(Values):
    """Codes of a system digit and six others, with their check digit.

    >>> from deep_faker.draws.mix import Draws
    >>> len(ShortCodes(Place(Draws(7), ("code",), 0), [0]).one(3, 1, 0))
    8
    """

    def __init__(self, place: Place, systems: list[int]) -> None:
        super().__init__(place)
        heads = np.array([f"{system}{number:02d}".encode() for system in systems for number in range(100)])
        self._heads, head_digits = _parts(heads, b"", b"0000", slice(0, 3))
        self._tails, tail_digits = _parts(
            np.array([b"%04d" % n for n in range(10_000)]), b"000", b"", slice(3, 7)
        )
        # The digit is the sum of what both parts add, and of nothing where both are zeros.
        self._head_digits = (head_digits - tail_digits[0]) % 10
        self._tail_digits = tail_digits
        self._several = Several([place.key()], [len(heads), 10_000])

    def column(self, rows: Rows) -> pa.Array:
        out = np.empty((len(rows), 8), np.uint8)
        for start in range(0, len(rows), CHUNK):
            some = out[start : start + CHUNK]
            counter = together(rows.flow[start : start + CHUNK], rows.action[start : start + CHUNK])
            head, tail = self._several.draw(counter)
            store(some, 0, 3, self._heads.take(head, mode="clip"))
            store(some, 3, 7, self._tails.take(tail, mode="clip"))
            digit = self._head_digits.take(head, mode="clip")
            digit += self._tail_digits.take(tail, mode="clip")
            some[:, 7] = _DIGITS.take(digit, mode="clip")
        return fixed_width_strings(out)

    def one(self, flow: int, action: int, clock: int) -> str:
        head, tail = self._several.draw1(together1(flow, action))
        text = self._heads[head].tobytes()[:3] + self._tails[tail].tobytes()
        return f"{text.decode()}{(int(self._head_digits[head]) + int(self._tail_digits[tail])) % 10}"


_DIGITS = np.frombuffer(b"01234567890123456789", np.uint8)


def _parts(texts: npt.NDArray[np.bytes_], before: bytes, after: bytes, place: slice) -> tuple[Unsigned, U8]:
    """How parts are written, as words, and the check digits that codes of them and zeros have."""
    whole = np.array([before + text + after for text in texts.tolist()])
    codes = _completed(np.frombuffer(whole.tobytes(), np.uint8).reshape(len(texts), 7))
    words = np.zeros((len(texts), 4), np.uint8)
    words[:, : place.stop - place.start] = codes[:, place]
    return words.view("<u4").reshape(-1), codes[:, 7] - _ZERO


def _completed(characters: Characters) -> Characters:
    """A system digit and six others as the short form, with its check digit."""
    d = characters.astype(np.int64) - _ZERO
    digits, last = d[:, 1:], d[:, 6]
    long = np.zeros((len(d), 11), np.int64)
    long[:, 0] = d[:, 0]
    short = digits.copy()
    for end in range(10):  # where the zeros go
        ending = last == end
        if end <= 2:
            order = [0, 1, 5, None, None, None, None, 2, 3, 4]
        elif end <= 4:
            order = [*range(end), *[None] * 5, *range(end, 5)]
        else:
            order = [*range(5), *[None] * 4, 5]
        for place_, source in enumerate(order):
            if source is not None:
                long[ending, place_ + 1] = digits[ending, source]
    body = long[:, 1:]
    third = (body[:, 2] <= 2) & (body[:, 3:7] == 0).all(axis=1)
    short[third] = body[third][:, [0, 1, 7, 8, 9, 2]]
    rest = ~third & (body[:, 3:8] == 0).all(axis=1)
    short[rest] = np.concatenate([body[rest][:, [0, 1, 2, 8, 9]], np.full((rest.sum(), 1), 3)], axis=1)
    fourth = ~third & ~rest & (body[:, 4:9] == 0).all(axis=1)
    short[fourth] = np.concatenate([body[fourth][:, [0, 1, 2, 3, 9]], np.full((fourth.sum(), 1), 4)], axis=1)
    digit = -(long @ np.array([3, 1] * 5 + [3])) % 10
    return (np.concatenate([d[:, :1], short, digit[:, None]], axis=1) + _ZERO).astype(np.uint8)


@family("barcode.en_US.upc_e")
def _upc_e(
    ctx: Making, *, base: str | None = None, number_system_digit: int | None = None, safe_mode: bool = True
) -> Values | None:
    """The short form of a code; where it is that of another code as well, it is the first one's."""
    if base is not None or safe_mode is False or number_system_digit not in (None, 0, 1):
        return None
    _same_as(ctx.provider, _completed)
    return ShortCodes(ctx.place, [0, 1] if number_system_digit is None else [int(number_system_digit)])


def _same_as(provider: BarCodes, check: Callable[[Characters], Characters]) -> None:
    """Raises `NotAGrammarError` where Faker's own conversion gives another code."""
    some = np.arange(0, 2_000_000, 997)
    digits = (some[:, None] // 10 ** np.arange(6, -1, -1) % 10).astype(np.uint8) + _ZERO
    for text, made in zip(digits, check(digits), strict=True):
        whole = provider._upc_ae(base=bytes(text[1:]).decode(), number_system_digit=int(text[0]) - _ZERO)
        if provider._convert_upc_a2e(whole) != bytes(made).decode():
            raise NotAGrammarError("another conversion")
