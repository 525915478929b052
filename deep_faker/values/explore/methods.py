"""Symbolic values of whole methods: what another method of the library gives, before it is made.

Beside the draws of `marks` these are pieces of what a method makes.  A text of such a piece may be
joined, a time may be formatted; whatever else is asked of it raises `NeededError`, and then the method that
gives it is run as well instead of standing for itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Never, SupportsIndex

from deep_faker.values.explore.marks import PLACES, Book, MarkedStr, NeededError, Node, Read

Step = tuple[str, Any]  # what is done, and what with: nothing, a format, a pair of texts


@dataclass(frozen=True, eq=False)
class CallNode(Node):
    """The value of a method of the library, after some steps."""

    name: str = ""
    arguments: tuple[tuple[str, object], ...] = ()
    kind: str = "str"
    steps: tuple[Step, ...] = ()

    def mapped(self, function: Read) -> list[object]:
        """Never: the values are not at hand."""
        raise NeededError(self.draw)

    def stepped(self, step: Step) -> CallNode:
        """The piece after one more step."""
        read = self.read
        return replace(self, read=lambda value: taken(step, read(value)), steps=(*self.steps, step))


def taken(step: Step, value: Any) -> str:
    """What a step makes of one value."""
    match step:
        case ("text", _):
            return str(value)
        case ("format", form):
            return format(value, form)
        case ("strftime", form):
            return str(value.strftime(form))
        case ("lower", _):
            return str(value).lower()
        case ("upper", _):
            return str(value).upper()
        case ("replace", (old, new)):
            return str(value).replace(old, new)
        case ("json", _):
            return json.dumps(str(value))[1:-1]
        case ("to json", _):
            return json.dumps(value)
    raise ValueError(f"no step {step}")


class Opaque:
    """A value that is not text: it may be a part of a list, a dict or (as text) of a text."""

    def __init__(self, book: Book, node: CallNode) -> None:
        self.book, self.node = book, node

    def __str__(self) -> str:
        return str(self.book.text(self.node.stepped(("text", None))))

    def __format__(self, form: str) -> str:
        if not form:
            return str(self)
        if self.node.kind not in ("date", "datetime"):
            raise NeededError(self.node.draw)
        return str(self.book.text(self.node.stepped(("format", form))))

    def strftime(self, form: str) -> str:
        """As that of a time."""
        if self.node.kind not in ("date", "datetime") or PLACES.search(form):
            raise NeededError(self.node.draw)
        return self.book.text(self.node.stepped(("strftime", form)))

    def __getattr__(self, name: str) -> Never:
        raise NeededError(self.node.draw)


def _asks(self: Opaque, *_: object) -> Never:
    raise NeededError(self.node.draw)


for _name in (
    "bool int float index len iter contains getitem hash eq ne lt le gt ge add radd sub rsub mul rmul mod "
    "rmod truediv floordiv divmod pow and or xor neg abs round call next repr"
).split():
    setattr(Opaque, f"__{_name}__", _asks)


class MarkedText(str):
    """A text of fixed and drawn pieces that knows what they are, so that it can be asked for another case."""

    __slots__ = ("book",)
    book: Book

    @classmethod
    def of(cls, book: Book, text: str) -> str:
        """The text as such a one, where there is a draw in it."""
        if isinstance(text, MarkedStr) or type(text) is not str or not PLACES.search(text):
            return text
        if len(text) == text.count(text[0]):
            (first, *more) = book.pieces(text)
            if not more and isinstance(first, Node) and not isinstance(first, CallNode):
                return book.again(text, first)
        marked = cls(text)
        marked.book = book
        return marked

    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, form: str) -> str:
        if form:
            raise NeededError(self.node.draw)
        return str.__str__(self)

    def __hash__(self) -> int:
        raise NeededError(self.node.draw)

    @property
    def node(self) -> Node:
        """The first piece that is drawn."""
        return next(piece for piece in self.book.pieces(str(self)) if isinstance(piece, Node))

    def _mapped(self, step: Step) -> str:
        out = [
            taken(step, piece) if isinstance(piece, str) else str(_stepped(self.book, piece, step))
            for piece in self.book.pieces(str(self))
        ]
        return MarkedText.of(self.book, "".join(out))

    def lower(self) -> str:
        """As that of a text."""
        return self._mapped(("lower", None))

    def upper(self) -> str:
        """As that of a text."""
        return self._mapped(("upper", None))

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> str:
        """As that of a text, of single characters; more of them may lie across pieces."""
        if len(old) != 1 or count != -1 or PLACES.search(old + new):
            raise NeededError(self.node.draw)
        return self._mapped(("replace", (old, new)))

    def _measured(self) -> str:
        """The characters, where each stands for one of every text that may be drawn."""
        text = str(self)
        for piece in self.book.pieces(text):
            if isinstance(piece, Node) and (isinstance(piece, CallNode) or not _of_one_length(piece)):
                raise NeededError(piece.draw)
        return text

    def __len__(self) -> int:
        return len(self._measured())

    def __iter__(self) -> Iterator[str]:
        return iter([MarkedText.of(self.book, character) for character in self._measured()])

    def __getitem__(self, place: SupportsIndex | slice) -> str:
        return MarkedText.of(self.book, self._measured()[place])

    def rjust(self, width: SupportsIndex, fill: str = " ", /) -> str:
        """As that of a text."""
        return MarkedText.of(self.book, self._measured().rjust(width, fill))

    def ljust(self, width: SupportsIndex, fill: str = " ", /) -> str:
        """As that of a text."""
        return MarkedText.of(self.book, self._measured().ljust(width, fill))


def _of_one_length(node: Node) -> bool:
    return bool(node.values) and len({len(str(value)) for value in node.values or ()}) == 1


def _asked_of_text(self: MarkedText, *_: object, **__: object) -> Never:
    raise NeededError(self.node.draw)


for _name in (
    "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __contains__ __mul__ capitalize casefold center count "
    "encode endswith find index isalnum isalpha isascii isdigit islower isnumeric isspace istitle isupper "
    "lstrip partition removeprefix removesuffix rfind rindex rpartition rsplit rstrip split "
    "splitlines startswith strip swapcase title translate zfill"
).split():
    setattr(MarkedText, _name, _asked_of_text)


def _stepped(book: Book, node: Node, step: Step) -> str:
    """The text that stands for a node after a step."""
    if isinstance(node, CallNode):
        return book.text(node.stepped(step))
    if node.values is None:
        raise NeededError(node.draw)
    values = node.mapped(lambda value: taken(step, value))
    return book.text(node.after(lambda value: taken(step, value), values))


def escaped(book: Book, text: str, step: Step) -> str:
    """A text with every drawn piece after a step."""
    return "".join(
        piece if isinstance(piece, str) else str(_stepped(book, piece, step)) for piece in book.pieces(text)
    )
