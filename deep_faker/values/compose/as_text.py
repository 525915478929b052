"""The values of a column as text, as JSON and after the steps that a method of Faker's takes with them."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.plan.conversion import json_text
from deep_faker.values.base import Rows, Values
from deep_faker.values.compose.mimesis import float_texts
from deep_faker.values.explore.methods import Step, taken

JSON: Step = ("to json", None)  # a whole value as JSON; the step "json" escapes a text only
INNER: Step = ("in json", None)  # a text inside of a JSON text
_OF_DAY = frozenset("YmdyaAbBjUWwuGVxCeDFh%")  # directives that depend on the day only
_SECOND = 1_000_000


def objects_of(provider: Values, rows: Rows) -> list[object]:
    """The values as the objects that they stand for."""
    values = provider.column_objects(rows)
    if provider.kind == "decimal":
        return [Decimal(value) if isinstance(value, str) else value for value in values]
    return (
        [UUID(value) if isinstance(value, str) else value for value in values]
        if provider.kind == "uuid"
        else values
    )


def texts_of(provider: Values, rows: Rows, array: pa.Array, kind: str) -> pa.Array:
    """``str`` of a column's values."""
    match kind:
        case "str" | "decimal" | "uuid":
            return plain(array)
        case "int" | "date":
            return plain(array).cast(pa.string())
        case "float":
            return float_texts(array.to_numpy(zero_copy_only=False))
        case "bool":
            return pc.if_else(array, "True", "False")
        case "datetime":
            return _times(plain(array))
    return pa.array([str(value) for value in objects_of(provider, rows)], pa.string())


def _times(array: pa.Array) -> pa.Array:
    """Times as Python writes them: without a fraction where it is zero."""
    micros = array.cast(pa.int64()).to_numpy(zero_copy_only=False)
    whole = micros % _SECOND == 0
    if whole.all():
        return pa.array(micros // _SECOND).cast(pa.timestamp("s")).cast(pa.string())
    texts = array.cast(pa.timestamp("us")).cast(pa.string())
    return pc.replace_substring_regex(texts, r"\.000000$", "") if whole.any() else texts


def json_of(provider: Values, rows: Rows, array: pa.Array, kind: str) -> pa.Array:
    """A column's values as JSON."""
    match kind:
        case "json":
            return plain(array)
        case "int" | "float":
            return texts_of(provider, rows, array, kind)
        case "bool":
            return pc.if_else(array, "true", "false")
        case "datetime":  # ISO 8601, as everywhere in JSON
            return pc.binary_join_element_wise(
                '"', pc.replace_substring(_times(plain(array)), " ", "T"), '"', ""
            )
        case "timedelta":
            return pa.array([json_text(value) for value in objects_of(provider, rows)], pa.string())
    text = texts_of(provider, rows, array, kind)
    return pc.binary_join_element_wise('"', in_json(text), '"', "")


def in_json(texts: pa.Array) -> pa.Array:
    """Texts as they stand in a JSON text."""
    return _where(texts, r'[\x00-\x1f"\\]', lambda text: json_text(text)[1:-1])


def _where(texts: pa.Array, pattern: str, function: Callable[[str], str]) -> pa.Array:
    """``function`` of the texts in which a pattern is: they are few as a rule."""
    matching = pc.match_substring_regex(texts, pattern)
    if not pc.any(matching).as_py():
        return texts
    some = texts.filter(matching).dictionary_encode()
    changed = pa.array([function(text) for text in some.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(texts, matching, changed.take(some.indices))


def stepped(provider: Values, rows: Rows, array: pa.Array, kind: str, step: Step) -> tuple[pa.Array, str]:
    match step:
        case ("text", _):
            return texts_of(provider, rows, array, kind), "str"
        case ("to json", _):
            return json_of(provider, rows, array, kind), "str"
        case ("in json", _):
            return in_json(texts_of(provider, rows, array, kind)), "str"
        case ("json", _):
            whole = texts_of(provider, rows, array, kind)
            return _where(whole, r'[^\x20-\x7e]|["\\]', lambda text: json.dumps(text)[1:-1]), "str"
        case ("format" | "strftime", form) if only_of_day(form):
            days = array.cast(pa.date32()) if kind == "date" else _days(array)
            some = days.dictionary_encode()
            texts = [_day_text(form, day) for day in some.dictionary.to_pylist()]
            return pa.array(texts, pa.string()).take(some.indices), "str"
        case ("replace", (old, new)):
            return pc.replace_substring(texts_of(provider, rows, array, kind), old, new), "str"
    values = (
        texts_of(provider, rows, array, kind).to_pylist() if kind == "str" else objects_of(provider, rows)
    )
    return pa.array([taken(step, value) for value in values], pa.string()), "str"


@lru_cache(maxsize=1 << 17)
def _day_text(form: str, day: dt.date) -> str:
    """Days come again and again, and a format takes long for one."""
    return dt.date.strftime(day, form)


def only_of_day(form: str) -> bool:
    """Whether all directives of a format depend on the day only."""
    return set(re.findall("%(.)", form)) <= _OF_DAY


def _days(array: pa.Array) -> pa.Array:
    return pc.floor_temporal(array, unit="day").cast(pa.date32())


def plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array


def with_steps(step: Step, value: object) -> str:
    """What a step makes of one value."""
    if step in (JSON, INNER):
        return json_text(value) if step == JSON else json_text(str(value))[1:-1]
    return taken(step, value)
