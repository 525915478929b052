"""Compiles a Mimesis method by running it: draws are symbolic where that is enough, else tried one by one.

Every way that the method can go is run once, with symbolic values (`marks`) for the draws that only end up in
the result.  A draw whose value the method must know is tried with each of its values in turn.  What comes
out is a list of templates and their chances.  Then the method is run with real draws, and each template
must say exactly what the method gave for them: what was misunderstood is found out and not used.
"""

from __future__ import annotations

import ipaddress
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar

from mimesis.random import Random

from deep_faker.values.explore.marks import PLACES, Book, MarkedFloat, MarkedInt, NeededError, Node, masked
from deep_faker.values.explore.methods import Opaque
from deep_faker.values.text.grammar import NotAGrammarError, Text, literal

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

T = TypeVar("T")
_MOST_WAYS = 20_000
_MOST_TEMPLATES = 2_000
_CHECKS = 300
_SMALL = 400  # values of a number that is tried rather than marked, when marking has failed


@dataclass(frozen=True)
class Made:
    """A template: the chance of this way, and what comes of it: texts and nodes, nested."""

    chance: float
    value: object


@dataclass(frozen=True)
class _Draw(Generic[T]):
    """One call of a random source: its options by number, and how it is drawn or marked."""

    size: int | None
    option: Callable[[int], T]
    real: Callable[[Random], T]
    mark: Callable[[Book, int], T] | None
    weights: Sequence[float] | None = None
    number: bool = False


class Recorder(Random):
    """A random source that marks, tries or really draws, and keeps the record."""

    most_ways = _MOST_WAYS  # that give fixed values
    most_uneven = 1  # times as many may follow the first way as follow all of them

    def __init__(self) -> None:
        self._inner = Random(0)
        self.book, self.count, self.chance = Book(), 0, 1.0
        self.needed: set[int] = set()
        self.numbers = self.all = False  # which draws are tried beside those that are needed
        self.way: dict[int, int] = {}  # the number of the option of each draw that is tried
        self.sizes: dict[int, int] = {}
        self.drawn: list[object] | None = None

    def seed(self, *args: object, **kwargs: object) -> None:
        """Nothing: what is drawn is up to whoever explores."""

    def start(self, way: dict[int, int], *, real: random.Random | None = None) -> None:
        """Begin a run that tries ``way``; with ``real``, draw all else."""
        self.book, self.count, self.chance = Book(), 0, 1.0
        self.way, self.sizes = way, {}
        self.drawn = None if real is None else []
        if real is not None:
            self._inner.seed(real.getrandbits(64))

    def need(self, draw: int) -> None:
        """From now on, try draw number ``draw``."""
        self.needed.add(draw)

    def _next(self, draw: _Draw[T]) -> T:
        turn, self.count = self.count, self.count + 1
        if self.drawn is not None:
            value = draw.option(self.way[turn]) if turn in self.way else draw.real(self._inner)
            self.drawn.append(value)
            return value
        small = self.numbers and draw.number and draw.size is not None and draw.size <= _SMALL
        if draw.mark is not None and not (turn in self.needed or self.all or small):
            try:
                return draw.mark(self.book, turn)
            except NeededError:
                pass
        if draw.size is None or draw.size > _MOST_WAYS:
            raise NotAGrammarError(f"draw {turn} has too many values")
        number = self.way.setdefault(turn, 0)
        self.sizes[turn] = draw.size
        weights = draw.weights
        self.chance *= 1 / draw.size if weights is None else weights[number] / sum(weights)
        return draw.option(number)

    # ---------------------------------------------------------------- the calls of Mimesis

    def choice(self, seq: SupportsLenAndGetItem[T]) -> T:
        return self._next(_elements(seq, lambda inner: inner.choice(seq)))

    def choice_enum_item(self, enum: Iterable[T]) -> T:
        return self.choice(list(enum))

    def choices(
        self,
        population: SupportsLenAndGetItem[T],
        weights: Sequence[Any] | None = None,
        *,
        cum_weights: Sequence[Any] | None = None,
        k: int = 1,
    ) -> list[T]:
        if isinstance(k, MarkedInt):
            raise NeededError(k.node.draw)
        if cum_weights is not None:
            raise NotAGrammarError("cum_weights")
        shares = None if weights is None else tuple(float(weight) for weight in weights)
        draw = _elements(population, lambda inner: inner.choices(population, shares)[0], shares)
        return [self._next(draw) for _ in range(k)]

    def weighted_choice(self, choices: Mapping[T, float]) -> T:
        return self.choices(list(choices), list(choices.values()))[0]

    def _generate_string(self, str_seq: str, length: int = 10) -> str:
        return "".join(self.choices(str_seq, k=length))

    def randint(self, a: int, b: int) -> int:
        for bound in (a, b):
            if isinstance(bound, MarkedInt):
                raise NeededError(bound.node.draw)
        numbers = range(a, b + 1)
        if not numbers:
            raise ValueError(f"empty range {a}..{b}")
        return self._number(numbers)

    def randints(self, n: int = 3, a: int = 1, b: int = 100) -> list[int]:
        numbers = range(a, b) or range(a, a + 1)
        return [self._number(numbers) for _ in range(n)]

    def getrandbits(self, k: int, /) -> int:
        return self._number(_Wide(0, 1 << k))

    def uniform(self, a: float, b: float, precision: int = 15) -> float:
        for bound in (a, b):
            if hasattr(bound, "node"):
                raise NeededError(bound.node.draw)

        def mark(book: Book, draw: int) -> float:
            bounds = (float(a), float(b))
            return MarkedFloat.of(book, Node(draw, 0, _itself, bounds=bounds, digits=precision))

        return self._next(_Draw(None, float, lambda inner: inner.uniform(a, b, precision), mark))

    def generate_string_by_mask(self, mask: str = "@###", char: str = "@", digit: str = "#") -> str:
        for argument in (mask, char, digit):
            if hasattr(argument, "node"):
                raise NeededError(argument.node.draw)
        if self.drawn is None:
            for piece in self.book.pieces(mask):
                if isinstance(piece, Node):
                    raise NeededError(piece.draw)

        def mark(book: Book, draw: int) -> str:
            return book.text(Node(draw, 0, _itself, grammar=masked(mask, char, digit)))

        return self._next(
            _Draw(None, str, lambda inner: inner.generate_string_by_mask(mask, char, digit), mark)
        )

    def _number(self, numbers: range | _Wide) -> int:
        low, size = numbers[0], numbers[-1] - numbers[0] + 1
        return self._next(
            _Draw(
                size,
                lambda number: low + number,
                lambda inner: inner.randint(low, low + size - 1),
                lambda book, draw: book.number(Node(draw, 0, _itself, range(low, low + size))),
                number=True,
            )
        )


def _itself(drawn: T) -> T:
    return drawn


class _Wide:
    """A range of numbers beyond what ``len`` can count."""

    def __init__(self, low: int, end: int) -> None:
        self._ends = (low, end - 1)

    def __getitem__(self, place: int) -> int:
        return self._ends[0 if place == 0 else 1]


def _beyond(name: str) -> Callable[..., Never]:
    def unknown(*_: object, **__: object) -> Never:
        raise NotAGrammarError(name)

    return unknown


for _name in (
    "random randrange randbytes sample shuffle gauss normalvariate lognormvariate expovariate triangular "
    "betavariate gammavariate paretovariate vonmisesvariate weibullvariate"
).split():
    setattr(Recorder, _name, _beyond(_name))


def _elements(
    options: SupportsLenAndGetItem[T], real: Callable[[Random], T], weights: tuple[float, ...] | None = None
) -> _Draw[T]:
    size = len(options)
    if not size:
        raise IndexError("nothing to choose from")

    @cache
    def texts() -> list[T] | None:
        """The options, where they are texts none of which holds a draw already."""
        values = [options[number] for number in range(size)]  # not for real draws, of which there are many
        only_texts = all(type(value) is str for value in values)
        return values if only_texts and not PLACES.search("\n".join(map(str, values))) else None

    def mark(book: Book, draw: int) -> Any:
        values = texts()
        if values is None:
            raise NeededError(draw)
        return book.text(Node(draw, 0, _itself, values, weights))

    return _Draw(size, options.__getitem__, real, mark, weights)


# ---------------------------------------------------------------- exploring


def explored(recorder: Recorder, run: Callable[[], object]) -> list[Made]:
    """The templates of what ``run`` gives, which draws from ``recorder`` only.

    Raises `NotAGrammarError` where there is none.
    """
    for numbers, every in ((False, False), (True, False), (True, True)):
        recorder.needed, recorder.numbers, recorder.all = set(), numbers, every
        try:
            templates, ways = _all_ways(recorder, run)
        except NotAGrammarError:
            if every:
                raise
            continue
        if _agrees(recorder, run, templates, ways):
            return templates
    raise NotAGrammarError("templates that do not say what the method gives")


def _all_ways(recorder: Recorder, run: Callable[[], object]) -> tuple[list[Made], list[dict[int, int]]]:
    templates: list[Made] = []
    ways: list[dict[int, int]] = []
    way: dict[int, int] | None = {}
    while way is not None:
        recorder.start(dict(way))
        try:
            value = frozen(recorder.book, run())
        except NeededError as needed:
            if needed.draw in recorder.needed:
                raise NotAGrammarError(f"draw {needed.draw} is needed and cannot be tried") from None
            recorder.need(needed.draw)
            templates, ways, way = [], [], {}
            continue
        except NotAGrammarError:
            raise
        except Exception as error:  # whatever the library does with a value that it did not expect
            raise NotAGrammarError(f"{type(error).__name__}: {error}") from error
        templates.append(Made(recorder.chance, value))
        ways.append(recorder.way)
        most = _MOST_TEMPLATES if _drawn_in(value) else recorder.most_ways
        if len(templates) > most or prod(recorder.sizes.values()) > most * recorder.most_uneven:
            raise NotAGrammarError("too many ways")
        way = _following(recorder.way, recorder.sizes)
    return templates, ways


def _following(way: dict[int, int], sizes: dict[int, int]) -> dict[int, int] | None:
    for draw in sorted(sizes, reverse=True):
        if way[draw] + 1 < sizes[draw]:
            return {key: number for key, number in way.items() if key < draw} | {draw: way[draw] + 1}
    return None


def _agrees(
    recorder: Recorder, run: Callable[[], object], templates: list[Made], ways: list[dict[int, int]]
) -> bool:
    source = random.Random(len(templates))
    repeats = max(_CHECKS // len(templates), 2 if _drawn_in(templates[0].value) else 1)
    if len(templates) > _CHECKS and repeats == 1:
        picked: Sequence[int] = source.sample(range(len(templates)), _CHECKS)
    else:
        picked = range(len(templates))
    for number in picked:
        for _ in range(repeats):
            recorder.start(dict(ways[number]), real=source)
            value = run()
            drawn = recorder.drawn
            assert drawn is not None
            try:
                said = _said(templates[number].value, drawn)
            except Exception:  # noqa: BLE001 - whatever happens, it does not agree
                return False
            if type(said) is not type(value) or not (said == value or repr(said) == repr(value)):
                return False
    return True


@dataclass(frozen=True)
class Joined:
    """A text of fixed pieces and nodes."""

    pieces: tuple[str | Node, ...]


@dataclass(frozen=True)
class Built:
    """An object that is built of a text: an address, say."""

    kind: type
    text: Joined


def frozen(book: Book, value: object) -> object:
    """A value with nodes in place of what stands for them."""
    if isinstance(value, (MarkedInt, MarkedFloat, Opaque)):
        return value.node
    if isinstance(value, str):
        pieces = tuple(book.pieces(value))
        return Joined(pieces) if any(isinstance(piece, Node) for piece in pieces) else str(value)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        parts = [frozen(book, item) for item in value]
        return type(value)(parts) if book.repeats or _once(parts) else value
    if isinstance(value, dict) and type(value) is dict:
        table = {key: frozen(book, item) for key, item in value.items()}
        if not book.repeats:
            _once(list(table.values()))
        return table
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        inner = frozen(book, str(value))
        return Built(type(value), inner) if isinstance(inner, Joined) else value
    return value


def _once(parts: list[object]) -> bool:
    nodes = [node for part in parts for node in nodes_in(part)]
    for number, node in enumerate(nodes):
        if any((node.draw, node.part) == (other.draw, other.part) for other in nodes[:number]):
            raise NeededError(node.draw)
    return True


def nodes_in(value: object) -> list[Node]:
    """Every node of a template."""
    match value:
        case Node():
            return [value]
        case Joined(pieces):
            return [piece for piece in pieces if isinstance(piece, Node)]
        case Built(_, text):
            return nodes_in(text)
        case list() | tuple():
            return [node for item in value for node in nodes_in(item)]
        case dict():
            return [node for item in value.values() for node in nodes_in(item)]
    return []


def _drawn_in(value: object) -> bool:
    return bool(nodes_in(value))


def _said(value: object, drawn: list[object]) -> object:
    """What a template says for what was drawn."""
    match value:
        case Node():
            return value.read(drawn[value.draw])
        case Joined(pieces):
            return "".join(p if isinstance(p, str) else str(p.read(drawn[p.draw])) for p in pieces)
        case Built(kind, text):
            return kind(_said(text, drawn))
        case list() | tuple():
            return type(value)(_said(item, drawn) for item in value)
        case dict():
            return {key: _said(item, drawn) for key, item in value.items()}
    return value


# ---------------------------------------------------------------- grammars


def text_of(value: object) -> Text:
    """The grammar of a template that is a text."""
    if isinstance(value, str):
        return literal(value)
    if not isinstance(value, Joined):
        raise NotAGrammarError(type(value).__name__)
    out = None
    for piece in value.pieces:
        part = literal(piece) if isinstance(piece, str) else piece.text
        out = part if out is None else out + part
    assert out is not None
    return out


def json_of(value: object) -> Text:
    """The grammar of the JSON of a template, written as `json.dumps` does."""
    match value:
        case Node():
            if value.bounds is not None:
                raise NotAGrammarError("floats")
            return value.text
        case Joined():
            return literal('"') + text_of(value).map(_escaped) + literal('"')
        case Built(_, text):
            return literal('"') + text_of(text) + literal('"')
        case list() | tuple():
            return _bracketed("[", [json_of(item) for item in value], "]")
        case dict():
            pairs = [
                literal(f"{json.dumps(key, ensure_ascii=False)}: ") + json_of(v) for key, v in value.items()
            ]
            return _bracketed("{", pairs, "}")
        case str() | int() | bool() | None:
            return literal(json.dumps(value, ensure_ascii=False))
        case ipaddress.IPv4Address() | ipaddress.IPv6Address():
            return literal(f'"{value}"')
    raise NotAGrammarError(type(value).__name__)


def _bracketed(first: str, parts: list[Text], last: str) -> Text:
    out = literal(first)
    for number, part in enumerate(parts):
        out = out + (literal(", ") + part if number else part)
    return out + literal(last)


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
