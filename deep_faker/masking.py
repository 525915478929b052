"""Passwords, tokens and signatures left out of every text that a diagnostic shows."""

from __future__ import annotations

import re
from collections.abc import Callable

HIDDEN = "…"
_NAMES = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret\w*|token|sig(?:nature)?|credentials?"
    r"|api_?key|\w*access_?key|\w*account_?key)"
)
# the last @ before a quote or a space ends them: a password may hold any of /:@, though it should not
_USER = re.compile(
    r"(?P<head>\b[A-Za-z][\w+.-]*:/+)(?!user:password@)(?P<hidden>[^\s'\"<>@:/]*:[^\s'\"<>]*(?=@))"
)
_ALONE = re.compile(r"(?P<head>\bhttps?:/+)(?P<hidden>[^\s'\"<>/@]+(?=@))")  # a token in a user's place
_QUERY = re.compile(rf"(?P<head>[?&;][\w.-]*?{_NAMES}=)(?P<hidden>[^&;#\s'\"]+)", re.IGNORECASE)
_SETTING = re.compile(
    rf"(?P<head>\b[\w.-]*{_NAMES}[\"']?\s*[=:]\s*(?P<quote>[\"']))(?P<hidden>(?:(?!(?P=quote)).)+)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text without the user and password of URLs, and without secret values of their queries.

    >>> masked("cannot reach postgresql://me:pw@db/shop?sslmode=require&password=x")
    'cannot reach postgresql://…@db/shop?sslmode=require&password=…'
    """
    return _replaced(text, lambda hidden: HIDDEN, (_USER, _ALONE, _QUERY))


def masked_source(text: str) -> str:
    """A line of source without secrets, as wide as it was; settings such as ``password="x"`` count too.

    >>> masked_source('PostgresOutput(host="db", password="hunter2")')
    'PostgresOutput(host="db", password="*******")'
    """
    return _replaced(text, lambda hidden: "*" * len(hidden), (_USER, _ALONE, _QUERY, _SETTING))


def shown_url(url: str) -> str:
    """A URL that is refused, without anything that could be secret, whatever characters that has.

    >>> shown_url("https://me:it's @ secret@host/x?a=1")
    'https://…@host/x?…'
    """
    scheme, mark, rest = url.partition("://")
    rest, query, _ = rest.partition("?")
    user, sign, place = rest.rpartition("@")
    if sign and not (scheme.startswith("abfs") and ":" not in user):  # abfss://container@account/…
        rest = f"{HIDDEN}@{place}"
    return f"{scheme}{mark}{rest}{'?' + HIDDEN if query else ''}"


def _replaced(text: str, mask: Callable[[str], str], patterns: tuple[re.Pattern[str], ...]) -> str:
    if "=" not in text and ":" not in text:  # the most of them
        return text
    for pattern in patterns:
        text = pattern.sub(lambda match: match["head"] + mask(match["hidden"]), text)
    return text
