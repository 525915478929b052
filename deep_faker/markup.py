"""HTML for notebooks, from plain values: escaped, without scripts, fonts or anything of the network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

# `currentColor` and opacities, as a page may be light or dark
_STYLE = """
.deep-faker {font: 13px/1.45 system-ui, sans-serif; max-width: 62em}
.deep-faker table {border-collapse: collapse; margin: .3em 0 .8em; font-size: 12px}
.deep-faker th, .deep-faker td {text-align: left; padding: .15em .8em .15em 0; border: 0; vertical-align: top}
.deep-faker th {font-weight: 600; opacity: .7; border-bottom: 1px solid rgba(128,128,128,.4)}
.deep-faker td.number, .deep-faker th.number {text-align: right; font-variant-numeric: tabular-nums}
.deep-faker h4 {margin: .9em 0 .2em; font-size: 13px}
.deep-faker code, .deep-faker pre {font: 12px/1.4 ui-monospace, monospace; background: none; color: inherit}
.deep-faker details {margin: .2em 0}
.deep-faker summary {cursor: pointer}
.deep-faker .quiet {opacity: .65}
.deep-faker .nested {margin-left: 1.2em}
.deep-faker .when {white-space: nowrap}
.deep-faker svg {max-width: 100%; height: auto; display: block}
"""


class Markup(str):
    """HTML that is not to be escaped again."""

    __slots__ = ()


def text(value: object) -> str:
    """A value as HTML; numbers with commas.

    >>> text("a < b"), text(12345), text(Markup("<b>x</b>"))
    ('a &lt; b', '12,345', '<b>x</b>')
    """
    if isinstance(value, Markup):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(str(value))


def page(*parts: str) -> str:
    """What a notebook shows: parts of HTML, with our style for them alone."""
    return f'<div class="deep-faker"><style>{_STYLE}</style>{"".join(parts)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> str:
    """A table; columns whose first value is a number stand to the right. Nothing where there is no row."""
    rows = list(rows)
    if not rows:
        return ""
    classes = [' class="number"' if isinstance(value, int | float) else "" for value in rows[0]]
    top = "".join(f"<th{c}>{text(name)}</th>" for c, name in zip(classes, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{c}>{text(v)}</td>" for c, v in zip(classes, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"{heading(title)}<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def heading(title: str) -> str:
    """A small heading; nothing for no title."""
    return f"<h4>{text(title)}</h4>" if title else ""


def line(value: object, *, quiet: bool = False) -> str:
    """One line of text."""
    return f'<div class="quiet">{text(value)}</div>' if quiet else f"<div>{text(value)}</div>"


def folded(summary: object, inside: str, *, is_open: bool = False) -> str:
    """What opens by a click."""
    return f"<details{' open' if is_open else ''}><summary>{text(summary)}</summary>{inside}</details>"


def nested(inside: str) -> str:
    """Moved in a little."""
    return f'<div class="nested">{inside}</div>'


def verbatim(value: object) -> str:
    """Text as it is, in a fixed width."""
    return f"<pre>{text(value)}</pre>"
