"""Where a database is: a URL, a mapping, or arguments, as one dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from urllib.parse import parse_qsl, unquote, urlsplit

from deep_faker.errors import Diagnostic, SettingsError, shown


def settings(
    url: str | None,
    config: Mapping[str, object] | None,
    arguments: Mapping[str, object],
    schemes: tuple[str, ...],
) -> dict[str, object]:
    """The settings of all three; arguments win over the mapping, and that over the URL.

    Raises `SettingsError`, which never shows the URL: it may hold a password.

    >>> settings("mysql://me:pw@db:3307/shop?ssl=true", None, {"user": None}, ("mysql",))
    {'ssl': 'true', 'host': 'db', 'user': 'me', 'password': 'pw', 'port': 3307, 'database': 'shop'}
    """
    merged = _from_url(url, schemes) if url is not None else {}
    if config is not None and not isinstance(config, Mapping):
        raise _wrong("connection_config is no mapping", 'give {"host": ..., "user": ..., "password": ...}')
    for name, value in (config or {}).items():
        merged[{"db": "database", "dbname": "database", "passwd": "password"}.get(name, name)] = value
    return _checked(merged | {name: value for name, value in arguments.items() if value is not None})


def _checked(options: dict[str, object]) -> dict[str, object]:
    for name in ("host", "user", "database", "password"):
        value = options.get(name, "")
        if not isinstance(value, (str, NoneType)) or "\0" in (value or ""):
            raise _wrong(f"wrong {name}", f"give {name} as a text")  # which may be a secret: it is not shown
    port = options.get("port", 1)
    if isinstance(port, (bool, float)) or not str(port).isdecimal() or not 0 < int(str(port)) < 1 << 16:
        raise _wrong(f"wrong port: {shown(port)}", "give a whole number from 1 to 65535")
    return options


def _from_url(url: str, schemes: tuple[str, ...]) -> dict[str, object]:
    mend = (
        f"write {schemes[0]}://user:password@host:port/database, with %40 for @ and %2F for / in the password"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, AttributeError, TypeError):
        raise _wrong("wrong url", mend) from None
    if parts.scheme not in schemes:
        raise _wrong("wrong url", mend)
    query: dict[str, object] = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = {
        "host": parts.hostname,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "port": port,
        "database": unquote(parts.path.lstrip("/")) or None,
    }
    return query | {name: value for name, value in named.items() if value is not None}


def _wrong(title: str, mend: str) -> SettingsError:
    return SettingsError(Diagnostic(title, None, "", mend))


def flag(name: str, value: object) -> bool:
    """A setting of a URL as a boolean.

    >>> flag("ssl_verify_cert", "true")
    True
    """
    word = str(value).lower()
    if word not in ("true", "1", "yes", "on", "required", "false", "0", "no", "off", "disabled"):
        raise _wrong(f"{name}={value!r}", "give true or false")
    return word in ("true", "1", "yes", "on", "required")
