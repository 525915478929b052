"""How values of each static type are kept in columns, and the way between columns and Python values.

`deep_faker.plan.Type` names the storage of every kind: numbers as numpy numbers, instants and
lengths of time as microseconds, text of known values as codes, other text and everything else as
object arrays.  An optional column has a bool mask beside it, True where the value is None; what the
value array holds there has no meaning.

>>> text = Type("code", optional=True)
>>> codes, nulls = from_python(["b", None, "a"], text, ("a", "b"))
>>> codes.tolist(), nulls.tolist(), to_python(codes, nulls, text, ("a", "b"))
([1, 0, 0], [False, True, False], ['b', None, 'a'])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from deep_faker.plan.types import Array, Kind, Type

if TYPE_CHECKING:
    import pyarrow as pa

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - simulated time is naive UTC
EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)
_FEW = 1_000  # texts of an array: more are worth what `arrow` saves

_DTYPES: dict[Kind, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    "int": np.dtype(np.int64),
    "float": np.dtype(np.float64),
    "code": np.dtype(np.int32),
    "str": np.dtype(object),
    "datetime": np.dtype(np.int64),
    "date": np.dtype(np.int64),
    "timedelta": np.dtype(np.int64),
    "entity": np.dtype(np.int64),
    "object": np.dtype(object),
    "none": np.dtype(object),
}
_CLASSES: dict[type, Kind] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "code",
    datetime: "datetime",
    date: "date",
    timedelta: "timedelta",
    type(None): "none",
}


class Handle(NamedTuple):
    """An entity as a Python value of an expression: equal to itself, and always true.

    >>> Handle("User", 3) == Handle("User", 3)
    True
    """

    entity: str
    number: int


class Texts(Sequence[str]):
    """The texts known when compiling, in order of appearance; grows while flows are compiled.

    >>> texts = Texts(["web"])
    >>> texts.code("mobile"), texts.code("web"), texts.frozen()
    (1, 0, ('web', 'mobile'))
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []
        for text in texts:
            self.code(text)

    def code(self, text: str) -> int:
        """The code of ``text``, given out now if it is new."""
        known = self._codes.get(text)
        if known is None:
            known = self._codes[text] = len(self._texts)
            self._texts.append(text)
        return known

    def find(self, text: str) -> int | None:
        """The code of ``text`` if it has one."""
        return self._codes.get(text)

    def frozen(self) -> tuple[str, ...]:
        """What goes into ``Plan.texts``."""
        return tuple(self._texts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._texts[index]

    def __len__(self) -> int:
        return len(self._texts)


@lru_cache(maxsize=8)
def _indexed(texts: tuple[str, ...]) -> Texts:
    return Texts(texts)


def find_text(texts: Sequence[str], text: str) -> int | None:
    """The code of ``text`` in ``texts``, None if it is not there.

    >>> find_text(("web", "mobile"), "mobile"), find_text(("web",), "tv")
    (1, None)
    """
    return (texts if isinstance(texts, Texts) else _indexed(tuple(texts))).find(text)


def kind_of(value: object) -> Kind:
    """The kind that a constant has: by its exact class, ``object`` for all that has no kind of its own.

    >>> kind_of("web"), kind_of(True), kind_of(2**70)
    ('code', 'bool', 'object')
    """
    if isinstance(value, Handle):
        return "entity"
    kind = _CLASSES.get(type(value), "object")
    if kind == "datetime" and value.tzinfo is not None:  # type: ignore[attr-defined]  # kind says datetime
        return "object"
    if kind in ("int", "timedelta") and _number(value, kind) not in _INT64:
        return "object"
    return kind


def dtype_of(type_: Type) -> np.dtype[Any]:
    """The numpy dtype of a column of this type.

    >>> dtype_of(Type("date"))
    dtype('int64')
    """
    return _DTYPES[type_.kind]


def empty(type_: Type, n: int) -> Array:
    """``n`` rows of this type, filled with its zero value ("" for text, no entity, None for objects).

    >>> empty(Type("int"), 2).tolist(), empty(Type("entity"), 1).tolist()
    ([0, 0], [-1])
    """
    if type_.kind == "entity":
        return np.full(n, -1, np.int64)
    if type_.kind == "str":
        return np.full(n, "", object)
    if type_.kind in ("object", "none"):
        return np.full(n, None, object)
    return np.zeros(n, dtype_of(type_))


def join(a: Type, b: Type) -> Type:
    """The type of a local that is sometimes ``a`` and sometimes ``b``.

    >>> join(Type("int"), Type("none"))
    Type(kind='int', optional=True, entity=None)
    >>> join(Type("int"), Type("float")).kind  # 1 and 1.0 are different texts
    'object'
    """
    if a == b:
        return a
    if a.kind == "none" or b.kind == "none":
        other = b if a.kind == "none" else a
        return optional(other)
    either = a.optional or b.optional
    if a.kind == b.kind and a.entity == b.entity:
        return Type(a.kind, either, a.entity)
    if {a.kind, b.kind} == {"code", "str"}:
        return Type("str", either)
    return Type("object")


def optional(type_: Type) -> Type:
    """``type_`` or None.

    >>> optional(Type("int")).optional, optional(Type("entity")).optional
    (True, False)
    """
    if type_.kind in ("entity", "object", "none"):
        return type_
    return Type(type_.kind, True, type_.entity)


def type_of(values: Iterable[object]) -> Type:
    """The joined type of constants (text of known values is ``code``).

    >>> type_of(["a", "b", None])
    Type(kind='code', optional=True, entity=None)
    """
    joined: Type | None = None
    for value in values:
        each = Type(kind_of(value), entity=value.entity if isinstance(value, Handle) else None)
        joined = each if joined is None else join(joined, each)
    return joined or Type("object")


# ---------------------------------------------------------------- columns → Python


def to_python(values: Array, nulls: Array | None, type_: Type, texts: Sequence[str]) -> list[object]:
    """The rows as Python values: exact classes, None where null, a `Handle` for an entity.

    >>> to_python(np.array([0, 31]), np.array([True, False]), Type("date", optional=True), ())
    [None, datetime.date(1970, 2, 1)]
    """
    rows: list[int] = []
    if nulls is not None:
        rows = np.flatnonzero(nulls).tolist()
        if rows and type_.kind in _LISTS:
            values = np.where(nulls, 0, values)
    out = _LISTS.get(type_.kind, _plain)(values, texts)
    if type_.kind == "entity":
        name = type_.entity or ""
        return [None if number < 0 else Handle(name, number) for number in out]
    for row in rows:
        out[row] = None
    return out


def _plain(values: Array, _texts: Sequence[str]) -> list[Any]:
    return values.tolist()  # type: ignore[no-any-return]  # numpy types it as Any


def _decoded(values: Array, texts: Sequence[str]) -> list[object]:
    # Without any text every row is null.
    return list(map(texts.__getitem__, values.tolist())) if len(texts) else [""] * len(values)


def _datetimes(values: Array, _texts: Sequence[str]) -> list[object]:
    return _view(values, "M8[us]").tolist()  # type: ignore[no-any-return]


def _dates(values: Array, _texts: Sequence[str]) -> list[object]:
    return _view(values, "M8[D]").tolist()  # type: ignore[no-any-return]


def _timedeltas(values: Array, _texts: Sequence[str]) -> list[object]:
    out: list[object] = _view(values, "m8[us]").tolist()
    if None in out:  # the lowest int64, which numpy takes for "not a time"
        out = [timedelta(microseconds=int(v)) for v in values]
    return out


def _view(values: Array, dtype: str) -> Array:
    return np.ascontiguousarray(values).view(dtype)


def _nones(values: Array, _texts: Sequence[str]) -> list[object]:
    return [None] * len(values)


_LISTS: dict[Kind, Callable[[Array, Sequence[str]], list[Any]]] = {
    "code": _decoded,
    "datetime": _datetimes,
    "date": _dates,
    "timedelta": _timedeltas,
    "none": _nones,
}


def one_from_storage(value: Any, null: bool, type_: Type, texts: Sequence[str]) -> object:
    """One stored value as a Python value (the twin of `to_python`).

    >>> one_from_storage(1, False, Type("code"), ("web", "mobile"))
    'mobile'
    """
    kind = type_.kind
    if null or kind == "none":
        return None
    if kind == "code":
        return texts[value]
    if kind == "datetime":
        return EPOCH + int(value) * _MICROSECOND
    if kind == "date":
        return date.fromordinal(int(value) + EPOCH_DAY)
    if kind == "timedelta":
        return timedelta(microseconds=int(value))
    if kind == "entity":
        return None if value < 0 else Handle(type_.entity or "", int(value))
    if kind in ("str", "object"):
        return value
    return {"bool": bool, "int": int, "float": float}[kind](value)


# ---------------------------------------------------------------- Python → columns


def from_python(values: list[object], type_: Type, texts: Sequence[str]) -> tuple[Array, Array | None]:
    """The storage of Python values: the values, and the mask if the type is optional.

    Raises `TypeError` for a value of another class (an int where a float is stored is converted),
    `OverflowError` for an int that 64 bits do not hold, `ValueError` for a text without a code.

    >>> from_python(["mobile", "web"], Type("code"), ("web", "mobile"))[0].tolist()
    [1, 0]
    """
    kind = type_.kind
    if kind in ("object", "none"):
        return _objects(values), None
    if kind == "entity":
        return np.fromiter((_number(v, kind) for v in values), np.int64, len(values)), None
    nulls: Array | None = None
    classes = set(map(type, values))
    if type_.optional:
        nulls = np.zeros(len(values), np.bool_)
        if type(None) in classes:
            nulls[:] = [v is None for v in values]
            filler = _FILLERS[kind] if kind != "code" else (texts[0] if len(texts) else None)
            values = [filler if v is None else v for v in values]
            classes.discard(type(None))
            if filler is None and nulls.all():  # no text is known at all
                return np.zeros(len(values), np.int32), nulls
    for cls in classes:
        if cls not in _ALLOWED[kind]:
            wrong = next(v for v in values if type(v) is cls)
            raise TypeError(f"expected {_shown(type_)}, got {wrong!r}")
    if kind == "str":
        return _objects(values), nulls
    if kind in ("bool", "int", "float"):
        return np.array(values, dtype_of(type_)), nulls
    numbers = (_number(v, kind, texts) for v in values)
    return np.fromiter(numbers, dtype_of(type_), len(values)), nulls


def one_to_storage(value: Any, type_: Type, texts: Sequence[str]) -> tuple[Any, bool]:
    """One Python value as (stored value, null) (the twin of `from_python`).

    >>> one_to_storage("mobile", Type("code"), ("web", "mobile"))
    (1, False)
    """
    kind = type_.kind
    if kind in ("object", "none"):
        return value, False
    if kind == "entity":
        return _number(value, kind), False
    if value is None and type_.optional:
        return _FILLERS[kind] if kind == "str" else dtype_of(type_).type(0).item(), True
    if type(value) not in _ALLOWED[kind]:
        raise TypeError(f"expected {_shown(type_)}, got {value!r}")
    if kind in ("bool", "str"):
        return value, False
    if kind == "float":
        return float(value), False
    number = _number(value, kind, texts)
    if number not in _INT64:
        raise OverflowError(f"{value!r} does not fit into 64 bits")
    return number, False


_ALLOWED: dict[Kind, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "code": (str,),
    "str": (str,),
    "datetime": (datetime,),
    "date": (date,),
    "timedelta": (timedelta,),
}
_FILLERS: dict[Kind, object] = {
    "bool": False,
    "int": 0,
    "float": 0.0,
    "str": "",
    "datetime": EPOCH,
    "date": EPOCH.date(),
    "timedelta": timedelta(0),
}


def _shown(type_: Type) -> str:
    name = "str" if type_.kind == "code" else type_.kind
    return f"{name} or None" if type_.optional else name


def _objects(values: list[object]) -> Array:
    # Not np.array(values, object): that would take lists of equal length for a matrix.
    return np.fromiter(values, object, len(values))


def _number(value: Any, kind: Kind, texts: Sequence[str] = ()) -> int:
    """The integer that stands for a value of kind int, code, datetime, date, timedelta or entity."""
    if kind == "code":
        code = find_text(texts, value)
        if code is None:
            raise ValueError(f"the text {value!r} has no code")
        return code
    if kind == "datetime":
        if value.tzinfo is not None:
            raise TypeError(f"expected a datetime without a time zone, got {value!r}")
        value = value - EPOCH
    elif kind == "date":
        return int(value.toordinal()) - EPOCH_DAY
    elif kind == "entity":
        if value is None:
            return -1
        if not isinstance(value, Handle):
            raise TypeError(f"expected an entity, got {value!r}")
        return value.number
    elif kind == "int":
        return int(value)
    # Not value // _MICROSECOND, which takes five times as long.
    return int((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds)


# ---------------------------------------------------------------- columns → Arrow


def to_arrow(values: Array, nulls: Array | None, type_: Type, texts: Sequence[str]) -> pa.Array:
    """The column as an Arrow array; ``code`` as a dictionary array over all of ``texts``.

    The dictionary is the same object at each call with the same texts, and does not depend on the
    rows, so that a file has the same bytes however its rows come in chunks.

    Raises `UnicodeEncodeError` for half of a surrogate pair.

    >>> to_arrow(np.array([1, 0]), None, Type("code"), ("web", "mobile")).to_pylist()
    ['mobile', 'web']
    """
    import pyarrow as pa

    from deep_faker.plan import arrow

    kind = type_.kind
    if kind == "code":
        codes = arrow.numbers(values, nulls)
        dictionary, wrong = _dictionary(tuple(texts))
        if wrong is not None:
            for code in set(codes.drop_null().to_pylist()) & wrong.keys():
                raise wrong[code]
        return pa.DictionaryArray.from_arrays(codes, dictionary)
    if kind == "none":
        return pa.nulls(len(values))
    if kind == "date":
        return arrow.numbers(values.astype(np.int32), nulls).view(pa.date32())
    if kind in ("datetime", "timedelta"):
        unit = pa.timestamp("us") if kind == "datetime" else pa.duration("us")
        return arrow.numbers(values, nulls).view(unit)
    if kind == "entity":
        return arrow.numbers(values, values < 0)
    if kind == "str":
        if len(values) > _FEW:
            return pa.array(values, pa.string(), mask=nulls)
        none = np.zeros(len(values), bool) if nulls is None else nulls
        return arrow.texts(None if null else text for text, null in zip(values, none, strict=True))
    if kind == "object":
        return pa.array(values.tolist())
    return arrow.numbers(values, nulls)


@lru_cache(maxsize=8)
def _dictionary(texts: tuple[str, ...]) -> tuple[pa.Array, Mapping[int, UnicodeEncodeError] | None]:
    """The texts, and the codes of those that Arrow does not take: halves of surrogate pairs."""
    from deep_faker.plan import arrow

    try:
        return arrow.texts(texts), None
    except UnicodeEncodeError:
        wrong = {}
        for code, text in enumerate(texts):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                wrong[code] = error
        kept = ["" if code in wrong else text for code, text in enumerate(texts)]
        return arrow.texts(kept), wrong


def from_arrow(column: pa.Array, type_: Type) -> tuple[Array, Array | None]:
    """An Arrow array in the storage of ``type_`` (not ``code``): values and mask of nulls."""
    import pyarrow as pa

    from deep_faker.plan import arrow

    nulls = arrow.values(column.is_null()) if type_.optional else None
    if type_.kind in ("str", "object"):
        values = np.empty(len(column), object)
        values[:] = column.to_pylist()
        return values, nulls
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if type_.kind in ("datetime", "timedelta"):
        column = column.cast(pa.int64())
    elif type_.kind == "date":
        column = column.cast(pa.int32()).cast(pa.int64())
    values = arrow.values(arrow.filled(column, False if type_.kind == "bool" else 0))
    return np.array(values), nulls
