"""Texts written as words: cuts of a draw, grids, runs of short parts, and the families that are made of them."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import MASK, Draws
from deep_faker.values import Rows, make
from deep_faker.values.base import Place
from deep_faker.values.families.coordinates import _exponent, _tiny, _written
from deep_faker.values.families.upc_e import ShortCodes
from deep_faker.values.library.libraries import faker_generator
from deep_faker.values.text.checksums import Control
from deep_faker.values.text.columns import Demand
from deep_faker.values.text.cut_draws import MOST, ROOM, Several, cut, cut1, shared, together
from deep_faker.values.text.grammar import Text, either, lexify, literal, number_range, numerify, table
from deep_faker.values.text.grids import GridTexts, gridded, texts
from deep_faker.values.text.variable_width import RunTexts
from deep_faker.values.text.words64 import Pieces, hexadecimal, run_together, store
from tests.support.worlds.provider_world import START, rows

PLACE = Place(Draws(1), ("field", "E", "x"), START)
FAMILIES = """
    aba bban color color_hsl color_hsv color_rgb color_rgb_float coordinate credit_card_expire
    credit_card_number ean13 hex_color iana_id iban ipv4 ipv6 isbn10 isbn13 iso8601 latitude latlng
    license_plate mac_address md5 password phone_number pydecimal pystr random_letters sbn9 sha1 sha256 ssn
    upc_a upc_e uuid1 uuid4 uuid7 vin zipcode zipcode_plus4
""".split()


def provider(name, **arguments):
    spec = GeneratorSpec("faker", name, tuple(arguments.items()), "en_US")
    return make(spec, Place(Draws(3), ("field", "E", name), START))


@pytest.mark.parametrize("name", FAMILIES)
def test_e2_one_row_is_that_row_of_the_column_in_any_batch(name):
    """Chunks, batches and single rows give the same values."""
    made, some = provider(name), rows(0, 60)
    whole = made.column(some).to_pylist()
    singles = zip(some.flow.tolist(), some.action.tolist(), some.clock.tolist(), strict=True)
    batches = [Rows(some.flow[at], some.action[at], some.clock[at]) for at in (slice(0, 7), slice(7, 60))]
    assert [value for batch in batches for value in made.column(batch).to_pylist()] == whole
    assert made.column_objects(some) == [made.one(*row) for row in singles]
    assert len(made.column(rows(0, 0))) == 0


@pytest.mark.parametrize("size", [1, 2, 10, 10_000, MOST])
def test_cuts_reach_both_ends(size):
    """The least draw gives 0, the greatest the last number; the twin agrees; what is left is a fraction."""
    ends = np.array([0, MASK, 1 << 63, 12_345_678_901_234_567], np.uint64)
    twins = [cut1(int(end), size) for end in ends]
    numbers = cut(ends, size)
    assert numbers.tolist() == [number for number, _ in twins]
    assert ends.tolist() == [left for _, left in twins]
    assert numbers.tolist()[:2] == [0, size - 1]


def test_several_cuts_of_a_draw_are_even_and_independent():
    """Each pair of numbers is as frequent as any other."""
    counter = together(np.arange(200_000, dtype=np.uint64), np.ones(200_000, np.uint64))
    drawn = Several([5, 6, 7], [10, 7, MOST + 1, 6]).draw(counter)
    for first, sizes in (((0, 1), 70), ((1, 3), 42), ((0, 3), 60)):
        width = {1: 7, 3: 6}[first[1]]
        counts = np.bincount(drawn[first[0]] * width + drawn[first[1]], minlength=sizes)
        assert len(counts) == sizes
        expected = 200_000 / sizes
        assert ((counts - expected) ** 2 / expected).sum() < sizes + 6 * (2 * sizes) ** 0.5


def test_what_is_cut_from_a_draw_has_its_room():
    """No draw gives more outcomes than its chances are exact for; powers of two take all of it."""
    sizes = [10_000] * 7 + [MOST] * 5 + [MOST + 1, 3]
    groups = shared(sizes)
    assert sorted(at for group in groups for at in group) == list(range(len(sizes)))
    for group in groups:
        product = np.prod([float(sizes[at]) for at in group])
        even = all(sizes[at] & (sizes[at] - 1) == 0 for at in group)
        assert product <= (2.0**64 if even else ROOM) or len(group) == 1


def test_words_are_stored_within_their_row():
    """Every width at every place leaves the characters before it, and all of other rows, as they are."""
    for width in range(1, 12):
        for size in (1, 2, 4, 8):
            for at in range(width):
                end = min(at + size, width)
                out = np.full((3, width), ord("."), np.uint8)
                words = np.frombuffer(b"abcdefgh"[:size] * 3, f"u{size}")
                store(out, at, end, words)
                assert out[:, :end].tobytes() == (b"." * at + b"abcdefgh"[: end - at]) * 3


def test_parts_run_together_at_every_length():
    """Lengths from nothing to a whole word, over several words, leave no gap and lose nothing."""
    choices = ["abcdefgh"[:length] for length in range(9)]
    pieces = Pieces(choices)
    index = np.array([(row * (slot + 3) + slot) % 9 for row in range(200) for slot in range(5)]).reshape(
        200, 5
    )
    made = run_together([pieces.take(index[:, slot]) for slot in range(5)])
    assert made.to_pylist() == ["".join(choices[at] for at in row) for row in index.tolist()]
    assert hexadecimal(np.arange(65_536)).tobytes().decode() == "".join(f"{n:04x}" for n in range(65_536))


def test_grids_take_forms_of_any_width():
    """Forms, pieces that are no product, weights and fixed texts come out as often as the grammar says."""
    text = either(
        [
            table(["ab", "ba"]) + numerify(literal("-#")),
            literal("xyz"),
            table(["p", "q"], [1.0, 3.0]) + literal("!"),
        ],
        [2.0, 1.0, 1.0],
    )
    long = texts(PLACE, text + lexify(literal("????????")))
    assert isinstance(long, GridTexts)
    values = [value[:-8] for value in long.column(rows(0, 40_000)).to_pylist()]
    chances = {f"{pair}-{digit}": 0.025 for pair in ("ab", "ba") for digit in range(10)}
    chances |= {"xyz": 0.25, "p!": 0.0625, "q!": 0.1875}
    assert set(values) == set(chances)
    for value, chance in chances.items():
        assert abs(values.count(value) / 40_000 - chance) < 6 * (chance / 40_000) ** 0.5


@pytest.mark.parametrize(
    "text",
    [
        table([f"{number}a" for number in range(99)], [*range(1, 100)])
        + table([f"{n:020}" for n in range(900)]),
        either(
            [table([f"{n}-" for n in range(7000)]) + table([str(n) for n in range(300)]), literal("-x")],
            [3, 1],
        ),
    ],
)
def test_few_rows_have_the_values_of_many(text: Text):
    """Texts are the same whether they were made one by one, before there were tables, or by the tables."""
    made = texts(PLACE, text)
    few, many = rows(0, 60), rows(0, 40_000)
    first = made.column(few).to_pylist()
    assert made.column(rows(0, 0)).to_pylist() == []
    assert made.column(many).to_pylist()[:60] == first == made.column(few).to_pylist()
    again = texts(Place(Draws(1), ("field", "E", "x"), START), text)
    assert [again.one(int(few.flow[at]), int(few.action[at]), 0) for at in range(60)] == first


def test_demand_is_small_until_tables_are_worth_it():
    """Rows count together: many small requests come to what one large request is."""
    demand = Demand(100_000)
    asked = [demand.is_small(100) for _ in range(30)]
    assert asked == [True] * 20 + [False] * 10
    assert not Demand(100_000).is_small(2_001)


def test_texts_of_short_parts_are_run_together():
    """Parts of different lengths, also beyond ASCII and beyond one word, in forms of their own."""
    numbers = table([str(number) for number in range(300)])
    text = either(
        [numbers + literal("é–") + numbers, literal("a text of twelve") + numbers + numbers], [1.0, 2.0]
    )
    made = texts(PLACE, text)
    assert isinstance(made, RunTexts)
    values = made.column(rows(0, 3000)).to_pylist()
    assert {value.rstrip("0123456789") for value in values} >= {"a text of twelve"}
    dashed = [value for value in values if "é–" in value]
    assert all(int(part) < 300 for value in dashed for part in value.split("é–"))
    assert abs(len(dashed) / 3000 - 1 / 3) < 0.06


@pytest.mark.parametrize(("low", "high", "width"), [(0, 9, 1), (200, 699, 3), (7, 7, 4), (19_501, 30_120, 5)])
def test_ranges_of_numbers_are_whole(low, high, width):
    """A range as products has each number once."""
    found = []
    for _, row in number_range(low, high, width).alternatives:
        made = [""]
        for leaf in row:
            made = [text + value for text in made for value in leaf.values]
        found += made
    assert sorted(found) == [f"{number:0{width}d}" for number in range(low, high + 1)]


def test_a_check_that_is_no_sum_has_no_grid():
    """The product of two digits cannot be summed by character, nor is a text of another width taken."""

    def product(characters):
        digit = (characters[:, 0].astype(np.int64) - 48) * (characters[:, 1] - 48) % 10
        return np.concatenate([characters, (digit + 48).astype(np.uint8)[:, None]], axis=1)

    assert gridded(numerify(literal("##")), Control(product, 10)) is None
    assert gridded(numerify(literal("##")), Control(lambda characters: characters, 10)) is None


def _weighted(text, weights):
    return sum(int(digit) * weight for digit, weight in zip(text, weights, strict=True))


def _books(text):
    digits = [10 if character == "X" else int(character) for character in text if character != "-"]
    if len(digits) == 13:
        return sum(digit * (1 + 2 * (at % 2)) for at, digit in enumerate(digits)) % 10
    return sum(digit * (10 - at) for at, digit in enumerate(digits)) % 11


def _standard_books(text):
    digits = [10 if character == "X" else int(character) for character in text if character != "-"]
    return (sum(digit * at for at, digit in enumerate(digits[:8], 1)) - digits[8]) % 11


def _luhn(text):
    digits = [int(character) for character in text[::-1]]
    return sum(sum(divmod(digit * (1 + at % 2), 10)) for at, digit in enumerate(digits)) % 10


CHECKS = {
    "aba": lambda text: _weighted(text, (3, 7, 1) * 3) % 10,
    "ean8": lambda text: _weighted(text, (3, 1) * 4) % 10,
    "ean13": lambda text: _weighted(text, (*(1, 3) * 6, 1)) % 10,
    "localized_ean13": lambda text: _weighted(text, (*(1, 3) * 6, 1)) % 10,
    "upc_a": lambda text: _weighted(text, (3, 1) * 6) % 10,
    "isbn10": _books,
    "isbn13": _books,
    "iban": lambda text: int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 - 1,
    "credit_card_number": _luhn,
    "sbn9": _standard_books,
}


@pytest.mark.parametrize("name", CHECKS)
def test_all_control_digits_are_right(name):
    """Every one of 20,000 values passes its check."""
    values = provider(name).column(rows(0, 20_000)).to_pylist()
    assert [value for value in values if CHECKS[name](value) != 0] == []
    assert len(set(values)) > 10_000


def test_short_codes_are_those_of_faker():
    """Every system and the codes of 10,000 numbers, those with zeros among them."""
    made = provider("upc_e")
    assert isinstance(made, ShortCodes)
    codes = faker_generator("en_US").provider("faker.providers.barcode")
    some = rows(0, 10_000)
    values = made.column(some).to_pylist()
    head, tail = made._several.draw(together(some.flow, some.action))
    for value, first, last in zip(values, head.tolist(), tail.tolist(), strict=True):
        whole = codes._upc_ae(base=f"{first % 100:02d}{last:04d}", number_system_digit=first // 100)
        assert value == codes._convert_upc_a2e(whole)


def test_coordinates_are_exact_at_the_ends():
    """The least, the greatest, the smallest and none, as Faker's decimals are written."""
    millionths = [-180_000_000, -179_999_999, -1_000_001, -1_000_000, -2, -1, 0, 1, 2, 999_999, 180_000_000]
    number = np.array(millionths, np.int64).view(np.uint64) + np.uint64(180_000_000)
    whole = [Decimal(str(each / 1_000_000)).quantize(Decimal(".000001")) for each in millionths]
    assert run_together(_written(number, half=False)).to_pylist() == [str(value) for value in whole]
    halves = _tiny(run_together(_written(number, half=True)), number, _exponent)
    assert halves.to_pylist() == [str(value / 2) for value in whole]
    pairs = [json.loads(text) for text in provider("latlng").column(rows(0, 5000)).to_pylist()]
    assert max(abs(Decimal(lat)) for lat, _ in pairs) <= 90 < max(abs(Decimal(lng)) for _, lng in pairs)


@pytest.mark.parametrize(("left", "right"), [(None, None), (0, 9), (3, 0), (1, 1), (25, 11), (24, 24)])
def test_decimals_have_their_digits(left, right):
    """So many digits on both sides of the point, the first one not 0, both signs."""
    values = provider("pydecimal", left_digits=left, right_digits=right).column(rows(0, 3000)).to_pylist()
    assert {value[0] == "-" for value in values} == {True, False}
    for value in values:
        assert str(Decimal(value)) == value
        whole, _, places = value.lstrip("-").partition(".")
        if left is not None and "E" not in value:
            assert (len(whole), len(places)) == (max(left, 1), right)
            assert whole[0] != "0" or left == 0
        assert len(whole) <= 100
        assert len(places) <= 100
