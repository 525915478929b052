"""Events, entities and their fields under the name that the first deep_faker had for them."""

from deep_faker.declare.schema import BaseEvent, Entity, Field, StateField

__all__ = ["BaseEvent", "Entity", "Field", "StateField"]
