"""How often something happens, as users write it: ``"1200/h"``."""

from __future__ import annotations

import re

from deep_faker.draws.distributions.declared import Choice, Distribution, below_zero, typical
from deep_faker.errors import DeclarationError, Diagnostic, SettingsError, shown
from deep_faker.spans import Span, caller_span, narrow_keyword
from deep_faker.times import parse_duration

_RATE = re.compile(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?)\s*/\s*(.+?)\s*")
_WORDS = {
    word: unit
    for unit, words in {
        "1s": "s sec second",
        "1m": "m min minute",
        "1h": "h hour",
        "1d": "d day",
        "1w": "w week",
        "365.2425d": "y year",
    }.items()
    for word in words.split()
}
_FORMS = 'write how many in which time: "1200/h", "0.5/s", "30/day", "3/15m"'
LEAST = 0.001  # seconds between two starts of one entity
MOST_OF_ONE = 1e4  # a second, of one entity
MOST = 1e7  # a second: no machine would ever come to the end


def per_second(value: object, span: Span | None) -> float:
    """Starts a second of a rate as it is written. Raises `DeclarationError`, with the accepted forms.

    >>> per_second("1200/h", None), per_second("3/15m", None), per_second("864 / day", None)
    (0.3333333333333333, 0.0033333333333333335, 0.01)
    """
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _refused(value, span, _FORMS)
    number, unit = match.groups()
    try:
        micros = parse_duration(_WORDS.get(unit, unit))
        rate = float(number.replace("_", "").replace(",", "")) * 1e6 / micros
    except SettingsError:
        raise _refused(value, span, _FORMS) from None
    if rate > MOST:
        raise _refused(value, span, f"give at most {MOST:,.0f} a second")
    return rate


def interval(value: object, span: Span | None) -> Distribution:
    """The times between two starts, as a distribution of seconds: one, or a time that is always the same.

    Raises `DeclarationError` for what is neither, or may be less than nothing or nothing all the time.

    >>> from deep_faker import Exponential
    >>> interval("1h", None), interval(Exponential(days=7), None)
    (Choice(values=(3600.0,), weights=None), Exponential(mean=604800))
    """
    if isinstance(value, Distribution):
        label, mend = below_zero(value), "a time between two starts is more than 0"
        if label is None and not typical(value) >= LEAST:
            label, mend = f"a typical time is {typical(value):g} s", f"give {LEAST} s or more"
        if label is not None:
            raise DeclarationError(Diagnostic("wrong every", span, f"every={value!r}: {label}", mend))
        return value
    try:
        return Choice([parse_duration(value) / 1e6])
    except SettingsError:
        mend = 'give a distribution of seconds, Exponential(days=7), or one time: "7d"'
        raise DeclarationError(Diagnostic("wrong every", span, f"every={shown(value)}", mend)) from None


def delay_of(value: object, span: Span | None) -> Distribution:
    """The time after an event, as a distribution of seconds: one, or a time that is always the same.

    Raises `DeclarationError` for what is neither, or may be less than nothing.

    >>> delay_of("2h", None), delay_of(0, None)
    (Choice(values=(7200.0,), weights=None), Choice(values=(0.0,), weights=None))
    """
    if isinstance(value, Distribution):
        label = below_zero(value)
        if label is not None:
            mend = "a time after an event is 0 or more"
            raise DeclarationError(Diagnostic("wrong after", span, f"after={value!r}: {label}", mend))
        return value
    if value == 0 and type(value) in (int, float):
        return Choice([0.0])
    try:
        return Choice([parse_duration(value) / 1e6])
    except SettingsError:
        mend = 'give a distribution of seconds, LogNormal(7.5, 0.5), or one time: "2h"'
        raise DeclarationError(Diagnostic("wrong after", span, f"after={shown(value)}", mend)) from None


def lag(value: object, name: str, span: Span | None = None) -> Distribution:
    """How long something comes after something else, as a distribution of seconds; a time is always the same.

    Raises `DeclarationError` for what is neither, or can be less than nothing.

    >>> from deep_faker import LogNormal
    >>> lag("90s", "arrives"), lag(LogNormal(0, 1), "arrives")
    (Choice(values=(90.0,), weights=None), LogNormal(mu=0, sigma=1))
    """
    label = shown(value)
    try:
        if not isinstance(value, Distribution):
            return Choice([parse_duration(value) / 1e6])
        wrong = below_zero(value)
        if wrong is None:
            return value
        label = f"{value!r}: {wrong}"
    except SettingsError:
        pass
    where = narrow_keyword(span or caller_span(), name)
    mend = 'give a time, "2m", or a distribution of seconds that are not negative, LogNormal(minutes=2)'
    raise DeclarationError(Diagnostic(f"wrong {name}", where, f"{name}={label}", mend))


def _refused(value: object, span: Span | None, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic("wrong rate", span, f"rate={shown(value)}", mend))
