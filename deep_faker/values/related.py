"""``of=``: values of one field that agree with those of another field of the same event.

An address of e-mail is made of the name that the event has, whoever gave it; a postcode lies in its
state. What Faker's data do not know is refused where it is declared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.ids import action_counter
from deep_faker.draws.mix import below, mix
from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.plan import arrow
from deep_faker.values.base import Place, Provider, Rows, plain
from deep_faker.values.door import make
from deep_faker.values.families.persons import Parts, names_of
from deep_faker.values.library.libraries import LOCK, at, faker_generator
from deep_faker.values.mixes import LocaleDraw

if TYPE_CHECKING:
    from faker import Generator

    from deep_faker.declare.schema import GeneratorSpec

Values = tuple[pa.Array, ...]

_EMAILS = frozenset(
    "email safe_email free_email company_email ascii_email ascii_safe_email ascii_free_email "
    "ascii_company_email".split()
)
_FIRST = frozenset("first_name first_name_male first_name_female first_name_nonbinary".split())
_LAST = frozenset("last_name last_name_male last_name_female last_name_nonbinary".split())
_FULL = frozenset("name name_male name_female name_nonbinary".split())
_COUNTRY = {"country": "current_country", "current_country": "current_country"}
_COUNTRY |= {"country_code": "current_country_code", "current_country_code": "current_country_code"}
_POSTCODES = frozenset("postcode zipcode postalcode postal_code".split())
_IN_STATE = ("postcode_in_state", "postcode_in_province", "postal_code_in_province", "zipcode_in_state")
_STATES = frozenset("state administrative_unit province".split())
_ABBREVIATED = frozenset("state_abbr province_abbr".split())
_PLACES = frozenset(
    "address street_address street_name city state administrative_unit province state_abbr province_abbr "
    "postcode zipcode postalcode postal_code city_with_postcode".split()
)
_PER_STATE = 256  # postcodes of a state
_PIECE = re.compile(r"\{\{\s*(\w+)\s*\}\}|([#?])|([^#?{]+)")


class Related(Protocol):
    """Makes values that agree with those of other fields."""

    kind: str
    how: str
    detail: str

    def column(self, rows: Rows, values: Values) -> pa.Array: ...


class _Texts:
    """Base of the makers: texts, by column."""

    kind, how, detail = "str", "column", ""


class NamePart(_Texts):
    """The given or the family name of a name, or a name of both.

    >>> names = pa.array(["Dr. Ann Lee", "Bob"])
    >>> NamePart(None, part="family").column(Rows.of(1, 1), (names,)).to_pylist()
    ['Lee', 'Bob']
    """

    def __init__(self, locale: str | None, *, part: str) -> None:
        self._names, self._part = names_of(locale), part

    def column(self, rows: Rows, values: Values) -> pa.Array:
        if self._part == "both":
            order = values[::-1] if self._names.family_first else values
            return pc.binary_join_element_wise(*map(plain, order), arrow.text(self._names.gap))
        parts = self._names.parts(values[0])
        return parts.given if self._part == "given" else parts.family


class UserNames(_Texts):
    """User names of a person, in the locale's own formats."""

    def __init__(self, place: Place, locale: str | None, *, unique: bool) -> None:
        self._place, self._names, self._unique = place, names_of(locale), unique
        self._key = place.key("user")
        self._digits = [place.key("user", slot) for slot in range(1, 10)]
        if unique:
            self.detail = "unique by a number at the end"

    def column(self, rows: Rows, values: Values) -> pa.Array:
        return self._numbered(rows, self._names_of(rows, self._parts(values)))

    def _parts(self, values: Values) -> Parts:
        if len(values) == 1:
            return self._names.parts(values[0])
        given, family = (plain(array).dictionary_encode() for array in values)
        slugs = [
            arrow.texts(self._names.slug(text) for text in array.dictionary.to_pylist()).take(array.indices)
            for array in (given, family)
        ]
        return Parts(given, family, *(pc.fill_null(slug, arrow.text("user")) for slug in slugs))

    def _names_of(self, rows: Rows, parts: Parts) -> pa.Array:
        forms = self._names.user_formats
        which = below(mix(self._key, rows.flow, rows.action), len(forms)).astype(np.int64)
        texts, nothing = [], arrow.text("")
        for form in forms:
            slots = iter(self._digits)
            pieces: list[pa.Array | pa.Scalar] = []
            for name, hole, literal in _PIECE.findall(form):
                if name:
                    pieces.append(parts.given_ascii if "first" in name else parts.family_ascii)
                elif hole == "#":
                    number = below(mix(next(slots), rows.flow, rows.action), 10).astype(np.int64)
                    pieces.append(arrow.numbers(number).cast(pa.string()))
                elif hole == "?":  # where Faker has any letter: the first one of the given name
                    pieces.append(pc.utf8_slice_codeunits(parts.given_ascii, 0, 1))
                else:
                    pieces.append(arrow.text(literal))
            texts.append(pc.binary_join_element_wise(*pieces, nothing).cast(pa.string()))
        return pc.choose(arrow.numbers(which), *texts) if len(texts) > 1 else texts[0]

    def _numbered(self, rows: Rows, texts: pa.Array) -> pa.Array:
        if not self._unique:
            return texts
        draws = self._place.draws
        counter = action_counter(draws.partition, draws.partitions, rows.flow, rows.action).astype(np.int64)
        # no name ends in an underscore and a number, so different numbers make different texts
        return pc.binary_join_element_wise(texts, arrow.numbers(counter).cast(pa.string()), arrow.text("_"))


class Emails(UserNames):
    """E-mail addresses of a person (or of a user name), at the domains of Faker's method."""

    def __init__(
        self, place: Place, spec: GeneratorSpec, alone: Callable[[GeneratorSpec], Provider], above: str
    ) -> None:
        assert not isinstance(spec.locale, tuple), "one locale"
        super().__init__(place, spec.locale, unique=spec.unique)
        self._of_user = above == "user_name"
        self._addresses = alone(replace(spec, of=(), unique=False))
        if self._addresses.how == "pool":
            self.detail = ", ".join([*([self.detail] if self.detail else []), "domains from a pool"])

    def column(self, rows: Rows, values: Values) -> pa.Array:
        if self._of_user:
            users = self._numbered(rows, pc.fill_null(plain(values[0]), arrow.text("user")))
        else:
            users = super().column(rows, values)
        whole = self._addresses.column(rows)
        if isinstance(whole, pa.DictionaryArray):
            domains = pc.replace_substring_regex(whole.dictionary, "^.*@", "").take(whole.indices)
        else:
            domains = pc.replace_substring_regex(whole, "^.*@", "")
        return pc.binary_join_element_wise(users, domains, arrow.text("@"))


class AddressPart(_Texts):
    """What stands before (after) the @ of an address.

    >>> AddressPart("@.*$").column(Rows.of(1, 1), (pa.array(["ann@example.org"]),)).to_pylist()
    ['ann']
    """

    def __init__(self, other: str) -> None:
        self._other = other  # a pattern of the part that goes

    def column(self, rows: Rows, values: Values) -> pa.Array:
        return pc.replace_substring_regex(pc.fill_null(plain(values[0]), arrow.text("")), self._other, "")


class Constant(_Texts):
    """What a whole locale shares: its country.

    >>> Constant("France").column(Rows.of(1, 1), ()).to_pylist()
    ['France']
    """

    def __init__(self, text: str) -> None:
        self._text, self.detail = text, f"always {text!r} in this locale"

    def column(self, rows: Rows, values: Values) -> pa.Array:
        return pa.repeat(pa.scalar(self._text, pa.string()), len(rows))


class Mapped(_Texts):
    """One of the texts that belong to the other field's text; of all texts where that is not known.

    >>> from deep_faker.draws.mix import Draws
    >>> short = Mapped(Place(Draws(7), ("state",), 0), {"Ohio": ["OH"], "Utah": ["UT"]})
    >>> short.column(Rows.of(1, 1), (pa.array(["Utah"]),)).to_pylist()
    ['UT']
    """

    def __init__(self, place: Place, table: dict[str, list[str]]) -> None:
        self._key = place.key()
        self._keys = {text: number for number, text in enumerate(table)}
        lists = [*table.values(), [text for texts in table.values() for text in texts]]
        self._starts = np.cumsum([0, *map(len, lists)])
        self._texts = arrow.texts(text for texts in lists for text in texts)
        if any(len(texts) > 1 for texts in table.values()):
            self.how, self.detail = "pool", f"pool of {len(lists[-1]):,} values, by the other field's"

    def column(self, rows: Rows, values: Values) -> pa.Array:
        coded = plain(values[0]).dictionary_encode()
        rest = len(self._keys)
        lists = np.array(
            [*(self._keys.get(text, rest) for text in coded.dictionary.to_pylist()), rest], np.int64
        )
        codes = arrow.values(arrow.filled(coded.indices, len(lists) - 1))
        number = lists[codes]
        sizes = np.diff(self._starts)[number]
        place = self._starts[number] + below(mix(self._key, rows.flow, rows.action), sizes).astype(np.int64)
        return self._texts.take(arrow.numbers(place))


class Localized(_Texts):
    """Each row by the maker of its locale: the one of the field that it depends on."""

    def __init__(self, draw: LocaleDraw, makers: list[Related]) -> None:
        self._draw, self._makers = draw, makers
        self.how = "pool" if any(maker.how == "pool" for maker in makers) else "column"
        self.detail = ", ".join(draw.locales)

    def column(self, rows: Rows, values: Values) -> pa.Array:
        which = self._draw.indices(rows)
        parts, places = [], []
        for number, maker in enumerate(self._makers):
            positions = np.flatnonzero(which == number)
            taken = tuple(array.take(arrow.numbers(positions)) for array in values)
            parts.append(maker.column(rows.take(positions), taken))
            places.append(positions)
        back = np.argsort(np.concatenate(places), kind="stable")
        return pa.concat_arrays([plain(part) for part in parts]).take(arrow.numbers(back))


def make_related(
    spec: GeneratorSpec,
    roots: tuple[GeneratorSpec | None, ...],
    place: Place,
) -> Related:
    """The maker of a field with ``of=``; ``roots`` generate the fields that it depends on, None: given.

    Raises `DeclarationError` for fields that no data of Faker's connect.
    """

    def alone(field: GeneratorSpec) -> Provider:
        return make(field, place)

    if isinstance(spec.locale, tuple):
        makers = [_of_locale(place, replace(spec, locale=name), roots, alone) for name, _ in spec.locale]
        return Localized(LocaleDraw(place, spec.locale), makers)
    return _of_locale(place, spec, roots, alone)


def _of_locale(
    place: Place,
    spec: GeneratorSpec,
    roots: tuple[GeneratorSpec | None, ...],
    alone: Callable[[GeneratorSpec], Provider],
) -> Related:
    alone(replace(spec, of=(), unique=False))  # checks the provider, its arguments and the locale
    assert not isinstance(spec.locale, tuple), "one locale"
    name, locale, count = spec.name, spec.locale, len(spec.of)
    if spec.unique and name not in _EMAILS | {"user_name"}:
        raise _refused(place, spec, "unique=True with of= goes with email and user_name", "leave one out")
    above = roots[0].name if count == 1 and roots[0] is not None else ""
    if name in _EMAILS and count <= 2:
        return Emails(place, spec, alone, above)
    if name in ("user_name", "domain_name") and above in _EMAILS and not spec.unique:
        return AddressPart("@.*$" if name == "user_name" else "^.*@")
    if name == "user_name" and count <= 2:
        return UserNames(place, locale, unique=spec.unique)
    if name in _FULL and count == 2:
        return NamePart(locale, part="both")
    if name in _FIRST | _LAST and count == 1:
        return NamePart(locale, part="given" if name in _FIRST else "family")
    of_place = _of_place(place, spec, above)
    if of_place is not None:
        return of_place
    knows = (
        "email, user_name, first_name, last_name of a name (or of=(first name, last name)); name of both; "
        "email of a user_name, user_name and domain_name of an email; "
        "country and country_code of a city, postcode, state or address; postcode of a state or its "
        "abbreviation, and these of each other, in the locales that know them; FromFrame of FromFrame"
    )
    label = (
        f"Faker's data for {locale or 'en_US'} do not connect {name} with {above or ' and '.join(spec.of)}"
    )
    raise _refused(place, spec, label, f"there are: {knows}; or use derive=lambda e: …")


def _of_place(place: Place, spec: GeneratorSpec, above: str) -> Related | None:
    assert not isinstance(spec.locale, tuple), "one locale"
    generator = faker_generator(spec.locale)
    if spec.name in _COUNTRY and above in _PLACES:
        with LOCK:
            return Constant(str(getattr(generator, _COUNTRY[spec.name])()))
    pairs = _states(generator)
    if spec.name in _ABBREVIATED and above in _STATES and pairs:
        return Mapped(place, {state: [short] for state, short in pairs.items()})
    if spec.name in _STATES and above in _ABBREVIATED and pairs:
        return Mapped(place, {short: [state] for state, short in pairs.items()})
    method = next((getattr(generator, name) for name in _IN_STATE if hasattr(generator, name)), None)
    if spec.name in _POSTCODES and above in _STATES | _ABBREVIATED and method is not None:
        states = pairs if above in _STATES else {short: short for short in pairs.values()}
        if states:
            return Mapped(place, _postcodes(place, spec, generator, method, states))
    return None


def _states(generator: Generator) -> dict[str, str]:
    """States and their abbreviations, where a locale has both in one order."""
    for long, short in (("states", "states_abbr"), ("provinces", "provinces_abbr")):
        for provider in generator.providers:
            names, codes = getattr(provider, long, None), getattr(provider, short, None)
            if not names or not codes:
                continue
            codes = [code for code in codes if code != "DC" or "District of Columbia" in names]
            if len(codes) == len(names):
                return dict(zip(names, codes, strict=True))
    return {}


def _postcodes(
    place: Place,
    spec: GeneratorSpec,
    generator: Generator,
    method: Callable[[str], str],
    states: dict[str, str],
) -> dict[str, list[str]]:
    seed = place.draws.id_key("pool", str(spec.locale or ""), "postcode of state")
    with LOCK, at(place.start_micros, seed):
        generator.seed_instance(seed)
        return {state: [str(method(short)) for _ in range(_PER_STATE)] for state, short in states.items()}


def _refused(place: Place, spec: GeneratorSpec, label: str, mend: str) -> DeclarationError:
    return DeclarationError(
        Diagnostic(f"{spec.name} cannot hang on {' and '.join(spec.of)}", place.span, label, mend)
    )
