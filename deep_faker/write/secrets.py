"""Keeping secrets of an output's settings out of every message."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.masking import masked, shown_url

_SECRET = (
    "password",
    "secret",
    "pem",
    "token",
    "key",
    "jaas",
    "user.info",
    "oauthbearer.config",
    "credential",
    "passwd",
    "passphrase",
    "pwd",
    "authorization",
    "headers",
    "connection_string",
    "proxy_url",
    "signature",
)


def hidden(config: Mapping[str, object]) -> dict[str, object]:
    """``config`` with its secrets left out.

    >>> hidden({"sasl.username": "me", "sasl.password": "x"})
    {'sasl.username': 'me', 'sasl.password': '…'}
    """
    return {name: "…" if _is_secret(name) else _stable(value) for name, value in config.items()}


def scrubbed(text: str, config: Mapping[str, object]) -> str:
    """``text`` without the secrets of ``config``, should the client have put one into a message.

    >>> scrubbed("no such user: pw12", {"password": "pw12"})
    'no such user: …'
    """
    for name, value in config.items():
        if _is_secret(name) and value:
            # "user:password" stands for two secrets, a JAAS line for any that it quotes
            parts = [str(value), *(part for part in re.split(r"[:\s\"']", str(value)) if len(part) > 3)]
            for part in parts:
                text = text.replace(part, "…")
    return masked(text)


def quotable(error: Exception, config: Mapping[str, object]) -> Exception | None:
    """The client's exception, to be chained to ours; None where its own text holds a secret of ``config``.

    >>> quotable(ValueError("no host"), {"password": "pw"}) is None
    False
    >>> quotable(ValueError("wrong: pw12"), {"password": "pw12"}) is None
    True
    """
    below = (error, error.__cause__, error.__context__)
    said = "\n".join(f"{one!r} {one}" for one in below if one is not None)
    return error if scrubbed(said, config) == said else None


def check_url(url: str) -> None:
    """Raise `SettingsError` for credentials in the URL of an object store: they would be in every report."""
    _, _, rest = url.partition("://")
    place = rest.partition("/")[0]
    if ":" in place or "?" in rest or ("@" in place and not url.startswith("abfs")):
        label = f"path={shown_url(url)!r} holds more than a bucket and a name"
        mend = "give credentials in storage_options, or in the environment"
        raise SettingsError(Diagnostic("credentials in a URL", None, label, mend))


def _is_secret(name: object) -> bool:
    return any(word in str(name).lower() for word in _SECRET)


def _stable(value: object) -> object:
    """A function by its name: where it lies in memory differs from process to process."""
    return getattr(value, "__qualname__", value) if callable(value) else value
