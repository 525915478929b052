"""`EntityManager`: the first deep_faker's name for what looks at all entities."""

from deep_faker.declare.context import GlobalContext as EntityManager

__all__ = ["EntityManager"]
