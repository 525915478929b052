"""A compiled flow as a Mermaid state diagram."""

from __future__ import annotations

from collections.abc import Iterator

from deep_faker.compile.explain.wording import doings, edges
from deep_faker.plan import FlowTable, Plan

_LONGEST = 60
# Characters that mean something to Mermaid, with what reads the same.
_PLAIN = str.maketrans(
    {'"': "'", ":": " ", ";": ",", "#": "no. ", "{": "(", "}": ")", "<": "‹", ">": "›", "%": "pct"}
)


def diagram(plan: Plan, flow: FlowTable) -> Iterator[str]:
    """The lines of a ``stateDiagram-v2``: paste them into any Markdown that draws Mermaid."""
    yield "stateDiagram-v2"
    yield "    [*] --> s0"
    for state in flow.states:
        doing = "; ".join(doings(plan, state))
        yield f"    s{state.number} : {label(f'{state.span.line} {doing}')}"
        for target, why in edges(state):
            end = "[*]" if target is None else f"s{target}"
            yield f"    s{state.number} --> {end}" + (f" : {label(why)}" if why else "")


def label(text: str) -> str:
    """A text that Mermaid takes as it is."""
    plain = " ".join(text.translate(_PLAIN).split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1].rstrip() + "…"
