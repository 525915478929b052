"""Values that are composed of others by templates: texts, lists and dicts of drawn pieces, by column.

A template is what running a method of Faker's gave (`faked`).  Templates that differ in their fixed texts
only are one form, whose texts are drawn; each form is made for the rows that have drawn it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.conversion import json_text
from deep_faker.draws import I64, below, mix
from deep_faker.providers.base import Place, Rows, Values
from deep_faker.providers.choices import arrow_values, kind_of
from deep_faker.providers.explored import Built, Joined, Made, nodes_in
from deep_faker.providers.grammar import NotAGrammarError
from deep_faker.providers.opaque import CallNode, Step, taken
from deep_faker.providers.recorded import Rounded, float_texts
from deep_faker.providers.symbolic import Node
from deep_faker.providers.tables import Alias
from deep_faker.providers.texts import Tables, Texts

MakeValues = Callable[[CallNode, Place], Values]
_MOST_FORMS = 400
_JSON: Step = ("to json", None)  # a whole value as JSON; the step "json" escapes a text only
_INNER: Step = ("in json", None)  # a text inside of a JSON text
_OF_DAY = frozenset("YmdyaAbBjUWwuGVxCeDFh%")  # directives that depend on the day only


@dataclass(eq=False)
class _Form:
    """Templates of the same pieces: ``fixed[i]`` are the texts before piece ``i``, one for each template."""

    nodes: list[tuple[Node, tuple[Step, ...]]]
    fixed: list[list[str]] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


class Composite(Values):
    """One of some templates, each in proportion to its chance, with its pieces drawn."""

    def __init__(self, place: Place, made: Sequence[Made], make: MakeValues) -> None:
        super().__init__(place)
        self._nodes = _Nodes(place, make)
        self.kind = _kind([each.value for each in made])
        self._templates = Alias([each.chance for each in made])
        self._forms: list[_Form] = []
        self._form_of, self._variant = np.zeros((2, len(made)), np.int64)
        seen: dict[Any, int] = {}
        for number, each in enumerate(made):
            fixed, nodes = _cut(each.value, as_json=self.kind == "json")
            key = tuple((self._nodes.name(node), steps) for node, steps in nodes)
            at = seen.setdefault(key, len(seen))
            if at == len(self._forms):
                self._forms.append(_Form(nodes, [[] for _ in fixed]))
            form = self._forms[at]
            self._form_of[number], self._variant[number] = at, len(form.values)
            form.values.append(each.value)
            for texts, text in zip(form.fixed, fixed, strict=True):
                texts.append(text)
        if len(self._forms) > _MOST_FORMS:
            raise NotAGrammarError(f"{len(self._forms)} forms")
        for form in self._forms:
            for node, _ in form.nodes:
                self._nodes.prepare(node)
        self.detail = self._nodes.detail

    def _split(self, rows: Rows) -> Iterator[tuple[_Form, I64, Rows, I64]]:
        """Each form with the positions of its rows, the rows, and the number of each row's template."""
        drawn = self._templates.indices(self._draw(rows))
        forms, variants = self._form_of[drawn], self._variant[drawn]
        for number, form in enumerate(self._forms):
            own = np.flatnonzero(forms == number)
            if len(own):
                yield form, own, Rows(rows.flow[own], rows.action[own], rows.clock[own]), variants[own]

    def column(self, rows: Rows) -> pa.Array:
        """Form by form, in the order of the rows again."""
        parts, places = [], []
        for form, own, some, variants in self._split(rows):
            parts.append(self._column(form, some, variants))
            places.append(own)
        if not parts:
            return arrow_values([], self.kind)
        if len(parts) == 1:
            return parts[0]
        return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(places), kind="stable")))

    def _column(self, form: _Form, rows: Rows, variants: I64) -> pa.Array:
        if self.kind not in ("str", "json"):
            return arrow_values(self._objects(form, rows, variants), self.kind)
        arrays: list[Any] = []
        for at, texts in enumerate(form.fixed):
            if any(texts):
                arrays.append(
                    pa.scalar(texts[0]) if len(texts) == 1 else pa.array(texts).take(pa.array(variants))
                )
            if at < len(form.nodes):
                node, steps = form.nodes[at]
                arrays.append(self._nodes.texts(node, steps, rows))
        if not any(isinstance(each, pa.Array) for each in arrays):
            arrays.append(pa.repeat(pa.scalar(""), len(rows)))
        return pc.binary_join_element_wise(*arrays, "")

    def column_objects(self, rows: Rows) -> list[Any]:
        """The values as Python objects, with tuples and decimals as they are."""
        if self.kind == "str":
            return list(self.column(rows).to_pylist())
        out: list[Any] = [None] * len(rows)
        for form, own, some, variants in self._split(rows):
            for place, value in zip(own.tolist(), self._objects(form, some, variants), strict=True):
                out[place] = value
        return out

    def _objects(self, form: _Form, rows: Rows, variants: I64) -> list[Any]:
        columns = [
            self._nodes.texts(node, (), rows).to_pylist()
            if steps == (_INNER,)
            else self._nodes.objects(node, rows)
            for node, steps in form.nodes
        ]
        made = zip(*columns, strict=True) if columns else iter([()] * len(rows))
        return [
            _filled(form.values[variant], iter(row))
            for variant, row in zip(variants.tolist(), made, strict=True)
        ]


class _Nodes:
    """What makes the pieces of a composite, by the piece."""

    def __init__(self, place: Place, make: MakeValues) -> None:
        self._place, self._make = place, make
        self._made: dict[Any, Any] = {}

    @property
    def detail(self) -> str:
        """What is to be said of the pieces."""
        return ", ".join(dict.fromkeys(each.detail for each in self._made.values() if each.detail))

    @staticmethod
    def name(node: Node) -> Any:
        """The same for pieces that are drawn alike."""
        if isinstance(node, CallNode):
            return (node.draw, node.name, repr(node.arguments), node.steps)
        if node.grammar is not None:
            return (node.draw, node.part, node.grammar.alternatives)
        if node.values is None:
            return (node.draw, node.bounds, node.digits)
        values = node.values if isinstance(node.values, range) else tuple(node.values)
        return (node.draw, node.part, values, node.weights)

    def _drawn(self, node: Node) -> Any:
        if isinstance(node, CallNode):
            return (node.draw, node.name, repr(node.arguments))
        return self.name(node)

    def prepare(self, node: Node) -> None:
        """Make what makes a piece."""
        key = self._drawn(node)
        if key in self._made:
            return
        purpose = (*self._place.purpose, "part", str(node.draw), str(node.part))
        place = Place(self._place.draws, purpose, self._place.start_micros, self._place.span)
        if isinstance(node, CallNode):
            self._made[key] = self._make(node, place)
        elif node.grammar is not None:
            self._made[key] = Texts(place, Tables(node.grammar))
        elif node.values is None:
            assert node.bounds is not None
            self._made[key] = Rounded(place, *node.bounds, node.digits)
        else:
            self._made[key] = _Chosen(place, node)

    def texts(self, node: Node, steps: tuple[Step, ...], rows: Rows) -> pa.Array:
        """The pieces of rows as text after the steps."""
        made = self._made[self._drawn(node)]
        if isinstance(made, _Chosen):
            return made.texts(steps, rows)
        own = node.steps if isinstance(node, CallNode) else ()
        array, kind = made.column(rows), made.kind
        for step in (*own, *steps):
            array, kind = _stepped(made, rows, array, kind, step)
        return _plain(array if kind == "str" else texts_of(made, rows, array, kind))

    def objects(self, node: Node, rows: Rows) -> list[Any]:
        """The pieces of rows as Python objects."""
        made = self._made[self._drawn(node)]
        if isinstance(made, _Chosen):
            return made.objects(rows)
        if isinstance(node, CallNode) and node.steps:
            return list(self.texts(node, (), rows).to_pylist())
        return objects_of(made, rows)


class _Chosen:
    """One of the values of a draw."""

    detail = ""

    def __init__(self, place: Place, node: Node) -> None:
        assert node.values is not None
        self._key = place.key()
        self._values = node.values
        self._table = None if node.weights is None else Alias(node.weights)
        self._texts: dict[tuple[Step, ...], pa.Array] = {}

    def _indices(self, rows: Rows) -> I64:
        draw = mix(self._key, rows.flow, rows.action)
        if self._table is not None:
            return self._table.indices(draw)
        return below(draw, len(self._values)).view(np.int64)

    def texts(self, steps: tuple[Step, ...], rows: Rows) -> pa.Array:
        if isinstance(self._values, range):  # numbers: no step changes them
            numbers = self._indices(rows) + np.int64(self._values[0])
            return pa.array(numbers).cast(pa.string())
        if steps not in self._texts:
            values = self._values
            for step in steps:
                values = [_taken(step, value) for value in values]
            self._texts[steps] = pa.array(list(map(str, values)), pa.string())
        return self._texts[steps].take(pa.array(self._indices(rows)))

    def objects(self, rows: Rows) -> list[Any]:
        return [self._values[at] for at in self._indices(rows).tolist()]


def _taken(step: Step, value: Any) -> Any:
    if step in (_JSON, _INNER):
        return json_text(value) if step == _JSON else json_text(str(value))[1:-1]
    return taken(step, value)


# ---------------------------------------------------------------- templates


def _kind(values: Sequence[Any]) -> str:
    kinds = {_kind_of_template(value) for value in values}
    if len(kinds) != 1:
        raise NotAGrammarError(f"values of several types: {kinds}")
    return kinds.pop()


def _kind_of_template(value: Any) -> str:
    match value:
        case Joined():
            return "str"
        case CallNode(steps=()):
            return value.kind
        case Node():
            if value.grammar is not None or isinstance(value, CallNode):
                return "str"
            return "float" if value.values is None else kind_of(list(value.values[:1000]))
        case Built():
            raise NotAGrammarError("objects that are built of texts")
        case list() | tuple() | dict():
            return "json"
    return kind_of([value])


def _cut(value: Any, *, as_json: bool) -> tuple[list[str], list[tuple[Node, tuple[Step, ...]]]]:
    """A template as the texts between its pieces, and the pieces with the steps that make them a text."""
    fixed, nodes = [""], []
    grammars: dict[tuple[int, int], Any] = {}
    for piece in _json_pieces(value) if as_json else _text_pieces(value):
        if isinstance(piece, str):
            fixed[-1] += piece
        else:
            node = piece[0]
            if node.grammar is not None and grammars.setdefault((node.draw, node.part), node) is not node:
                raise NotAGrammarError("one number in two forms")
            nodes.append(piece)
            fixed.append("")
    return fixed, nodes


def _text_pieces(value: Any) -> Iterator[str | tuple[Node, tuple[Step, ...]]]:
    for piece in value.pieces if isinstance(value, Joined) else [value]:
        yield (piece, ()) if isinstance(piece, Node) else str(piece)


def _json_pieces(value: Any) -> Iterator[str | tuple[Node, tuple[Step, ...]]]:
    match value:
        case Joined(pieces):
            yield '"'
            for piece in pieces:
                yield json_text(piece)[1:-1] if isinstance(piece, str) else (piece, (_INNER,))
            yield '"'
        case Node():
            yield value, (_JSON,)
        case list() | tuple():
            yield "["
            for at, item in enumerate(value):
                yield from (", " if at else "", *_json_pieces(item))
            yield "]"
        case dict():
            yield "{"
            for at, (key, item) in enumerate(value.items()):
                if not isinstance(key, str):
                    raise NotAGrammarError("keys that are not texts")
                yield from (", " if at else "", f"{json_text(key)}: ", *_json_pieces(item))
            yield "}"
        case Built():
            raise NotAGrammarError("objects that are built of texts")
        case _:
            yield json_text(value)


def _filled(value: Any, row: Iterator[Any]) -> Any:
    """A template with its pieces in their places."""
    match value:
        case Node():
            return next(row)
        case Joined(pieces):
            return "".join(piece if isinstance(piece, str) else str(next(row)) for piece in pieces)
        case list() | tuple():
            return type(value)([_filled(item, row) for item in value])
        case dict():
            return {key: _filled(item, row) for key, item in value.items()}
    return value


def drawn_in(made: Sequence[Made]) -> bool:
    """Whether other methods are pieces of a template, or a draw is in one twice."""
    for each in made:
        nodes = nodes_in(each.value)
        draws = [(node.draw, node.part) for node in nodes]
        if len(set(draws)) < len(draws) or any(isinstance(node, CallNode) for node in nodes):
            return True
    return False


# ---------------------------------------------------------------- texts of columns


def objects_of(made: Values, rows: Rows) -> list[Any]:
    """The values as the objects that they stand for."""
    values = made.column_objects(rows)
    if made.kind == "decimal":
        return [Decimal(value) if isinstance(value, str) else value for value in values]
    return (
        [UUID(value) if isinstance(value, str) else value for value in values]
        if made.kind == "uuid"
        else values
    )


def texts_of(made: Values, rows: Rows, array: pa.Array, kind: str) -> pa.Array:
    """``str`` of a column's values."""
    match kind:
        case "str" | "decimal" | "uuid":
            return _plain(array)
        case "int" | "date":
            return _plain(array).cast(pa.string())
        case "float":
            return float_texts(array.to_numpy(zero_copy_only=False))
        case "bool":
            return pc.if_else(array, "True", "False")
        case "datetime":
            return pc.replace_substring_regex(array.cast(pa.string()), r"\.000000$", "")
    return pa.array([str(value) for value in objects_of(made, rows)], pa.string())


def json_of(made: Values, rows: Rows, array: pa.Array, kind: str) -> pa.Array:
    """A column's values as JSON."""
    match kind:
        case "json":
            return _plain(array)
        case "int" | "float":
            return texts_of(made, rows, array, kind)
        case "bool":
            return pc.if_else(array, "true", "false")
    text = texts_of(made, rows, array, kind)
    return pc.binary_join_element_wise('"', in_json(text), '"', "")


def in_json(texts: pa.Array) -> pa.Array:
    """Texts as they stand in a JSON text."""
    return _where(texts, r'[\x00-\x1f"\\]', lambda text: json_text(text)[1:-1])


def _where(texts: pa.Array, pattern: str, function: Callable[[str], str]) -> pa.Array:
    """``function`` of the texts in which a pattern is: they are few as a rule."""
    found = pc.match_substring_regex(texts, pattern)
    if not pc.any(found).as_py():
        return texts
    some = texts.filter(found).dictionary_encode()
    made = pa.array([function(text) for text in some.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(texts, found, made.take(some.indices))


def _stepped(made: Values, rows: Rows, array: pa.Array, kind: str, step: Step) -> tuple[pa.Array, str]:
    match step:
        case ("text", _):
            return texts_of(made, rows, array, kind), "str"
        case ("to json", _):
            return json_of(made, rows, array, kind), "str"
        case ("in json", _):
            return in_json(texts_of(made, rows, array, kind)), "str"
        case ("json", _):
            plain = texts_of(made, rows, array, kind)
            return _where(plain, r'[^\x20-\x7e]|["\\]', lambda text: json.dumps(text)[1:-1]), "str"
        case ("format" | "strftime", form) if set(re.findall("%(.)", form)) <= _OF_DAY:
            days = array.cast(pa.date32()) if kind == "date" else _days(array)
            some = days.dictionary_encode()
            texts = [dt.date.strftime(day, form) for day in some.dictionary.to_pylist()]
            return pa.array(texts, pa.string()).take(some.indices), "str"
        case ("replace", (old, new)):
            return pc.replace_substring(texts_of(made, rows, array, kind), old, new), "str"
    values = texts_of(made, rows, array, kind).to_pylist() if kind == "str" else objects_of(made, rows)
    return pa.array([taken(step, value) for value in values], pa.string()), "str"


def _days(array: pa.Array) -> pa.Array:
    return pc.floor_temporal(array, unit="day").cast(pa.date32())


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array
