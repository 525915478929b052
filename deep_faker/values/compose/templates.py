"""Values that are composed of others by templates: texts, lists and dicts of drawn pieces, by column.

A template is what running a method of Faker's gave (`faker`).  Templates that differ in their fixed texts
only are one form, whose texts are drawn.  A row is the positions of its pieces in one table of all pieces
of all forms, so that the texts of all rows are gathered at once, in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import I64, mix
from deep_faker.plan.conversion import json_text
from deep_faker.values.base import Place, Rows, Values
from deep_faker.values.choices import arrow_values, kind_of
from deep_faker.values.compose.as_text import INNER, JSON
from deep_faker.values.compose.layout import Builder, Drawing, MadeTexts, Part, Positions, Source, TableKey
from deep_faker.values.compose.piece import MakeValues, Nodes, Path
from deep_faker.values.explore.marks import Node
from deep_faker.values.explore.methods import CallNode, Step
from deep_faker.values.explore.recorder import Built, Joined, Made, nodes_in
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.columns import Tables
from deep_faker.values.text.grammar import NotAGrammarError
from deep_faker.values.text.prose import gathered_rows

_MOST_FORMS = 400
_MOST_TEMPLATES = 2_000  # with those of the composites in them
_PIECES = 98_304  # of one gather: they stay in the second-level cache
_FEWEST_ROWS = 4096  # of a gather: what is drawn for each column takes as long for a few
_ROWS_OF_FORM = 500  # at least, on the average: a form costs the same for a few rows
_BYTES_OF_ROW = 100  # of the tables that are copied for each gather
_Part = tuple[Path, Node, tuple[Step, ...]]


@dataclass(eq=False)
class _Template:
    """A chance, the texts between the pieces, the pieces with their steps, and what it was cut from."""

    chance: float
    fixed: list[str]
    parts: list[_Part]
    value: object


@dataclass(eq=False)
class _Form:
    """Templates of the same pieces: ``fixed[i]`` are the texts before piece ``i``, one for each template."""

    parts: list[_Part]
    fixed: list[list[str]] = field(default_factory=list)
    values: list[object] = field(default_factory=list)
    columns: list[Part] = field(default_factory=list)
    drawing: Drawing | None = None


class Composite(Values):
    """One of some templates, each in proportion to its chance, with its pieces drawn."""

    def __init__(self, place: Place, ways: Sequence[Made], make: MakeValues) -> None:
        super().__init__(place)
        self._nodes = Nodes(place, make)
        self._forms: list[_Form] = []
        self.kind = _kind([each.value for each in ways])
        self.templates = [template for each in ways for template in self._cut(each)]
        self._form_all()
        if len(self.templates) > _MOST_TEMPLATES or len(self._forms) > _MOST_FORMS:
            self.templates = [_template(each, as_json=self.kind == "json") for each in ways]
            self._form_all()
        if len(self._forms) > _MOST_FORMS:
            raise NotAGrammarError(f"{len(self._forms)} forms")
        self._table = Alias([template.chance for template in self.templates])
        for form in self._forms:
            for part in form.parts:
                self._nodes.prepare(*part)
        self.detail = self._nodes.detail
        self._build()

    def _form_all(self) -> None:
        """The forms of all templates, and which form and which of its templates each one is."""
        self._forms = []
        self._form_of, self._variant = np.zeros((2, len(self.templates)), np.int64)
        seen: dict[tuple[object, ...], int] = {}
        for number, template in enumerate(self.templates):
            key = tuple((path, self._nodes.name(node), steps) for path, node, steps in template.parts)
            at = seen.setdefault(key, len(seen))
            if at == len(self._forms):
                self._forms.append(_Form(template.parts, [[] for _ in template.fixed]))
            form = self._forms[at]
            self._form_of[number], self._variant[number] = at, len(form.values)
            form.values.append(template.value)
            for texts, text in zip(form.fixed, template.fixed, strict=True):
                texts.append(text)

    def _cut(self, each: Made) -> Iterator[_Template]:
        """The template, or one for each of those of the composites in it."""
        first = _template(each, as_json=self.kind == "json")
        waiting, count = [first], 0
        while waiting:
            template = waiting.pop()
            at = self._nested(template) if self.kind == "str" and count < _MOST_TEMPLATES else None
            if at is None:
                count += 1
                yield template
            else:
                waiting += self._unfolded(template, at)

    def _nested(self, template: _Template) -> int | None:
        """The first piece that is a composite which may be unfolded."""
        calls = [(path, node.draw) for path, node, _ in template.parts]
        for at, (path, node, steps) in enumerate(template.parts):
            if isinstance(node, CallNode) and not (node.steps or steps) and calls.count(calls[at]) == 1:
                self._nodes.prepare(path, node, steps)
                provider = self._nodes.provider(path, node)
                if isinstance(provider, Composite) and provider.kind == "str":
                    return at
        return None

    def _unfolded(self, template: _Template, at: int) -> list[_Template]:
        path, node, _ = template.parts[at]
        inside = (*path, node.draw)
        composite = self._nodes.provider(path, node)
        assert isinstance(composite, Composite), "what is nested"
        out = []
        for inner in composite.templates[::-1]:
            fixed = [*template.fixed[:at], template.fixed[at] + inner.fixed[0], *inner.fixed[1:]]
            fixed[-1] += template.fixed[at + 1]
            parts = [((*inside, *under), part, steps) for under, part, steps in inner.parts]
            parts = [*template.parts[:at], *parts, *template.parts[at + 1 :]]
            chance = template.chance * inner.chance
            out.append(_Template(chance, [*fixed, *template.fixed[at + 2 :]], parts, template.value))
        return out

    def _build(self) -> None:
        """The parts of all forms and the table of their pieces."""
        tables: dict[TableKey, Tables] = {}
        pieces: list[pa.Array] = []
        bases: dict[int, int] = {}
        size = 0
        for form in self._forms:
            builder, variants = Builder(tables), Source(range(len(form.values)))
            for at, texts in enumerate(form.fixed):
                if len(set(texts)) == 1:
                    builder.fixed(texts[0])
                else:
                    builder.chosen(variants, texts)
                if at < len(form.parts):
                    self._nodes.write(builder, *form.parts[at])
            form.columns = builder.done()
            form.drawing = Drawing(variants, form.columns)
            for part in form.columns:
                table = part.pieces
                if table is not None and id(table) not in bases:
                    bases[id(table)] = size
                    pieces.append(table)
                    size += len(table)
                part.base = 0 if table is None else bases[id(table)]
        self._pieces = pa.concat_arrays(pieces) if pieces else pa.array([], pa.string())
        widths = [sum(part.width for part in form.columns) for form in self._forms]
        self._widths = np.array(widths, np.int64)
        self._made_anew = any(isinstance(part, MadeTexts) for form in self._forms for part in form.columns)
        copied = self._pieces.nbytes // _BYTES_OF_ROW if self._made_anew else 0
        self._rows = max(_FEWEST_ROWS, _PIECES // max(widths), _ROWS_OF_FORM * len(self._forms), copied)

    # ---------------------------------------------------------------- texts

    def column(self, rows: Rows) -> pa.Array:
        """The values, some rows at a time."""
        if self.kind not in ("str", "json"):
            return arrow_values(self.column_objects(rows), self.kind)
        parts = [
            self._block(Rows(rows.flow[at:end], rows.action[at:end], rows.clock[at:end]))
            for at in range(0, len(rows), self._rows)
            for end in [at + self._rows]
        ]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], pa.string())])

    def _block(self, rows: Rows) -> pa.Array:
        blocks = list(self._split(rows))
        if len(blocks) == 1:
            ends = np.arange(1, len(rows) + 1) * self._widths[blocks[0][0]]
        else:
            widths = np.empty(len(rows), np.int64)
            for number, own, _, _ in blocks:
                widths[own] = self._widths[number]
            ends = np.cumsum(widths)
        index = np.empty(int(ends[-1]), np.int32)
        most = max(form.drawing.draws for form in self._forms if form.drawing is not None)
        shared = [mix(self.place.key("draw", at), rows.flow, rows.action) for at in range(most)]
        tables, size = [self._pieces], len(self._pieces)
        for number, own, some, variants in blocks:
            form, width = self._forms[number], int(self._widths[number])
            assert form.drawing is not None
            draws = [draw if len(blocks) == 1 else draw.take(own) for draw in shared[: form.drawing.draws]]
            drawn = form.drawing.drawn(some, variants, draws)
            columns = [column for part in form.columns for column in part.columns(some, drawn)]
            begins = ends.take(own) - width
            positions: Positions | int
            for at, column in enumerate(columns):
                if isinstance(column, pa.Array):
                    tables.append(column)
                    positions = np.arange(size, size + len(own))
                    size += len(own)
                else:
                    positions = column
                if len(blocks) == 1:
                    index[at::width] = positions
                else:
                    index[begins + at] = positions
        return gathered_rows(tables[0] if len(tables) == 1 else pa.concat_arrays(tables), index, ends)

    def _split(self, rows: Rows) -> Iterator[tuple[int, I64, Rows, I64]]:
        """Each form that is drawn, the positions of its rows, the rows, and each row's template."""
        if len(self.templates) == 1:
            yield 0, np.arange(len(rows)), rows, np.zeros(len(rows), np.int64)
            return
        drawn = self._table.indices(self._draw(rows))
        forms, variants = self._form_of[drawn], self._variant[drawn]
        order = np.argsort(forms.astype(np.int16), kind="stable")
        end = 0
        for number, count in enumerate(np.bincount(forms, minlength=len(self._forms)).tolist()):
            own, end = order[end : end + count], end + count
            if count:
                yield number, own, Rows(rows.flow[own], rows.action[own], rows.clock[own]), variants[own]

    # ---------------------------------------------------------------- objects

    def column_objects(self, rows: Rows) -> list[object]:
        """The values as Python objects, with tuples and decimals as they are."""
        if self.kind == "str":
            return list(self.column(rows).to_pylist())
        out: list[object] = [None] * len(rows)
        for number, own, some, variants in self._split(rows) if len(rows) else ():
            form = self._forms[number]
            for place, value in zip(own.tolist(), self._objects(form, some, variants), strict=True):
                out[place] = value
        return out

    def _objects(self, form: _Form, rows: Rows, variants: I64) -> list[object]:
        assert form.drawing is not None
        draws = [mix(self.place.key("draw", at), rows.flow, rows.action) for at in range(form.drawing.draws)]
        drawn = form.drawing.all_of(rows, variants, draws)
        columns = [self._nodes.objects(*part, rows, drawn) for part in form.parts]
        rows_of_pieces = zip(*columns, strict=True) if columns else iter([()] * len(rows))
        return [
            _filled(form.values[variant], iter(row))
            for variant, row in zip(variants.tolist(), rows_of_pieces, strict=True)
        ]


def _template(each: Made, *, as_json: bool) -> _Template:
    fixed, nodes = _cut(each.value, as_json=as_json)
    return _Template(each.chance, fixed, [((), node, steps) for node, steps in nodes], each.value)


# ---------------------------------------------------------------- templates


def _kind(values: Sequence[object]) -> str:
    kinds = {_kind_of_template(value) for value in values}
    if len(kinds) != 1:
        raise NotAGrammarError(f"values of several types: {kinds}")
    return kinds.pop()


def _kind_of_template(value: object) -> str:
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


def _cut(value: object, *, as_json: bool) -> tuple[list[str], list[tuple[Node, tuple[Step, ...]]]]:
    """A template as the texts between its pieces, and the pieces with the steps that make them a text."""
    fixed, nodes = [""], []
    grammars: dict[tuple[int, int], Node] = {}
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


def _text_pieces(value: object) -> Iterator[str | tuple[Node, tuple[Step, ...]]]:
    for piece in value.pieces if isinstance(value, Joined) else [value]:
        yield (piece, ()) if isinstance(piece, Node) else str(piece)


def _json_pieces(value: object) -> Iterator[str | tuple[Node, tuple[Step, ...]]]:
    match value:
        case Joined(pieces):
            yield '"'
            for piece in pieces:
                yield json_text(piece)[1:-1] if isinstance(piece, str) else (piece, (INNER,))
            yield '"'
        case Node():
            yield value, (JSON,)
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


def _filled(value: object, row: Iterator[object]) -> object:
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


def drawn_in(ways: Sequence[Made]) -> bool:
    """Whether other methods are pieces of a template, or a draw is in one twice."""
    for each in ways:
        nodes = nodes_in(each.value)
        draws = [(node.draw, node.part) for node in nodes]
        if len(set(draws)) < len(draws) or any(isinstance(node, CallNode) for node in nodes):
            return True
    return False
