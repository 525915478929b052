"""Keeping secrets of an output's settings out of every message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
)


def hidden(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` with its secrets left out.

    >>> hidden({"sasl.username": "me", "sasl.password": "x"})
    {'sasl.username': 'me', 'sasl.password': '…'}
    """
    return {name: "…" if _is_secret(name) else _stable(value) for name, value in config.items()}


def scrubbed(text: str, config: Mapping[str, Any]) -> str:
    """``text`` without the secrets of ``config``, should the client have put one into a message."""
    for name, value in config.items():
        if _is_secret(name) and value:
            # "user:password" stands for two secrets, a JAAS line for any that it quotes
            parts = [str(value), *(part for part in re.split(r"[:\s\"']", str(value)) if len(part) > 3)]
            for part in parts:
                text = text.replace(part, "…")
    return text


def _is_secret(name: object) -> bool:
    return any(word in str(name).lower() for word in _SECRET)


def _stable(value: object) -> object:
    """A function by its name: where it lies in memory differs from process to process."""
    return getattr(value, "__qualname__", value) if callable(value) else value
