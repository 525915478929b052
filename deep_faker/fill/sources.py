"""Where a field of a site has its values from: decided once for the site, not again for every chunk.

The engine hands them over, they are keys of entities, a generator makes them, or they are the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from deep_faker.declare.schema import MISSING, FieldSpec, Rejection, validate_value
from deep_faker.errors import InvalidValueError
from deep_faker.fill.binding import Binding, Maker, invalid_value
from deep_faker.plan import Array, Site, SiteRows, Type
from deep_faker.plan.conversion import UnstorableError, convert, to_arrow_list
from deep_faker.plan.storage import to_arrow, to_python
from deep_faker.values import Rows

# A list where the field's own validators have still to see what the flow gave, when the event is made.
Values: TypeAlias = pa.Array | list[object]

_KINDS = {"code": "str", "object": "json", "entity": "json"}
_NO_ROWS = Rows(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class SiteField:
    """A field of the events of one site."""

    site: Site
    field: FieldSpec

    def lax(self, values: list[object]) -> Values:
        """Values that the flow gave, of another kind than the field's: pydantic decides on each (V1)."""
        if self.field.row_validated is not None:
            return values  # a field's own validators run once, with the whole event
        valid: list[object] = []
        for value in values:
            parsed = value if value is None else validate_value(self.field, value)
            if isinstance(parsed, Rejection):
                raise self._invalid(value, parsed.reason)
            valid.append(parsed)
        return self.stored(valid)

    def stored(self, values: list[object]) -> pa.Array:
        """Values of the field's own type as a column. Raises `InvalidValueError` for one without a place."""
        try:
            return to_arrow_list(values, self.field)
        except UnstorableError as error:
            raise self._invalid(error.value, error.reason, error.mend) from None

    def _invalid(self, value: object, reason: str, mend: str | None = None) -> InvalidValueError:
        return invalid_value(self.site.event, self.field, value, reason, self.site.span, mend)


@dataclass(frozen=True, slots=True)
class Handed:
    """The engine hands the values over, stored as ``type_``."""

    place: SiteField
    type_: Type
    texts: Sequence[str]

    @property
    def coded(self) -> bool:
        return self.type_.kind == "code"

    def values(self, rows: SiteRows, rank: Array | None) -> Values:
        del rank
        field, type_ = self.place.field, self.type_
        values, nulls = rows.values[field.name], rows.nulls.get(field.name)
        if type_.kind in ("object", "none"):
            # values of mixed types: what pydantic makes of each decides (V1)
            return self.place.lax([None] * len(values) if type_.kind == "none" else values.tolist())
        try:
            array = to_arrow(values, nulls, type_, self.texts)
        except UnicodeEncodeError:
            return self.place.stored(to_python(values, nulls, type_, self.texts))
        kind = _KINDS.get(type_.kind, type_.kind)
        if kind == field.kind or (kind, field.kind) in (("int", "float"), ("date", "datetime")):
            return convert(array, kind, field)
        return self.place.lax(array.to_pylist())


@dataclass(frozen=True, slots=True)
class KeyOf:
    """The key of an entity, whose number the engine tells."""

    entity: str
    field: str
    binding: Binding

    coded = False

    def numbers(self, rows: SiteRows) -> Array:
        """The entities' numbers."""
        return rows.keys[self.field]

    def values(self, rows: SiteRows, rank: Array | None) -> Values:
        del rank
        return self.binding.key_column(self.entity, self.numbers(rows))


@dataclass(frozen=True, slots=True)
class Generated:
    """The field's generator makes the values."""

    maker: Maker

    @property
    def coded(self) -> bool:
        return bool(pa.types.is_dictionary(self.maker.type))

    def values(self, rows: SiteRows, rank: Array | None) -> Values:
        """The values; none yet of a field that depends on others, which are to be there first."""
        if self.maker.needs:
            return self.maker.column(_NO_ROWS)
        return self.maker.column(self.rows(rows, rank))

    def rows(self, rows: SiteRows, rank: Array | None = None) -> Rows:
        """The site's rows as makers are asked for them; ``rank``: their places in the stream, if wanted."""
        plain = Rows(rows.flow.astype(np.uint64), rows.action.astype(np.uint64), rows.clock)
        return plain if rank is None else replace(plain, rank=rank.astype(np.uint64))


@dataclass(frozen=True, slots=True)
class Default:
    """The field's own default."""

    place: SiteField

    coded = True

    def values(self, rows: SiteRows, rank: Array | None) -> Values:
        del rank
        field, n = self.place.field, len(rows.flow)
        if field.takes_data:
            return [MISSING] * n  # pydantic makes it with the event
        if field.default_factory is not None:
            return self.place.lax([field.make_default() for _ in range(n)])
        if field.row_validated is not None:
            return self.place.lax([field.default] * n)
        return self.place.stored([field.default]).take(pa.array(np.zeros(n, np.int64)))


Source: TypeAlias = Handed | KeyOf | Generated | Default


class Sources:
    """The sources of all fields of a run's sites, each decided when it is first asked for.

    An engine that runs live flows adds the sites that it meets: it shares its list with `use_sites`.
    """

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._plan = binding.plan
        self.sites: Sequence[Site] = binding.plan.sites
        self._decided: dict[tuple[int, str, bool], Source] = {}

    def use_sites(self, sites: Sequence[Site]) -> None:
        """Look sites up in ``sites``, which begins with the plan's and may grow during the run."""
        self.sites = sites

    def of(self, rows: SiteRows, field: FieldSpec) -> Source:
        """The source of a field in some rows of a site.

        Early fields are handed over by engines that have them as columns, and left to their makers by others.
        """
        return self._of(self.sites[rows.site], field, handed=field.name in rows.values)

    def planned(self, site: Site, field: FieldSpec) -> Source:
        """The source of a field of a site where all is handed over that the plan names."""
        return self._of(site, field, handed=field.name in site.bound)

    def is_key(self, site: Site, field: FieldSpec) -> bool:
        """Whether the field holds the key of an entity, also where the engine hands that over as a value."""
        return field.name in site.keys or self._is_own_key(site, field)

    def _of(self, site: Site, field: FieldSpec, *, handed: bool) -> Source:
        asked = (site.number, field.name, handed)
        source = self._decided.get(asked)
        if source is None:
            source = self._decided[asked] = self._decide(site, field, handed=handed)
        return source

    def _decide(self, site: Site, field: FieldSpec, *, handed: bool) -> Source:
        if handed:
            return Handed(SiteField(site, field), site.bound[field.name], self._plan.texts)
        if site.save is not None and self._is_own_key(site, field):
            return KeyOf(site.save, field.name, self._binding)
        if field.name in site.keys:
            return KeyOf(site.keys[field.name], field.name, self._binding)
        if field.generator is None:
            return Default(SiteField(site, field))
        return Generated(self._binding.makers[site.event, field.name])

    def _is_own_key(self, site: Site, field: FieldSpec) -> bool:
        """Whether the field holds the key of the entity that the site's event saves."""
        return site.save is not None and self._plan.entities[site.save].spec.primary_key == field.name
