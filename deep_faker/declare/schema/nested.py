"""Nested annotations → what their values are made of: lists, mappings, records, tuples, and scalars within.

It is a pure function of the annotation, so that a column has one type whatever its values are. What has no
fixed structure (``Any``, a union of models, a model that holds itself) has none here, and is written as JSON.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaError, SchemaSerializer, SchemaValidator

from deep_faker.declare.schema.kinds import SCALARS, Schema, Schemas, Shape, shape_of_schema
from deep_faker.declare.schema.scalars import scalar_reader, scalar_writer, written_scalar

Step = Callable[[Any], Any]

_SEQUENCES: Mapping[str, Step] = {
    "list": list,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
}
_MAPPINGS: Mapping[str, Step] = {
    "dict": dict,
    "ordered-dict": collections.OrderedDict,
    "counter": lambda pairs: collections.Counter(dict(pairs)),
}


_TEXTS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


class _NoShapeError(Exception):
    """The values have no fixed structure."""


@dataclass(frozen=True)
class Nested:
    """What the values of an annotation are made of.

    ``kind`` is ``list``, ``map`` (its parts: keys, values), ``struct`` (with the ``names`` of its parts),
    ``tuple`` (whose parts' names are their places), or a scalar's kind, of which ``shape`` says more.
    ``write`` makes of what pydantic dumps what Arrow takes, ``read`` of what Arrow gives the annotation's
    own value; None where it is that already. ``dumped`` says whether pydantic must dump a value first: one
    of plain containers and scalars is written as it is. ``plain``: a list of texts, numbers or booleans.
    """

    kind: str
    parts: tuple[Nested, ...] = ()
    names: tuple[str, ...] = ()
    optional: bool = False
    plain: bool = False
    dumped: bool = False
    shape: Shape | None = None
    write: Step | None = field(default=None, compare=False)
    read: Step | None = field(default=None, compare=False)


def nested_of(schema: Schema, refs: Schemas | None = None) -> Nested | None:
    """The structure that a pydantic core schema describes; None where values have no fixed one.

    >>> found = nested_of(pydantic.TypeAdapter(dict[str, list[int]]).core_schema)
    >>> found.kind, [part.kind for part in found.parts]
    ('map', ['str', 'list'])
    >>> nested_of(pydantic.TypeAdapter(dict[str, Any]).core_schema)
    """
    try:
        nested = _Reader(dict(refs or {})).node(schema)
    except _NoShapeError:
        return None
    return nested if nested.parts else None


class _Reader:
    """Walks one core schema."""

    def __init__(self, refs: dict[str, Schema]) -> None:
        self._refs = refs
        self._open: set[str] = set()  # the definitions that are being read: one within itself has no end

    def node(self, schema: Schema) -> Nested:
        kind = schema["type"]
        if "serialization" in schema:
            return self._serialized(schema)
        if kind == "definitions":
            self._refs.update((each["ref"], each) for each in schema["definitions"])
            return self.node(schema["schema"])
        if kind == "definition-ref":
            return self._referred(schema["schema_ref"])
        if kind == "nullable":
            return _with(self.node(schema["schema"]), optional=True)
        if kind in ("default", "model-field", "function-before", "function-after", "function-wrap"):
            return self.node(schema["schema"])
        if kind in _SEQUENCES:
            return self._sequence(kind, schema)
        if kind in _MAPPINGS:
            return self._mapping(kind, schema)
        if kind == "tuple":
            return self._tuple(schema)
        if kind == "named-tuple":
            items = [self.node(each["schema"]) for each in schema["fields"]]
            return _tuple(items, schema["cls"]._make)
        if kind in ("model", "dataclass", "typed-dict"):
            return self._record(kind, schema)
        if kind in ("json-or-python", "lax-or-strict"):
            return self._validated(schema)
        return self._scalar(schema)

    def _referred(self, name: str) -> Nested:
        if name in self._open:
            raise _NoShapeError
        self._open.add(name)
        nested = self.node(self._refs[name])
        self._open.discard(name)
        return nested

    def _serialized(self, schema: Schema) -> Nested:
        """What a serializer of the user's own returns, where it says what that is."""
        how = schema["serialization"]
        bare = {key: value for key, value in schema.items() if key != "serialization"}
        function = how.get("function")
        if _is_pydantics(function):
            if isinstance(getattr(function, "__self__", None), (pydantic.EncodedBytes, pydantic.EncodedStr)):
                # what pydantic dumps is encoded already: base64 of base64 would be another value
                return _with(self._as_json(schema), dumped=True, write=_decoded)
            return self._structured(bare) or self._as_json(schema)
        if how.get("when_used", "always") not in ("always", "unless-none") or "return_schema" not in how:
            raise _NoShapeError  # in JSON only, or of any type
        return _with(self.node(how["return_schema"]), optional=True, dumped=True, read=None)

    def _sequence(self, kind: str, schema: Schema) -> Nested:
        item = self.node(schema.get("items_schema", {"type": "any"}))
        hashed = kind in ("set", "frozenset")
        if hashed and item.dumped:
            raise _NoShapeError  # a set of models: pydantic dumps it as JSON only
        make, read, write = _SEQUENCES[kind], item.read, item.write

        def written(values: Collection[object]) -> list[object]:
            items = list(values) if write is None else [_do(write, value) for value in values]
            return in_order(items) if hashed else items

        def own(values: list[object]) -> object:
            return make(values if read is None else [_do(read, value) for value in values])

        same = make is list and read is None
        return Nested(
            "list",
            (item,),
            plain=kind == "list" and item.plain,
            dumped=item.dumped,
            write=None if make is list and write is None else written,
            read=None if same else own,
        )

    def _mapping(self, kind: str, schema: Schema) -> Nested:
        key = self.node(schema.get("keys_schema", {"type": "any"}))
        value = self.node(schema.get("values_schema", {"type": "int" if kind == "counter" else "any"}))
        if key.parts or key.optional:
            raise _NoShapeError  # JSON writes these as a text of its own
        make = _MAPPINGS[kind]

        def written(values: Mapping[object, object]) -> list[object]:
            return [(_do(key.write, each), _do(value.write, item)) for each, item in values.items()]

        def own(pairs: Iterable[tuple[object, object]]) -> object:
            return make([(_do(key.read, each), _do(value.read, item)) for each, item in pairs])

        return Nested("map", (key, value), dumped=key.dumped or value.dumped, write=written, read=own)

    def _tuple(self, schema: Schema) -> Nested:
        items = [self.node(each) for each in schema["items_schema"]]
        if "variadic_item_index" not in schema:
            return _tuple(items, tuple)
        if len(items) > 1:
            raise _NoShapeError  # of any length, and of several types
        listed = self._sequence("list", {"items_schema": schema["items_schema"][0]})
        write, read = listed.write, listed.read
        return _with(
            listed,
            plain=False,
            write=list if write is None else write,
            read=lambda values: tuple(values if read is None else read(values)),
        )

    def _record(self, kind: str, schema: Schema) -> Nested:
        """A model, a dataclass or a TypedDict."""
        if schema.get("root_model"):
            return self._root(schema)
        inner = schema if kind == "typed-dict" else self._fields_of(schema["schema"])
        config = schema.get("config") or {}
        if "allow" in (inner.get("extra_behavior"), config.get("extra_fields_behavior")) or json_ways(config):
            raise _NoShapeError
        aliased = config.get("serialize_by_alias", False)
        fields: dict[str, tuple[str, Nested]] = {}
        for name, each in _fields(inner):
            if each.get("serialization_exclude") or each.get("init_only"):
                continue
            if each.get("required") is False or "serialization_exclude_if" in each:
                raise _NoShapeError  # sometimes there, sometimes not
            written = each.get("serialization_alias", name) if aliased else name
            fields[name] = written, self.node(each["schema"])
        computed = {
            (aliased and each.get("alias")) or each["property_name"]: self.node(each["return_schema"])
            for each in inner.get("computed_fields", ())
        }
        parts = {**dict(fields.values()), **computed}
        if not parts or len(parts) < len(fields) + len(computed) or [*parts] == _places(len(parts)):
            raise _NoShapeError
        read_fields = tuple((name, written, part.read) for name, (written, part) in fields.items())
        writes = tuple((name, part.write) for name, part in parts.items())

        def write(value: Mapping[str, object]) -> dict[str, object]:
            return {name: _do(step, value[name]) for name, step in writes}

        # its own __post_init__ makes what is no field
        made_by = self._validator(schema) if kind == "dataclass" and schema.get("post_init") else None
        make = made_by or _maker(kind, schema.get("cls"))

        def read(value: dict[str, object]) -> object:
            return make({name: _do(step, value[written]) for name, written, step in read_fields})

        return Nested("struct", tuple(parts.values()), tuple(parts), dumped=True, write=write, read=read)

    def _root(self, schema: Schema) -> Nested:
        """A model that is one value."""
        inner, cls = self.node(schema["schema"]), schema["cls"]
        read = inner.read
        return _with(
            inner, plain=False, dumped=True, read=lambda value: cls.model_construct(_do(read, value))
        )

    def _fields_of(self, schema: Schema) -> Schema:
        """The schema of a model's fields, within its validators."""
        while schema["type"] not in ("model-fields", "dataclass-args"):
            if "schema" not in schema or "serialization" in schema:
                raise _NoShapeError
            if schema["type"] == "definitions":
                self._refs.update((each["ref"], each) for each in schema["definitions"])
            schema = schema["schema"]
        return schema

    def _validated(self, schema: Schema) -> Nested:
        """A type that pydantic has a validator for: a ``Sequence``, a ``defaultdict``, an address."""
        nested = self._structured(schema.get("json_schema") or schema["lax_schema"])
        if nested is None:
            return self._as_json(schema)
        read, validate = nested.read, self._validator(schema)
        return _with(nested, plain=False, read=lambda value: validate(_do(read, value)))

    def _structured(self, schema: Schema) -> Nested | None:
        try:
            nested = self.node(schema)
        except _NoShapeError:
            return None
        return nested if nested.parts else None

    def _scalar(self, schema: Schema) -> Nested:
        if schema["type"] not in (*SCALARS, "literal", "enum") or schema["type"] == "bytes":
            return self._as_json(schema)
        shape = shape_of_schema(schema, None, self._refs)
        if shape.kind not in SCALARS:
            raise _NoShapeError
        aware = schema.get("tz_constraint") == "aware"
        # a Decimal of more digits than a column has is text
        text = shape.kind == "decimal" and shape.digits is None
        bare = shape.enum is None and shape.literal is None
        return Nested(
            shape.kind,
            optional=shape.optional,
            plain=bare and not shape.optional and shape.kind in ("str", "int", "float", "bool"),
            shape=shape,
            write=_text if text else scalar_writer(shape.kind, shape.enum),
            read=scalar_reader(shape.kind, shape.enum, aware=aware),
        )

    def _as_json(self, schema: Schema) -> Nested:
        """A type of pydantic's that JSON has as one text or number: an address, a path, a secret."""
        if schema["type"] in ("any", "union", "tagged-union", "generator"):
            raise _NoShapeError
        whole = self._whole(schema)
        try:
            described = GenerateJsonSchema().generate(whole, mode="serialization")
            kind = _TEXTS[str(described.get("type"))]
            serializer = SchemaSerializer(whole)
        except (pydantic.errors.PydanticUserError, SchemaError, KeyError):
            raise _NoShapeError from None
        return Nested(
            kind,
            write=lambda value: serializer.to_python(value, mode="json", warnings=False),
            read=self._validator(schema),
        )

    def _whole(self, schema: Schema) -> Any:
        """The schema with all that it refers to, as pydantic takes it."""
        return {"type": "definitions", "schema": schema, "definitions": list(self._refs.values())}

    def _validator(self, schema: Schema) -> Step:
        validator = SchemaValidator(self._whole(schema))
        return validator.validate_python


def json_ways(config: Schema) -> dict[str, object]:
    """The settings that give values in JSON a form of their own: they are heeded where JSON is made.

    >>> json_ways({"ser_json_bytes": "base64", "ser_json_timedelta": "iso8601", "frozen": True})
    {'ser_json_bytes': 'base64'}
    """
    usual = {"ser_json_bytes": "utf8", "ser_json_timedelta": "iso8601", "ser_json_temporal": "iso8601",
             "ser_json_inf_nan": "null", "val_json_bytes": "utf8"}  # fmt: skip
    return {key: config[key] for key, value in usual.items() if config.get(key, value) not in (value, None)}


def in_order(values: list[object]) -> list[object]:
    """The elements of a set in an order of their own, None last: a set's is the process's.

    >>> in_order([10, None, 9]), in_order(["b", 1])
    ([9, 10, None], ['b', 1])
    """
    try:
        return sorted(values, key=lambda value: (value is None, value))
    except TypeError:
        return sorted(values, key=repr)


def _text(value: object) -> str:
    return str(written_scalar(value))


def _do(step: Step | None, value: object) -> object:
    return value if step is None or value is None else step(value)


def _with(node: Nested, **changes: object) -> Nested:
    return Nested(**{**node.__dict__, **changes})


def _places(count: int) -> list[str]:
    """The names of a tuple's parts: numbers, which tell it from a record wherever only the type is known."""
    return [str(place) for place in range(count)]


def _tuple(items: list[Nested], make: Step) -> Nested:
    """A tuple of fixed length: a list where all its parts are of one type, else a record by place."""
    if not items:
        raise _NoShapeError
    dumped = any(item.dumped for item in items)
    writes, reads = [item.write for item in items], [item.read for item in items]
    if all(item == items[0] for item in items):
        return Nested(
            "list",
            (items[0],),
            dumped=dumped,
            write=lambda values: [_do(step, value) for step, value in zip(writes, values, strict=True)],
            read=lambda values: make([_do(step, value) for step, value in zip(reads, values, strict=True)]),
        )
    names = tuple(_places(len(items)))
    return Nested(
        "tuple",
        tuple(items),
        names,
        dumped=dumped,
        write=lambda values: {
            name: _do(step, value) for name, step, value in zip(names, writes, values, strict=True)
        },
        read=lambda value: make([_do(step, value[name]) for name, step in zip(names, reads, strict=True)]),
    )


def _fields(inner: Schema) -> Iterator[tuple[str, Schema]]:
    fields = inner["fields"]
    if isinstance(fields, Mapping):
        yield from fields.items()
    else:
        yield from ((each["name"], each) for each in fields)


def _maker(kind: str, cls: Any) -> Callable[[dict[str, object]], object]:
    """What makes an object of its fields, which are valid: no validator runs a second time."""
    if kind == "typed-dict":
        return dict
    if kind == "model":
        keywords = {name: keyword(name, info) for name, info in cls.model_fields.items()}
        return lambda values: cls.model_construct(**{keywords[name]: value for name, value in values.items()})

    def made(values: dict[str, object]) -> object:
        instance = object.__new__(cls)
        for name, value in values.items():
            object.__setattr__(instance, name, value)  # frozen, or with slots
        return instance

    return made


def keyword(name: str, info: pydantic.fields.FieldInfo) -> str:
    """The keyword by which ``model_construct`` takes a field."""
    alias = info.validation_alias or info.alias
    return alias if isinstance(alias, str) else name


def _decoded(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


def _is_pydantics(function: object) -> bool:
    """Whether a serializer is one that pydantic gives a type of its own."""
    function = getattr(function, "func", function)
    return str(getattr(function, "__module__", "")).partition(".")[0] == "pydantic"
