"""What the compiler knows of functions: which draw, read the clock, are pure, are refused."""

from __future__ import annotations

import builtins
import datetime as dt
import random
import sys
import time
import types
import uuid
from typing import Any

from deep_faker.draws.random_module import RANDOM_FUNCTIONS

_PURE_BUILTINS = frozenset(
    "abs all any ascii bin bool bytes chr complex dict divmod enumerate filter float format frozenset "
    "hash hex int isinstance issubclass len list map max min oct ord pow range repr reversed round set "
    "slice sorted str sum tuple zip callable getattr hasattr".split()
)
# Modules whose functions have no effects and do not look at the process: what depends on these goes by row.
_PURE_MODULES = frozenset(
    "math _pydatetime datetime _datetime decimal _decimal _pydecimal fractions statistics json "
    "json.encoder json.decoder re _sre string itertools operator _operator functools collections "
    "hashlib _hashlib base64 binascii zlib ipaddress calendar bisect _bisect textwrap unicodedata html "
    "urllib.parse cmath numbers zoneinfo types _struct struct".split()
)
_MUTATING = frozenset(
    "append extend insert pop remove clear sort reverse update add discard setdefault popitem "
    "appendleft popleft extendleft rotate push write writelines".split()
)
METHODS = frozenset(
    # of text
    "capitalize casefold center count encode endswith expandtabs find format index isalnum isalpha "
    "isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join "
    "ljust lower lstrip partition removeprefix removesuffix replace rfind rindex rjust rpartition "
    "rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill "
    # of instants and lengths of time
    "date time timestamp weekday isoweekday isocalendar isoformat strftime total_seconds timetuple "
    "toordinal ctime replace utctimetuple "
    # of numbers and collections
    "bit_length bit_count is_integer as_integer_ratio conjugate hex get items keys values copy union "
    "hexdigest digest group groups groupdict span start end match search fullmatch findall most_common "
    "intersection difference symmetric_difference issubset issuperset isdisjoint decode quantize".split()
)


def draw_of(function: object) -> str | None:
    """The name in ``RANDOM_FUNCTIONS`` of a function that draws, else None."""
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", "")
    if isinstance(owner, random.Random) and not isinstance(owner, random.SystemRandom):
        return name if name in RANDOM_FUNCTIONS and hasattr(random, name) else None
    if function is uuid.uuid4:
        return "uuid4"
    if _is_short_uuid(owner) and name in ("uuid", "random"):
        return f"shortuuid.{name}"
    return None


def _is_short_uuid(owner: Any) -> bool:
    """An instance of ``shortuuid.ShortUUID`` with the usual letters (the package may not be imported)."""
    if type(owner).__module__ != "shortuuid.main":
        return False
    return bool(owner.get_alphabet() == type(owner)().get_alphabet())


def clock_of(function: object) -> str | None:
    """How a function reads the clock: as datetime, date, seconds or nanoseconds since the epoch; or as parts
    of a date or text (``calendar``), where it is not given the instant."""
    if function in (dt.datetime.now, dt.datetime.utcnow, dt.datetime.today):
        return "datetime"
    if function == dt.date.today:
        return "date"
    if function in (time.time, time.monotonic, time.perf_counter, time.process_time):
        return "seconds"
    if function in (time.time_ns, time.monotonic_ns, time.perf_counter_ns, time.process_time_ns):
        return "nanoseconds"
    return "calendar" if function in (time.localtime, time.gmtime, time.strftime, time.ctime) else None


def is_pure(function: object) -> bool:
    """Whether a call has no effect and depends on nothing but its arguments."""
    if isinstance(function, type):
        if function.__module__ == "builtins":
            return function.__name__ in _PURE_BUILTINS
        return function.__module__ in _PURE_MODULES or function.__module__ in ("uuid", "shortuuid.main")
    name = getattr(function, "__name__", "")
    if getattr(builtins, name, None) is function:
        return name in _PURE_BUILTINS
    if function in (uuid.uuid3, uuid.uuid5) or getattr(function, "__module__", None) in _PURE_MODULES:
        return True
    owner = getattr(function, "__self__", None)  # dict.fromkeys, datetime.fromisoformat, "abc".upper
    if isinstance(owner, type):
        return is_pure(owner)
    if isinstance(function, (types.MethodDescriptorType, types.ClassMethodDescriptorType)):
        return is_pure(function.__objclass__) and function.__name__ in METHODS
    return False


def is_folded(function: object) -> bool:
    """Whether a pure call may be done once, when compiling (hash() must be the run's own)."""
    return function is not hash and is_pure(function)


def is_mutating(method: str) -> bool:
    """Whether a method of this name changes the object that it belongs to."""
    return method in _MUTATING


def in_library(function: types.FunctionType) -> bool:
    """Whether a Python function is of the standard library (its file may be anywhere)."""
    top = (function.__module__ or "").partition(".")[0]
    return top in sys.stdlib_module_names and top != "__main__"
