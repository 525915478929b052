"""What ``sim.explain()`` gives: a text that is also a page of HTML, and Mermaid diagrams."""

from __future__ import annotations

import re

from deep_faker.markup import folded, page, table, verbatim
from deep_faker.plan import Plan
from deep_faker.show.flow_picture import flow_pictures

_SAID = re.compile(r"^(simulation|flows|engine|at the start|native:|row by row:) +(.*)$", flags=re.MULTILINE)


class Explanation(str):
    """The text of ``sim.explain()``, which a notebook shows with pictures of the flows.

    ``html`` is that page, ``mermaid`` has each flow's state diagram for what draws Mermaid, by its name.
    """

    __slots__ = ("_plan",)
    _plan: Plan

    @classmethod
    def of(cls, text: str, plan: Plan) -> Explanation:
        """The text, and the plan that it tells of."""
        made = cls(text)
        made._plan = plan
        return made

    @property
    def mermaid(self) -> dict[str, str]:
        """Name of a flow → its diagram; flows that run as generators have none."""
        from deep_faker.compile.explain.diagram import diagram

        flows = (flow for flow in self._plan.flows if flow.live is None)
        return {flow.name: "\n".join(diagram(self._plan, flow)) for flow in flows}

    @property
    def html(self) -> str:
        """The page as HTML, which needs nothing else: the head, pictures, and the whole text folded."""
        said = [(what.rstrip(":"), rest) for what, rest in _SAID.findall(self)]
        return page(
            table(("", ""), said), flow_pictures(self._plan), folded("all of it, as text", verbatim(self))
        )

    def _repr_html_(self) -> str:
        return self.html

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        """A terminal's IPython shows the text as it is, not its repr."""
        printer.text(str(self))  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # the plan has functions of the user, which cannot be pickled
