"""Parts of a world: what one of P independent parts is, as a smaller plan; what cannot be divided.

Engines know of parts only by their `Draws`: keys of draws have the part in them, and counters of ids are
strided, number n of part p being n * P + p.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deep_faker.errors import DeclarationError, Diagnostic, wrong_setting
from deep_faker.plan.replicated import check_replicated
from deep_faker.plan.settings import Settings
from deep_faker.plan.tables import Plan

MOST_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class WorldPart:
    """Part ``number`` of ``of``; the only one of one is the whole world.

    >>> WorldPart(3, 8).share(10), WorldPart(0, 8).share(10)
    (1, 2)
    """

    number: int = 0
    of: int = 1

    def share(self, count: int) -> int:
        """What this part has of ``count``: remainders go to the first parts.

        >>> [WorldPart(number, 4).share(10) for number in range(4)]
        [3, 3, 2, 2]
        """
        return count // self.of + (self.number < count % self.of)


WHOLE = WorldPart()


def plan_of(plan: Plan, part: WorldPart) -> Plan:
    """The plan of one part of the world that ``plan`` is: the same, with its share of the settings.

    Raises `SettingsError` for a count that is too small to be divided, `DeclarationError` for an entity whose
    keys cannot be told apart over parts, or whose changes in all of them cannot be put together.
    """
    if part.of == 1:
        return plan
    check_parts(plan, part.of)
    return replace(plan, settings=_shared(plan, part))


def check_parts(plan: Plan, partitions: int) -> None:
    """Raise where the world of ``plan`` cannot be split into so many parts: see `plan_of`."""
    if partitions == 1:
        return
    settings = plan.settings
    counts = {"n_flows": settings.n_flows, "starts_per_step": settings.starts_per_step}
    divided = {name: count for name, count in settings.initial if not plan.entities[name].spec.replicated}
    counts |= {f"initial_entities[{name}]": count for name, count in divided.items()}
    for name, count in counts.items():
        if count and count < partitions:
            mend = f"take at most {count:,}: {name}={count:,}, and each part has one at least"
            if name.startswith("initial"):
                mend += "; or let each part have all of them: replicated = True in the class"
            raise wrong_setting("partitions", partitions, mend)
    for entity in plan.entities.values():
        if entity.spec.replicated:
            check_replicated(plan, entity)
        elif entity.key_mode == "stored":
            key, field = entity.spec.primary_key, entity.spec.key_field
            label = (
                f"{entity.name}.{key} is given by a flow, or by a generator that may give a value twice: "
                f"no part knows the keys of the {partitions - 1:,} others"
            )
            mend = "let it be made by shortuuid, uuid4, Sequence or with unique=True, or leave partitions out"
            span = (field.span if field is not None else None) or entity.spec.span
            raise DeclarationError(Diagnostic("keys that cannot be split into parts", span, label, mend))


def _shared(plan: Plan, part: WorldPart) -> Settings:
    def share(count: int | None) -> int | None:
        return None if count is None else part.share(count)

    settings, entities = plan.settings, plan.entities
    # the replicated come first: their flow numbers, by which they are drawn, are the same in all parts
    initial = sorted(settings.initial, key=lambda item: not entities[item[0]].spec.replicated)
    return replace(
        settings,
        n_flows=share(settings.n_flows),
        starts_per_step=share(settings.starts_per_step),
        initial=tuple(
            (name, count if entities[name].spec.replicated else part.share(count)) for name, count in initial
        ),
    )
