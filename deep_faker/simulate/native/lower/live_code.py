"""The code of flows that run as generators: instructions for all that they may ask for.

Such a flow comes to an ``O_ESCAPE``; Python resumes its generator until that asks for something, and sends
the flow on to the instruction that serves it. From there it comes to an ``O_ESCAPE`` again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from deep_faker.plan import FlowTable, Plan
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.escapes import Batch, Escape
from deep_faker.simulate.native.lower.assembler import Code, Frame
from deep_faker.simulate.native.lower.forms import Forms
from deep_faker.simulate.native.rows import WorldRows

OUTCOME, LINE = 0, 1  # the registers of a flow's end


@dataclass
class LiveCode:
    """Places in the code: where live flows begin and ``resume``; where they wait, end, save and pick.

    ``picks``: by filter of the plan; ``saves`` and ``unlisted`` (picks that fit no filter): by type.
    """

    resume: int
    park: int = 0
    over: int = 0
    saves: list[int] = field(default_factory=list)
    picks: list[int] = field(default_factory=list)
    unlisted: list[int] = field(default_factory=list)


def write_live(
    flows: list[FlowTable], plan: Plan, world: WorldRows, code: Code, escapes: list[Escape], forms: Forms
) -> tuple[LiveCode, Frame]:
    """The code that all live flows share."""
    frame = Frame(code, {}, plan.texts)
    for name in ("#outcome", "#line"):
        frame.register(name)
    assert (frame.register("#outcome"), frame.register("#line")) == (OUTCOME, LINE)
    for flow in flows:
        what = f"runs as the generator that it is: {flow.live}"
        forms.python.append((flow.name, flow.live_span or flow.span, what))

    def escape(*, in_turn: bool) -> int:
        resumption = Escape(flows[0], frame, _nothing, "", "", flows[0].span, in_turn=in_turn, live=True)
        escapes.append(resumption)
        return len(escapes) - 1

    out = LiveCode(len(code.words))
    code.put(layout.O_ESCAPE, escape(in_turn=False))
    born = escape(in_turn=True)  # births are described in the order of T9, as those of compiled flows are
    out.park = len(code.words)
    code.put(layout.O_PARK, out.resume)
    out.over = len(code.words)
    code.put(layout.O_OVER, OUTCOME, LINE)
    for e in range(len(world.entities)):
        out.saves.append(len(code.words))
        code.put(layout.O_SAVE, e, layout.O_ESCAPE, born)
        out.unlisted.append(len(code.words))
        code.put(
            layout.O_PICK_OWN, len(plan.filters) + 2 * e, out.resume, 0, -2
        )  # -2: it is written down since when
    for f in plan.filters:
        out.picks.append(len(code.words))
        code.put(layout.O_ASK, f.number, -1, out.resume, -2)
    return out, frame


def _nothing(batch: Batch) -> NoReturn:
    raise AssertionError(f"a generator is no escape for {len(batch)} flows")
