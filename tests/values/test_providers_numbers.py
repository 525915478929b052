"""Codes with and without check digits: valid, distributed as Faker's own, the same in any batch.

The comparisons are chi-square tests of two samples. There are some 400 of them with a fixed seed; each fails
falsely with a chance of 1e-6, all of them together with less than one in two thousand.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from deep_faker.values import Rows
from tests.support.worlds.provider_samples import ours, provider, rows, same, theirs, views

METHODS = """
    aba bban iban swift swift8 swift11 credit_card_number credit_card_provider credit_card_security_code
    ean ean8 ean13 localized_ean localized_ean8 localized_ean13 md5 sha1 sha256 hex_color safe_hex_color
    rgb_color color_name file_extension mime_type file_name uri_path ripe_id nic_handle ipv6 license_plate ssn
    vin password coordinate longitude latitude
""".split()
LOCALES = ["en_US", "de_DE", "fr_FR", "ja_JP", "pt_BR", "es_ES"]


@pytest.mark.parametrize("name", METHODS)
def test_distributed_as_faker(name):
    mine, faker = ours(name), theirs(name)
    for (what, a), (_, b) in zip(views(mine), views(faker), strict=True):
        assert same(a, b), what


def test_a_wrong_distribution_is_found():
    """The negative control: one digit in fifty drawn otherwise."""
    mine, faker = ours("md5"), theirs("md5")
    bent = ["0" + value[1:] if number % 20 == 0 else value for number, value in enumerate(mine)]
    assert same([value[0] for value in mine], [value[0] for value in faker])
    assert not same([value[0] for value in bent], [value[0] for value in faker])


@pytest.mark.parametrize("name", METHODS)
def test_rows_and_batches_agree(name):
    maker = provider(name)
    whole = maker.column(rows(400)).to_pylist()
    parts = []
    for first in range(0, 400, 133):
        flow = np.arange(first, min(400, first + 133), dtype=np.uint64)
        part = Rows(flow, np.ones(len(flow), np.uint64), np.zeros(len(flow), np.int64))
        parts += maker.column(part).to_pylist()
    assert parts == whole
    assert [str(maker.one(flow, 1, 0)) for flow in range(60)] == [str(value) for value in whole[:60]]
    assert maker.column(rows(0)).to_pylist() == []
    assert maker.how == "column"


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", METHODS)
def test_every_locale_has_them(name, locale):
    """Values look like Faker's: the same shapes, whatever the locale changes."""
    mine = [re.sub(r"\w", "x", value) for value in ours(name, locale, 300)]
    faker = [re.sub(r"\w", "x", value) for value in theirs(name, locale, 300)]
    assert {len(value) for value in mine} & {len(value) for value in faker}
    assert len(set(mine)) <= 3 * len(set(faker)) + 10


# ---------------------------------------------------------------- check digits, each by its own definition


@pytest.mark.parametrize("locale", LOCALES)
def test_ibans_leave_one(locale):
    for value in ours("iban", locale, 3000):
        moved = value[4:] + value[:4]
        assert int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


@pytest.mark.parametrize("card", [None, "amex", "visa", "mastercard", "maestro", "jcb15", "diners"])
def test_cards_pass_luhn(card):
    for value in ours("credit_card_number", n=3000, **({"card_type": card} if card else {})):
        digits = [int(c) for c in reversed(value)]
        assert (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("ean13", {}), ("ean8", {}), ("ean", {"length": 8}), ("ean13", {"prefixes": ("45", "49")}),
     ("ean13", {"leading_zero": False}), ("ean13", {"leading_zero": True}), ("localized_ean13", {})],
)  # fmt: skip
def test_barcodes_are_multiples_of_ten(name, arguments):
    values = ours(name, n=3000, **arguments)
    for value in values:
        digits = [int(c) for c in reversed(value)]
        assert (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0
    starts = {value[:2] for value in values}
    if "prefixes" in arguments:
        assert starts == {"45", "49"}
    if "leading_zero" in arguments:
        assert {s[0] == "0" for s in starts} == {arguments["leading_zero"]}


def test_routing_numbers_are_multiples_of_ten():
    for value in ours("aba", n=3000):
        assert sum(w * int(c) for w, c in zip((3, 7, 1) * 3, value, strict=True)) % 10 == 0


def test_vehicle_numbers_hold_their_digit():
    worth = dict(
        zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9))
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    for value in ours("vin", n=3000):
        total = (
            sum(w * worth.get(c, int(c) if c.isdigit() else 0) for w, c in zip(weights, value, strict=True))
            % 11
        )
        assert value[8] == ("X" if total == 10 else str(total))


@pytest.mark.parametrize("without", [(), ("special_chars",), ("digits", "upper_case")])
def test_passwords_hold_every_kind(without):
    kinds = {"special_chars": "!@#$%^&*()_+", "digits": "0123456789", "upper_case": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
             "lower_case": "abcdefghijklmnopqrstuvwxyz"}  # fmt: skip
    for value in ours("password", n=2000, length=8, **dict.fromkeys(without, False)):
        assert len(value) == 8
        for kind, letters in kinds.items():
            assert any(c in letters for c in value) == (kind not in without)
