"""Which `Site` a live flow's event belongs to: a compiled one where one fits, else one made for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

from deep_faker.declare.schema import EventSpec
from deep_faker.draws.distributions.declared import Distribution
from deep_faker.plan import Plan, Site, Type
from deep_faker.plan.storage import one_from_storage, one_to_storage
from deep_faker.spans import Span

_Shape = tuple[str, str, frozenset[str], frozenset[tuple[str, str]], str | None, Distribution | None]


class Sites(Sequence[Site]):
    """The plan's sites, and behind them those made on demand; numbers are positions.

    A site made on demand hands over its values as Python objects.
    """

    def __init__(self, plan: Plan) -> None:
        self.texts = plan.texts
        self._sites = list(plan.sites)
        self._keys = {name: entity.spec.primary_key for name, entity in plan.entities.items()}
        self._by_shape: dict[_Shape, list[Site]] = {}
        self._on_demand: dict[_Shape, Site] = {}
        for site in plan.sites:
            own_key = self._keys.get(site.save or "")
            keys = frozenset(pair for pair in site.keys.items() if pair[0] != own_key)
            arguments = frozenset(site.bound).difference(site.early)
            shape = (site.flow or "", site.event, arguments, keys, site.save, site.arrives)
            self._by_shape.setdefault(shape, []).append(site)

    def find(
        self,
        flow: str,
        event: EventSpec,
        arguments: Mapping[str, object],
        owners: Mapping[str, str],
        save: str | None,
        span: Span,
        arrives: Distribution | None = None,
    ) -> Site:
        """The site of an event whose fields ``arguments`` have values, and ``owners`` the keys of entities.

        Early fields need no value here: the columns make the same one.
        """
        own_key = self._keys.get(save or "")
        keys = frozenset(pair for pair in owners.items() if pair[0] != own_key)
        shape = (flow, event.name, frozenset(arguments), keys, save, arrives)
        candidates = self._by_shape.get(shape, ())
        # A loop that was unrolled has several sites on one line, whose values are of different types.
        for fits in (self._keeps, self._takes):
            fitting = [site for site in candidates if fits(site, arguments)]
            for site in fitting:
                if site.span.line <= span.line <= (site.span.end_line or site.span.line):
                    return site
            if fitting:
                return fitting[0]
        if shape not in self._on_demand:
            self._on_demand[shape] = self._make(shape, event, span)
        return self._on_demand[shape]

    def _keeps(self, site: Site, arguments: Mapping[str, object]) -> bool:
        """Whether the site's columns give back these very values."""
        try:
            for name, value in arguments.items():
                stored, null = one_to_storage(value, site.bound[name], self.texts)
                if type(one_from_storage(stored, null, site.bound[name], self.texts)) is not type(value):
                    return False
        except (TypeError, ValueError, OverflowError):
            return False
        return True

    def _takes(self, site: Site, arguments: Mapping[str, object]) -> bool:
        """Whether the site's columns hold these values, converted if need be (V1)."""
        try:
            for name, value in arguments.items():
                if site.bound[name].kind == "none" and value is not None:
                    return False
                one_to_storage(value, site.bound[name], self.texts)
        except (TypeError, ValueError, OverflowError):
            return False
        return True

    def _make(self, shape: _Shape, event: EventSpec, span: Span) -> Site:
        flow, name, arguments, keys, save, arrives = shape
        filled = {*arguments, *(key for key, _ in keys), self._keys.get(save or "")}
        others = [field for field in event.fields if field.name not in filled]
        site = Site(
            number=len(self._sites),
            event=name,
            bound={field: Type("object") for field in sorted(arguments)},
            keys=dict(sorted(keys)),
            free=tuple(field.name for field in others if field.generator is not None),
            defaults=tuple(field.name for field in others if field.generator is None),
            early=(),
            save=save,
            span=span,
            flow=flow,
            arrives=arrives,
        )
        self._sites.append(site)
        return site

    @overload
    def __getitem__(self, index: int) -> Site: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Site]: ...
    def __getitem__(self, index: int | slice) -> Site | Sequence[Site]:
        return self._sites[index]

    def __len__(self) -> int:
        return len(self._sites)

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites)
