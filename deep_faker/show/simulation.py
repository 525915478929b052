"""A simulation in a notebook: its settings, what is wrong with it, its types, and pictures of its flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deep_faker.errors import DeclarationError
from deep_faker.markup import line, page, table, verbatim
from deep_faker.plan import Plan
from deep_faker.show.flow_picture import flow_pictures
from deep_faker.show.schemas import all_schemas


def simulation_page(settings: Mapping[str, object], compiled: Callable[[], Plan]) -> str:
    """The page. What does not compile is shown with what would be raised for it."""
    said = {**settings, "params": _params(settings.get("params"))}
    rows = [(name, _said(value)) for name, value in said.items() if value is not None]
    shown = table(("setting", ""), rows, title="Simulation")
    try:
        plan = compiled()
    except DeclarationError as error:
        return page(shown, line("it does not compile yet:"), verbatim(error))
    return page(shown, flow_pictures(plan), all_schemas(plan))


def _params(params: object) -> str | None:
    """Parameters as they are declared; nothing where there are none."""
    pairs = params.items() if isinstance(params, Mapping) else ()
    return ", ".join(f"{name}={value!r}" for name, value in pairs) or None


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return (
            ", ".join(f"{count:,} {getattr(cls, '__name__', cls)}" for cls, count in value.items()) or "none"
        )
    return str(value)
