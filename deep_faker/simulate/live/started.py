"""What a generator is told of the event that has started its flow."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deep_faker.plan.rates import On
from deep_faker.plan.storage import to_python
from deep_faker.simulate.arrays import I64


def started_by(on: On | None, words: I64 | None) -> Mapping[str, object]:
    """``ctx.current_event_data`` before the flow's first event; ``words`` of one arrival, see `On.values`."""
    if on is None or words is None:
        return MappingProxyType({})
    data: dict[str, object] = {"event_type": on.event}
    for (name, (values, nulls)), (_, type_) in zip(on.values(words[None, :]).items(), on.fields, strict=True):
        data[name] = to_python(values, nulls, type_, ())[0]
    return MappingProxyType(data)
