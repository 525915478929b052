"""A compiled flow as a picture: states from top to bottom, as in the source, and arcs for where they lead.

A state that only leads on is left out. What leads to the next row is a short arrow; what skips rows runs
down on the right, what goes back (a loop) up on the left, each in a lane of its own; where a session may
end, a mark in the row says with what.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deep_faker.compile.explain.wording import doings, edges
from deep_faker.markup import Markup, folded, text
from deep_faker.plan import Branch, Emit, FlowTable, Pick, Plan, Save, State, Wait

_ROW, _BOX, _WIDTH, _LANE = 38, 24, 580, 12
_LEFT = 46  # of the boxes, where no arc goes back
_OPEN = 3  # flows whose pictures are open at once
_LETTER = 6.7  # width of one in a fixed font of 11 px
_COLOURS = {"event": "#2a78d6", "wait": "#8a8f98", "branch": "#c98500", "pick": "#1a9850", "step": "#7b61c4"}


@dataclass
class _Row:
    """One state as it is drawn: what it does, where it leads (row, on what), how a session may end here."""

    number: int
    line: int
    kind: str
    doing: str
    leads: list[tuple[int, str]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)


def flow_picture(plan: Plan, flow: FlowTable) -> Markup:
    """The picture as SVG; for a flow that runs as a generator, a line that says why."""
    if flow.live is not None:
        return Markup(f"<div>{text(f'runs as the generator that it is: {flow.live}')}</div>")
    rows = _rows(plan, flow)
    forward, back = _lanes(rows)
    left = _LEFT + _LANE * (max(back.values(), default=-1) + 1)
    width = left + _WIDTH + _LANE * (max(forward.values(), default=-1) + 2) + 4
    height = _ROW * len(rows) + 8
    said = text(f"states of the flow {flow.name}")
    top = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{said}" font-family="ui-monospace, monospace" '
        'font-size="11" color="currentColor">'
    )
    parts = [top, *(_box(row, place, left) for place, row in enumerate(rows))]
    for place, row in enumerate(rows):
        for target, why in row.leads:
            if target == place + 1:
                parts.append(_next(place, left, why))
            elif target > place:
                parts.append(_forward(place, target, left, forward[place, target], why))
            else:
                parts.append(_back(place, target, left, back[place, target], why))
    parts.append("</svg>")
    return Markup("".join(parts))


def flow_pictures(plan: Plan) -> str:
    """All flows of a plan; of more than a few, a click opens each."""
    is_open = len(plan.flows) <= _OPEN
    return "".join(
        folded(f"flow {flow.name}", flow_picture(plan, flow), is_open=is_open) for flow in plan.flows
    )


def _rows(plan: Plan, flow: FlowTable) -> list[_Row]:
    states = {state.number: state for state in flow.states}
    does = {number: "; ".join(doings(plan, state)) for number, state in states.items()}

    def is_drawn(number: int) -> bool:
        return bool(does[number]) or len(edges(states[number])) != 1

    def behind(number: int) -> int | None:
        """The state that is drawn for this one: itself, or the first behind it that does something."""
        seen: set[int] = set()
        while not is_drawn(number) and number not in seen:
            seen.add(number)
            target = edges(states[number])[0][0]
            if target is None:
                return None
            number = target
        return number

    drawn = [number for number in states if is_drawn(number)]
    place = {number: row for row, number in enumerate(drawn)}
    rows = []
    for number in drawn:
        state = states[number]
        row = _Row(number, state.span.line, _kind(state), does[number])
        leads: dict[int, list[str]] = {}
        for target, why in edges(state):
            shown = None if target is None else behind(target)
            if shown is not None:
                leads.setdefault(place[shown], []).append(why)
            elif why in ("completed", ""):
                row.ends.append("end")
            else:
                row.ends.append(f"{why}: end" if why in ("yes", "no") else why)
        row.leads = [(to, " or ".join(filter(None, whys))) for to, whys in leads.items()]
        rows.append(row)
    return rows


def _kind(state: State) -> str:
    last = state.terminator
    if isinstance(last, Save) or any(isinstance(operation, Emit) for operation in state.operations):
        return "event"
    if isinstance(last, Wait):
        return "wait"
    if isinstance(last, Branch):
        return "branch"
    if isinstance(last, Pick):
        return "pick"
    return "step"


Arc = tuple[int, int]  # from a row, to a row


def _lanes(rows: list[_Row]) -> tuple[dict[Arc, int], dict[Arc, int]]:
    """A lane for each arc that skips rows: those that go on, and those that go back."""
    arcs = {(place, to) for place, row in enumerate(rows) for to, _ in row.leads if to != place + 1}
    return _packed({arc for arc in arcs if arc[1] > arc[0]}), _packed(
        {arc for arc in arcs if arc[1] <= arc[0]}
    )


def _packed(arcs: set[Arc]) -> dict[Arc, int]:
    """Arc → lane: short ones inside, and two in one lane only where they do not meet, or end as one line."""
    found: dict[Arc, int] = {}
    lanes: list[list[Arc]] = []
    for arc in sorted(arcs, key=lambda arc: (abs(arc[1] - arc[0]), arc)):
        free = (n for n, taken in enumerate(lanes) if not any(_meet(arc, other) for other in taken))
        lane = next(free, len(lanes))
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append(arc)
        found[arc] = lane
    return found


def _meet(one: Arc, other: Arc) -> bool:
    return one[1] != other[1] and max(min(one), min(other)) <= min(max(one), max(other))


def _middle(place: int) -> float:
    return 4 + place * _ROW + _BOX / 2


def _box(row: _Row, place: int, left: int) -> str:
    colour, y = _COLOURS[row.kind], _middle(place)
    ends = " · ".join(row.ends)
    room = int((_WIDTH - 22) / _LETTER) - (len(ends) + 4 if ends else 0)
    label = row.doing if len(row.doing) <= room else row.doing[: room - 1].rstrip() + "…"
    title = text(f"line {row.line}: {row.doing}")
    size = f'y="{y - _BOX / 2:g}" height="{_BOX}"'
    soft = f'fill="{colour}" fill-opacity=".13" stroke="{colour}" stroke-opacity=".55"'
    return "".join(
        (
            f"<g><title>{title}</title>",
            f'<rect x="{left}" {size} width="{_WIDTH}" rx="4" {soft}/>',
            f'<rect x="{left}" {size} width="4" rx="2" fill="{colour}"/>',
            _text(label, left + 12, y + 4),
            _text(str(row.line), left - 6, y + 4, 'opacity=".5" text-anchor="end"'),
            _text(f"◉ {ends}", left + _WIDTH - 8, y + 4, 'text-anchor="end"', "#d0435b") if ends else "",
            "</g>",
        )
    )


def _next(place: int, left: int, why: str) -> str:
    x, top, bottom = left + 22, _middle(place) + _BOX / 2, _middle(place + 1) - _BOX / 2
    return _line(f"M{x} {top:g}V{bottom - 1:g}") + _head(x, bottom, "down") + _why(why, x + 7, top + 10.5)


def _forward(place: int, target: int, left: int, lane: int, why: str) -> str:
    right = left + _WIDTH
    x = right + _LANE * (lane + 1)
    start, end = _middle(place) + 7, _middle(target) - 7
    label = _why(why, right - 12, _middle(place) + _BOX / 2 + 10.5, anchor="end")
    return (
        _line(f"M{right} {start:g}H{x - 4}q4 0 4 4V{end - 4:g}q0 4 -4 4H{right + 1}")
        + _head(right, end, "left")
        + label
    )


def _back(place: int, target: int, left: int, lane: int, why: str) -> str:
    x = left - _LEFT + 8 - _LANE * lane
    start, end = _middle(place) + 8, _middle(target) - 8
    path = f"M{left} {start:g}H{x + 4}q-4 0 -4 -4V{end + 4:g}q0 -4 4 -4H{left - 1}"
    label = _why(why, left + 60, _middle(place) + _BOX / 2 + 10.5)
    return _line(path) + _head(left, end, "right") + label


def _line(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity=".55"/>'


def _head(x: float, y: float, way: str) -> str:
    """The point of an arrow that ends at (x, y)."""
    points = {
        "down": f"{x - 3.5},{y - 6} {x + 3.5},{y - 6} {x},{y}",
        "left": f"{x + 6},{y - 3.5} {x + 6},{y + 3.5} {x},{y}",
        "right": f"{x - 6},{y - 3.5} {x - 6},{y + 3.5} {x},{y}",
    }[way]
    return f'<polygon points="{points}" fill="currentColor" fill-opacity=".7"/>'


def _why(why: str, x: float, y: float, anchor: str = "start") -> str:
    return _text(why, x, y, f'opacity=".65" font-size="10" text-anchor="{anchor}"') if why else ""


def _text(what: str, x: float, y: float, more: str = "", colour: str = "currentColor") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" {more}>{text(what)}</text>'
