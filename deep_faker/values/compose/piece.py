"""The pieces of composed values: what is drawn for them, and how they are written into a text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import I64, below, mix
from deep_faker.values.base import Place, Rows, Values
from deep_faker.values.choices import Elements
from deep_faker.values.compose.as_text import (
    INNER,
    JSON,
    objects_of,
    only_of_day,
    plain,
    stepped,
    texts_of,
    with_steps,
)
from deep_faker.values.compose.layout import Builder, Days, Drawn, Grammar, MadeTexts, Source
from deep_faker.values.compose.mimesis import Rounded
from deep_faker.values.explore.marks import Node
from deep_faker.values.explore.methods import CallNode, Step
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.columns import Tables, Texts
from deep_faker.values.text.grammar import Leaf, Text
from deep_faker.values.times import DAY, Instants

MakeValues = Callable[[CallNode, Place], Values]
Path = tuple[int, ...]  # the draws of the composites that a piece was unfolded from
_MOST_ENTRIES = 20_000  # of a list that is a table; of longer ones each value is written by itself
_GAPS = "~|^`"  # one that is in none of the texts stands between those that are written at once
_EPOCH, _MOST_DAYS = dt.date(1970, 1, 1), 100_000


class _Piece:
    """What is drawn for a piece: positions in small tables, a grammar's, or values of another kind."""

    def __init__(self, provider: Values | Chosen) -> None:
        self.provider = provider
        self.sources: list[Source] | None = None
        self.grammar: Grammar | None = None
        self.steps: set[tuple[Step, ...]] = set()

    def settle(self) -> None:
        """Take the values as they are where a step needs whole texts which are made of several pieces."""
        if self.grammar is None and (self.sources is None or len(self.sources) == 1):
            return
        texts = (
            self.grammar.text.leaves
            if self.grammar is not None
            else [Leaf(tuple(map(str, source.values))) for source in self.sources or ()]
        )
        last = {step for steps in self.steps for step in steps[:-1]}
        if JSON in last or not all(_by_character(step, texts) for steps in self.steps for step in steps):
            self.grammar = self.sources = None


class Nodes:
    """What makes the pieces of a composite, by the piece."""

    def __init__(self, place: Place, make: MakeValues) -> None:
        self._place, self._make = place, make
        self._pieces: dict[tuple[object, ...], _Piece] = {}

    @property
    def detail(self) -> str:
        """What is to be said of the pieces."""
        details = (getattr(each.provider, "detail", "") for each in self._pieces.values())
        return ", ".join(dict.fromkeys(detail for detail in details if detail))

    @staticmethod
    def name(node: Node) -> tuple[object, ...]:
        """The same for pieces that are drawn alike."""
        if isinstance(node, CallNode):
            return (node.draw, node.name, repr(node.arguments), node.steps)
        if node.grammar is not None:
            return (node.draw, node.part, node.grammar.alternatives)
        if node.values is None:
            return (node.draw, node.bounds, node.digits)
        values = node.values if isinstance(node.values, range) else tuple(node.values)
        return (node.draw, node.part, values, node.weights)

    def _key(self, path: Path, node: Node) -> tuple[object, ...]:
        if isinstance(node, CallNode):
            return (path, node.draw, node.name, repr(node.arguments))
        return (path, self.name(node))

    def provider(self, path: Path, node: Node) -> Values | Chosen:
        """What makes the values of a piece."""
        return self._pieces[self._key(path, node)].provider

    def prepare(self, path: Path, node: Node, steps: tuple[Step, ...]) -> None:
        """Make what makes a piece."""
        key = self._key(path, node)
        if key not in self._pieces:
            purpose = (*self._place.purpose, "part", *map(str, path), str(node.draw), str(node.part))
            place = Place(self._place.draws, purpose, self._place.start_micros, self._place.span)
            self._pieces[key] = self._piece(node, place)
        self._pieces[key].steps.add(_steps(node, steps))

    def _piece(self, node: Node, place: Place) -> _Piece:
        text = None
        if isinstance(node, CallNode):
            piece = _Piece(self._make(node, place))
            if isinstance(piece.provider, Texts):
                text = piece.provider._tables.text  # noqa: SLF001
            elif isinstance(piece.provider, Elements) and piece.provider.kind == "str":
                piece.sources = _of_elements(piece.provider, place)
        elif node.grammar is not None:
            text = Tables(node.grammar).text
            piece = _Piece(Texts(place, Tables(text)))
        elif node.values is None:
            assert node.bounds is not None
            piece = _Piece(Rounded(place, *node.bounds, node.digits))
        else:
            piece = _Piece(Chosen(place, node))
            if len(node.values) <= _MOST_ENTRIES:
                piece.sources = [Source(node.values, node.weights, place.key())]
        if text is not None and len(text.alternatives) == 1:
            leaves = text.alternatives[0][1]
            piece.sources = [
                Source(leaf.values, leaf.weights, place.key(number + 1)) for number, leaf in enumerate(leaves)
            ]
        elif text is not None:
            piece.grammar = Grammar(place, text)
        return piece

    def write(self, builder: Builder, path: Path, node: Node, steps: tuple[Step, ...]) -> None:
        """Put a piece after what a builder has."""
        piece, steps = self._pieces[self._key(path, node)], _steps(node, steps)
        piece.settle()
        if piece.sources is not None and len(piece.sources) == 1:
            source = piece.sources[0]
            builder.chosen(source, [str(_after(steps, value)) for value in source.values])
        elif piece.sources is not None or piece.grammar is not None:
            quote = '"' * (JSON in steps)
            builder.fixed(quote)
            for source in piece.sources or ():
                builder.chosen(source, [_inner(steps, value) for value in source.values])
            if piece.grammar is not None:
                builder.grammar(piece.grammar, _written(piece.grammar.text, steps))
            builder.fixed(quote)
        else:
            builder.part(
                _dated(piece.provider, steps) or MadeTexts(lambda rows: _texts(piece.provider, steps, rows))
            )

    def objects(
        self, path: Path, node: Node, steps: tuple[Step, ...], rows: Rows, drawn: Drawn
    ) -> Sequence[object]:
        """The pieces of rows as Python objects, before the steps that only write them down."""
        piece, own = self._pieces[self._key(path, node)], _steps(node, ())
        if piece.sources is not None:
            columns = []
            for source in piece.sources:
                values = [_after(own, value) for value in source.values]
                columns.append([values[number] for number in drawn[source].tolist()])
            if len(columns) == 1:
                return list(map(str, columns[0])) if steps == (INNER,) else columns[0]
            return ["".join(texts) for texts in zip(*columns, strict=True)]
        if piece.grammar is not None:
            return piece.grammar.texts(lambda value: str(_after(own, value)), rows)
        if own or steps == (INNER,):
            return list(_texts(piece.provider, own, rows).to_pylist())
        return (
            piece.provider.objects(rows)
            if isinstance(piece.provider, Chosen)
            else objects_of(piece.provider, rows)
        )


def _of_elements(provider: Elements, place: Place) -> list[Source] | None:
    """A source of the same values as a provider of a list's elements."""
    values, weights = provider._values, provider._weights  # noqa: SLF001
    if not 0 < len(values) <= _MOST_ENTRIES or any(not isinstance(value, str) for value in values):
        return None
    return [Source(values, None if len(set(weights)) == 1 else weights, place.key())]


def _steps(node: Node, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return (*node.steps, *steps) if isinstance(node, CallNode) else steps


def _after(steps: tuple[Step, ...], value: object) -> object:
    for step in steps:
        value = with_steps(step, value)
    return value


def _inner(steps: tuple[Step, ...], value: object) -> str:
    """A part of a text after steps; quotes go around the whole of it."""
    return str(_after(tuple(INNER if step == JSON else step for step in steps), value))


@lru_cache(maxsize=64)
def _written(text: Text, steps: tuple[Step, ...]) -> Text:
    """A grammar after steps that treat each character by itself, so that a table is written at once."""
    changed: dict[Leaf, Leaf] = {}
    for leaf in text.leaves if steps else ():
        gap = next((gap for gap in _GAPS if not any(gap in value for value in leaf.values)), "")
        whole = gap.join(leaf.values)
        after = _inner(steps, whole)
        if after != whole:
            values = after.split(gap) if gap else [_inner(steps, value) for value in leaf.values]
        changed[leaf] = leaf if after == whole else Leaf(tuple(values), leaf.weights)
    if all(leaf is new for leaf, new in changed.items()):
        return text
    return Text(tuple((weight, tuple(changed[leaf] for leaf in row)) for weight, row in text.alternatives))


def _by_character(step: Step, leaves: Sequence[Leaf]) -> bool:
    """Whether a step treats each character by itself."""
    match step:
        case ("text" | "json" | "to json" | "in json", _):
            return True
        case ("replace", (old, _)):
            return len(old) == 1
        case ("upper" | "lower", _):
            return all(value.isascii() for leaf in leaves for value in leaf.values)
    return False


def _dated(provider: Values | Chosen, steps: tuple[Step, ...]) -> Days | None:
    """The texts of the days of dates and times, where all that is written is the day, and they are few."""
    if not isinstance(provider, Instants) or provider.kind not in ("date", "datetime"):
        return None
    form, *rest = steps if steps and steps[0][0] in ("strftime", "format") else (("text", None), *steps)
    whole = provider.kind == "date" or (form[0] != "text" and only_of_day(form[1]))
    first, last = provider.days
    if not whole or last - first > _MOST_DAYS:
        return None
    dates = [_EPOCH + dt.timedelta(days=day) for day in range(first, last + 1)]
    texts = [str(_after(tuple(rest), with_steps(form, date))) for date in dates]

    def days(rows: Rows) -> I64:
        array = provider.column(rows)
        if provider.kind == "date":
            whole: I64 = array.cast(pa.int32()).to_numpy().astype(np.int64)
            return whole
        micros: I64 = array.cast(pa.int64()).to_numpy()
        return micros // DAY

    return Days(texts, first, days)


def _texts(provider: Values | Chosen, steps: tuple[Step, ...], rows: Rows) -> pa.Array:
    """The values as text after the steps."""
    if isinstance(provider, Chosen):
        return provider.texts(steps, rows)
    array, kind = provider.column(rows), provider.kind
    for step in steps:
        array, kind = stepped(provider, rows, array, kind, step)
    return plain(array if kind == "str" else texts_of(provider, rows, array, kind))


class Chosen:
    """One of the values of a draw, of which there are many."""

    detail = ""
    kind = "int"

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
        """The texts after the steps."""
        if isinstance(self._values, range):  # numbers: no step changes them
            numbers = self._indices(rows) + np.int64(self._values[0])
            return pa.array(numbers).cast(pa.string())
        if steps not in self._texts:
            values = [str(_after(steps, value)) for value in self._values]
            self._texts[steps] = pa.array(values, pa.string())
        return self._texts[steps].take(pa.array(self._indices(rows)))

    def objects(self, rows: Rows) -> list[object]:
        """The values."""
        return [self._values[number] for number in self._indices(rows).tolist()]
