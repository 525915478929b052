"""The entities that a world begins with: from the user's mapping to their specs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from deep_faker.compile.declare_flow import FlowDeclaration
from deep_faker.declare.schema import Entity, EntitySpec, entity_spec, is_entity
from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.spans import Span


def initial_specs(
    initial: Mapping[type[Entity] | str, int], flows: Sequence[FlowDeclaration], span: Span | None
) -> list[tuple[EntitySpec, int]]:
    """How many of which; raises `SettingsError` for a name that no class has."""
    known = {cls.__name__: cls for cls in _entity_classes(Entity)}
    # several classes of one name may live in a process: those meant stand where the flows do
    for flow in flows:
        names = flow.bound.function.__globals__
        known |= {name: names[name] for name in known if is_entity(names.get(name))}
    out = []
    for key, count in initial.items():
        cls = known.get(key) if isinstance(key, str) else _newest(key, known)
        if cls is None:
            raise SettingsError(
                Diagnostic(
                    f"unknown entity {key!r} in initial_entities",
                    span,
                    f"no Entity class has the name {key!r}",
                    near(str(key), sorted(known)) or "declare the class before the run",
                )
            )
        out.append((entity_spec(cls), count))
    return out


def _newest(cls: type[Entity], known: Mapping[str, type[Entity]]) -> type[Entity]:
    """The class, or what a cell of a notebook that was run again has put in its place."""
    now = known.get(cls.__name__, cls)
    same = (now.__module__, now.__qualname__) == (cls.__module__, cls.__qualname__)
    return now if same and "<locals>" not in cls.__qualname__ else cls


def _entity_classes(cls: type[Entity]) -> Iterator[type[Entity]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _entity_classes(sub)
