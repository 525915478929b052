"""Arguments that several outputs have: flags and times to wait."""

from __future__ import annotations

from deep_faker.errors import wrong_setting

_LONGEST = 1e9  # seconds: what clients count in milliseconds of 64 bits, with room


def check_flags(**flags: object) -> None:
    """Raise `SettingsError` for one that is neither True nor False: ``overwrite="no"`` would be true.

    >>> check_flags(overwrite=True)
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise wrong_setting(name, value, "use True or False")


def checked_seconds(value: object, name: str = "timeout") -> float:
    """A time to wait. Raises `SettingsError` for what is no number above 0.

    >>> checked_seconds(60)
    60.0
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _LONGEST:
        return float(value)
    raise wrong_setting(name, value, "give seconds, such as 60")
