"""The first events of a simulation: lines of JSON that a notebook shows as a table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deep_faker.markup import Markup, page, table

if TYPE_CHECKING:
    import polars as pl


class Preview(list[str]):
    """What ``sim.preview()`` gives: a list of JSON lines, one an event.

    >>> Preview(['{"sys__ets":0,"size":3,"event_type":"Ping"}']).frame().columns
    ['sys__ets', 'event_type', 'size']
    """

    __slots__ = ()

    def frame(self) -> pl.DataFrame:
        """A Polars frame: what all events have, then every field of any, null where a type lacks it."""
        import polars as pl

        events = self._events()
        names = list(dict.fromkeys(name for event in events for name in event if name != "event_type"))
        common = [name for name in names if name.startswith("sys__")]
        order = [*common, "event_type", *(name for name in names if name not in common)]
        return (
            pl.DataFrame(events, infer_schema_length=None, strict=False).select(order)
            if events
            else pl.DataFrame()
        )

    def _events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self]

    def _repr_html_(self) -> str:
        """One row an event: when, which, and its fields as they are written."""
        rows = []
        for event in self._events():
            when = datetime.fromtimestamp(event["sys__ets"] / 1000, UTC)
            fields = {k: v for k, v in event.items() if k != "event_type" and not k.startswith("sys__")}
            said = ", ".join(
                f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()
            )
            shown = Markup(f'<span class="when">{when:%Y-%m-%d %H:%M:%S}</span>')
            rows.append((shown, event["event_type"], said))
        return page(table(("time", "event", "fields"), rows))
