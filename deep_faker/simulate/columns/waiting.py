"""The source of a wait: how long, whether the flow decays, and when it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deep_faker.plan import Wait
from deep_faker.simulate.columns.source import CUT, DECAYED, LATE
from deep_faker.simulate.columns.wait_code import wait_source
from deep_faker.simulate.liveness import columns_of

if TYPE_CHECKING:
    from deep_faker.simulate.columns.decision_code import DecisionCode
    from deep_faker.simulate.columns.flow_source import FlowSource


def write_wait(code: FlowSource, terminator: Wait, decisions: DecisionCode | None) -> None:
    """Write a wait, what it may decay to, and what goes on at once as it ends within the step."""
    out, settings = code.out, code.plan.settings
    dead = code.world.places.end_gid(code.flow, terminator, DECAYED)
    following = code.gids[terminator.next]
    out.add(*wait_source(code.world, code.scope, terminator))
    if terminator.queue:
        after = f"np.minimum(new__, {settings.end})" if settings.on_end == "cut" else "new__"
        out.add(f"S.waited.a[rows__] += {after} - clock__")
    rate = terminator.rate
    certain = isinstance(rate, (int, float)) and rate <= 0
    if not certain:
        key = code.world.draws.key("decay")
        out.add(f"dead__ = unit(mix({key}, number__, action__.view(np.uint64))) < rate__")
        if decisions is not None:
            decisions.decay(terminator)
        out.add(f"state__ = np.where(dead__, np.uint16({dead}), np.uint16({following}))")
    else:
        out.add(f"state__ = {following}")
    if settings.on_end == "cut":
        cut = code.world.places.end_gid(code.flow, terminator, CUT)
        late = code.world.places.end_gid(code.flow, terminator, LATE)
        out.add(f"over__ = new__ >= {settings.end}", f"late__ = over__ & (new__ < {settings.last})")
        if not certain:
            out.add("late__ &= ~dead__")
        out.add("if over__.any():")
        out.add(f"    state__ = np.where(over__, np.uint16({cut}), state__)")
        out.add(f"    state__ = np.where(late__, np.uint16({late}), state__)")
        out.add(f"    new__ = np.where(over__ & ~late__, {settings.end}, new__)")
    stored = [
        n
        for n in columns_of(sorted(code.live[terminator.next]), code.types)
        if n not in ("number__", "clock__")
    ]
    if "mark__" in stored:
        out.add("mark__ = np.where(new__ > clock__, action__, mark__)")
    places = [(name, code.column(name)) for name in stored]
    out.add(*(f"{column}.a[rows__] = {name}" for name, column in places))
    # Most waits are longer than a step; the others go on at once.
    out.add("soon__ = S.park(rows__, new__, state__, E.t1)", "if soon__ is not None:")
    out.indent += 1
    out.add("clock__ = new__")
    if settings.on_end == "cut":
        line = terminator.span.line
        out.add(f"if over__.any() and {settings.end} < E.t1:")
        out.indent += 1
        out.add("at__ = flatnonzero(over__ & ~late__)")
        out.add(f"end(rows__[at__], {CUT}, {line}, clock__[at__], events__[at__])")
        out.add("at__ = flatnonzero(late__)", "if len(at__):")
        out.add(f"    cut(rows__[at__], {line}, events__[at__])")
        out.indent += 1
        code.push(terminator.next, "at__")
        out.indent -= 2
        out.add("soon__ &= ~over__")
    if certain:
        out.add("at__ = flatnonzero(soon__)")
    else:
        out.add("at__ = flatnonzero(soon__ & dead__)")
        line = terminator.span.line
        out.add(f"end(rows__[at__], {DECAYED}, {line}, clock__[at__], events__[at__])")
        out.add("at__ = flatnonzero(soon__ & ~dead__)")
    out.add("if len(at__):")
    out.indent += 1
    code.push(terminator.next, "at__")
    out.indent -= 2
