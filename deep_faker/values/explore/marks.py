"""Symbolic values: what a draw stands for before it is drawn.

Code of a library that is run with them says by what it returns how its value is made of its draws.
In a text each draw is a character of a private plane (as many as the draw has, where all that can be
drawn are equally long), so that joining, slicing around it and formatting keep it.  A question about
the drawn value itself is answered where the answer is always the same; else it raises `NeededError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Self, SupportsIndex

from deep_faker.values.text.grammar import NotAGrammarError, Text, literal, numerify, table

_FIRST, _LAST = 0xF0000, 0xFFFFD
PLACES = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_MOST_ASKED = 100_000  # values of a draw that a question is put to
# Makes a value of another one: both are of whatever type the library draws and makes.
Read = Callable[[Any], Any]


class NeededError(Exception):
    """The code asks for the value of draw number ``draw``."""

    def __init__(self, draw: int) -> None:
        super().__init__(draw)
        self.draw = draw


@dataclass(frozen=True, eq=False)
class Node:
    """One drawn piece: of which draw, its values (or the grammar of its text), and how it is read off.

    ``part`` tells the independent pieces of one draw apart.  ``read`` makes the piece's value from what
    the draw gave.
    """

    draw: int
    part: int
    read: Read
    values: Sequence[object] | None = None
    weights: tuple[float, ...] | None = None
    grammar: Text | None = None
    bounds: tuple[float, float] | None = None  # of floats, which are evenly drawn and rounded
    digits: int = 0  # decimals of floats

    @property
    def text(self) -> Text:
        """The piece as a grammar."""
        if self.grammar is not None:
            return self.grammar
        if isinstance(self.values, range) and len(self.values) > _MOST_ASKED:
            return digits_of(self.values, "d")
        assert self.values is not None, "floats have no grammar"
        return _shared(tuple([str(value) for value in self.values]), self.weights)

    def mapped(self, function: Read) -> list[object]:
        """``function`` of every value; raises `NeededError` where there are too many, or where it fails."""
        if self.values is None or len(self.values) > _MOST_ASKED:
            raise NeededError(self.draw)
        try:
            return [function(value) for value in self.values]
        except (ValueError, TypeError, IndexError, KeyError):
            raise NeededError(self.draw) from None

    def after(self, function: Read, values: Sequence[object]) -> Node:
        """The piece with ``function`` of it in its place."""
        read = self.read
        return Node(self.draw, self.part, lambda drawn: function(read(drawn)), values, self.weights)


@lru_cache(maxsize=64)
def _shared(values: tuple[str, ...], weights: tuple[float, ...] | None) -> Text:
    """One table for all draws of the same list: what is joined of it is joined once."""
    return table(values, weights)


class Book:
    """The pieces of one run, by the characters that stand for them."""

    def __init__(self, *, repeats: bool = False) -> None:
        self.nodes: list[Node] = []
        self.repeats = repeats  # whether a draw may come more than once

    def text(self, node: Node) -> MarkedStr:
        """The text that stands for a node."""
        if _FIRST + len(self.nodes) > _LAST:
            raise NotAGrammarError("too many draws")
        width = _width(node)
        marked = MarkedStr(chr(_FIRST + len(self.nodes)) * width)
        marked.node, marked.book, marked.width = node, self, width
        self.nodes.append(node)
        return marked

    def again(self, text: str, node: Node) -> MarkedStr:
        """The text that stands for a node, from its characters."""
        marked = MarkedStr(text)
        marked.node, marked.book, marked.width = node, self, len(text)
        return marked

    def number(self, node: Node) -> MarkedInt:
        """The number that stands for a node."""
        assert node.values is not None
        first = node.values[0]
        assert isinstance(first, int)
        marked = MarkedInt(first)
        marked.node, marked.book = node, self
        return marked

    def value(self, node: Node) -> MarkedStr | MarkedInt:
        """What stands for a node whose values are texts, or whole numbers; else it must be known."""
        values = node.values
        if values is None or isinstance(values, range):
            return self.text(node) if values is None else self.number(node)
        if values and all(type(value) is str for value in values):
            return self.text(node)
        if values and all(type(value) is int for value in values):
            return self.number(node)
        raise NeededError(node.draw)

    def pieces(self, text: str) -> list[str | Node]:
        """A text cut into what is fixed and what is drawn.  Raises `NeededError` where a draw comes twice."""
        out: list[str | Node] = []
        plain = str(text)
        end, seen = 0, set()
        for match in re.finditer(f"({PLACES.pattern})\\1*", plain):
            node = self.nodes[ord(match[1]) - _FIRST]
            times, cut = divmod(len(match[0]), _width(node))
            if cut or ((times > 1 or (node.draw, node.part) in seen) and not self.repeats):
                raise NeededError(node.draw)
            seen.add((node.draw, node.part))
            out += [plain[end : match.start()], *[node] * times]
            end = match.end()
        return [piece for piece in [*out, plain[end:]] if piece != ""]


def _width(node: Node) -> int:
    if node.grammar is not None or node.values is None or len(node.values) > _MOST_ASKED:
        return 1
    widths = {len(str(value)) for value in node.values}
    return widths.pop() or 1 if len(widths) == 1 else 1


def asked(node: Node, book: Book, function: Read) -> object:
    """The answer to a question about a drawn value: the same for all its values, or drawn as well."""
    values = node.mapped(function)
    first = values[0]
    if isinstance(first, (bool, type(None))) or all(
        value == first and type(value) is type(first) for value in values
    ):
        if any(value != first for value in values):
            raise NeededError(node.draw)
        return first
    return book.value(node.after(function, values))


class MarkedStr(str):
    """A text that stands for a drawn one."""

    __slots__ = ("book", "node", "width")
    node: Node
    book: Book
    width: int

    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, form: str) -> str:
        return str(asked(self.node, self.book, lambda value: format(value, form))) if form else str(self)

    def __hash__(self) -> int:
        raise NeededError(self.node.draw)

    def __iter__(self) -> Iterator[str]:
        texts = self._letters()
        return iter([self.book.text(node) for node in texts])

    def _letters(self) -> list[Node]:
        """The characters, where each is drawn by itself."""
        node = self.node
        if node.grammar is None or len(node.grammar.alternatives) != 1 or node.part:
            raise NeededError(node.draw)
        leaves = node.grammar.alternatives[0][1]
        if any(len(value) != 1 for leaf in leaves for value in leaf.values):
            raise NeededError(node.draw)

        def letter(place: int) -> Read:
            return lambda drawn: node.read(drawn)[place]

        return [Node(node.draw, place + 1, letter(place), leaf.values) for place, leaf in enumerate(leaves)]


class MarkedInt(int):
    """A whole number that stands for a drawn one."""

    node: Node
    book: Book

    def __hash__(self) -> int:
        raise NeededError(self.node.draw)

    def __str__(self) -> str:
        return format(self, "")

    __repr__ = __str__

    def __format__(self, form: str) -> str:
        node = self.node
        if isinstance(node.values, range) and len(node.values) > _MOST_ASKED:
            text = digits_of(node.values, form or "d")
            read = node.read
            return str(
                self.book.text(
                    Node(node.draw, node.part, lambda drawn: format(read(drawn), form), grammar=text)
                )
            )
        return str(asked(node, self.book, lambda value: format(value, form)))

    def to_bytes(  # type: ignore[override]  # bytes that are drawn are numbers in a list
        self, length: SupportsIndex = 1, byteorder: str = "big", *, signed: bool = False
    ) -> MarkedBytes:
        """The bytes, each drawn by itself, where the range is of all numbers of so many bytes."""
        node = self.node
        values, read = node.values, node.read
        if not isinstance(values, range) or signed:
            raise NeededError(node.draw)
        low, size, parts = values[0], values[-1] - values[0] + 1, []
        for _ in range(length):  # the lowest byte first
            if size >= 256 and (size % 256 or low % 256):
                raise NeededError(node.draw)
            parts.append(range(256) if size >= 256 else range(low % 256, low % 256 + size))
            low, size = low // 256, max(size // 256, 1)
        if low or parts[-1][-1] > 255:
            raise NeededError(node.draw)

        def byte(place: int) -> Read:
            return lambda drawn: read(drawn).to_bytes(length, "little")[place]

        lowest_first = [
            self.book.number(Node(node.draw, place + 1, byte(place), part)) if len(part) > 1 else part[0]
            for place, part in enumerate(parts)
        ]
        return MarkedBytes(lowest_first if byteorder == "little" else lowest_first[::-1])


class MarkedBytes(list[int]):
    """Bytes, each of which may be drawn."""

    def hex(self) -> str:
        """Two hexadecimal digits each."""
        return "".join(f"{byte:02x}" for byte in self)


class MarkedFloat(float):
    """A float that stands for an evenly drawn one, rounded."""

    node: Node
    book: Book

    @classmethod
    def of(cls, book: Book, node: Node) -> Self:
        """The float of a draw between two bounds."""
        assert node.bounds is not None
        marked = cls(node.bounds[0])
        marked.node, marked.book = node, book
        return marked

    def __hash__(self) -> int:
        raise NeededError(self.node.draw)

    def __str__(self) -> str:
        return format(self, "")

    __repr__ = __str__

    def __format__(self, form: str) -> str:
        """The texts of all numbers of so many decimals, the outermost in proportion to their share."""
        node = self.node
        fixed = re.fullmatch(r"0?\.(\d)f", form)
        digits = int(fixed[1]) if fixed else node.digits
        rounds_twice = fixed is not None and node.digits < digits + 3
        if node.bounds is None or rounds_twice or (form and not fixed):
            raise NeededError(node.draw)
        scale = 10**digits
        low, high = (bound * scale for bound in node.bounds)
        numbers = range(round(low), round(high) + 1)
        if not 1 < len(numbers) <= _MOST_ASKED or not low < high:
            raise NeededError(node.draw)
        weights = tuple(max(min(n + 0.5, high) - max(n - 0.5, low), 0.0) for n in numbers)
        texts = [format(round(n / scale, digits), form) for n in numbers]
        read = node.read
        return str(self.book.text(Node(node.draw, 0, lambda x: format(read(x), form), texts, weights)))


def _questions(kind: type, marked: type, kept: set[str]) -> None:
    """Put every method of ``kind`` to the values that a marked one stands for."""

    def question(name: str) -> Callable[..., object]:
        method = getattr(kind, name)

        def question_of(self: MarkedStr | MarkedInt | MarkedFloat, *args: object, **named: object) -> object:
            others = (*args, *named.values())
            if any(
                hasattr(other, "node") or (isinstance(other, str) and PLACES.search(other))
                for other in others
            ):
                raise NeededError(self.node.draw)
            if kind is float:
                raise NeededError(self.node.draw)
            values = self.node.values
            ordered = name in ("__lt__", "__le__", "__gt__", "__ge__", "__bool__")
            if isinstance(values, range) and ordered:  # settled by the ends of a range
                ends = {method(values[0], *args), method(values[-1], *args)}
                if len(ends) == 1 and (name != "__bool__" or values[0] > 0):
                    return ends.pop()
                raise NeededError(self.node.draw)
            answer = asked(self.node, self.book, lambda value: method(value, *args, **named))
            if answer is NotImplemented and name not in ("__eq__", "__ne__"):
                raise NeededError(self.node.draw)  # the other operand would take the number for a plain one
            return answer

        return question_of

    for name in dir(kind):
        if name not in kept and name not in vars(marked) and callable(getattr(kind, name)):
            setattr(marked, name, question(name))


_PLAIN = set(dir(object)) - {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}
_questions(str, MarkedStr, _PLAIN | {"__add__", "__getnewargs__", "join", "maketrans", "__mod__"})
_questions(int, MarkedInt, _PLAIN | {"__getnewargs__", "from_bytes"})
_questions(float, MarkedFloat, _PLAIN | {"__getnewargs__", "fromhex", "__getformat__"})


def digits_of(numbers: range, form: str) -> Text:
    """The texts of whole numbers, evenly drawn from a range, digit group by digit group."""
    match = re.fullmatch(r"(?:0(\d+))?([dxX]?)", form)
    if match is None or numbers.step != 1 or numbers[0] < 0:
        raise NotAGrammarError(form)
    width, kind = int(match[1] or 0), match[2] or "d"
    base = 10 if kind == "d" else 16
    return _groups(numbers[0], numbers[-1] + 1, width, kind, base)


def _groups(low: int, end: int, width: int, kind: str, base: int) -> Text:
    """Numbers from ``low`` to before ``end``: the last three digits are drawn apart, where they can be."""
    group = base**3
    if end - low <= group:
        return table([format(number, f"0{width}{kind}") for number in range(low, end)])
    tail = table([format(number, f"03{kind}") for number in range(group)])
    first, last = -(-low // group), end // group
    parts: list[tuple[int, Text]] = []
    if first * group > low:
        parts.append((first * group - low, _groups(low, first * group, width, kind, base)))
    if first == 0 and width <= 3:  # without leading zeros, numbers of few digits stand alone
        parts.append((group, _groups(0, group, width, kind, base)))
        first = 1
    if last > first:
        head = _groups(first, last, max(width - 3, 0), kind, base)
        parts.append(((last - first) * group, head + tail))
    if end > last * group:
        parts.append((end - last * group, _groups(last * group, end, width, kind, base)))
    return _weighted(parts)


def _weighted(parts: Sequence[tuple[int, Text]]) -> Text:
    total = sum(size for size, _ in parts)
    return Text(
        tuple((size / total * share, row) for size, text in parts for share, row in text.alternatives)
    )


def masked(mask: str, char: str, digit: str) -> Text:
    """Capital letters for ``char`` and digits for ``digit``, as Mimesis' masks."""
    capitals = table([chr(65 + at) for at in range(26)])
    places = {digit: numerify(literal("#")), char: capitals}
    out = literal("")
    for letter in mask:
        out = out + places.get(letter, literal(letter))
    return Text(tuple((share, tuple(islice(row, 1, None)) or row) for share, row in out.alternatives))
