"""Fields of an event that an entity's key fills (F5): which entity that is on which path."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from deep_faker.compile.graph.holding import HOLDING, Holding
from deep_faker.compile.graph.ir import Op
from deep_faker.compile.lower.context import OwnEvent
from deep_faker.compile.lower.expressions import decides
from deep_faker.compile.lower.waits import Decays
from deep_faker.compile.read.values import Emitting
from deep_faker.declare.schema import FieldSpec
from deep_faker.errors import Diagnostic
from deep_faker.plan import Held, Need


class Keys(Decays):
    """Finds the keys that fill an event."""

    warnings: dict[object, Diagnostic]

    def _keys(self, value: Emitting) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Fields filled by the key of an entity that is held for certain; those that depend on the run."""
        holding = self.ask(value.node)
        keys: dict[str, str] = {}
        asked: dict[str, list[str]] = {}
        for field in value.event.fields:
            if field.name in value.fields or (
                value.save is not None and value.save.primary_key == field.name
            ):
                continue
            owners = [
                spec.name
                for spec in self.registry.entities.values()
                if spec.primary_key == field.name and (value.save is None or value.save.name != spec.name)
            ]
            if holding.known:
                self._key_of(value, field, owners, holding, keys, asked)
            elif owners and field.generator is None and not field.has_default:
                keys[field.name] = owners[0]
        return keys, asked

    def _key_of(
        self,
        value: Emitting,
        field: FieldSpec,
        owners: list[str],
        holding: Holding,
        keys: dict[str, str],
        asked: dict[str, list[str]],
    ) -> None:
        maybe = [name for name in owners if holding.of(name) & HOLDING]
        sure = next((name for name in maybe if holding.is_held(name)), None)
        optional = field.generator is not None or field.has_default
        if maybe and maybe[0] == sure:
            keys[field.name] = sure
        elif maybe and not optional and len(maybe) == 1:
            keys[field.name] = maybe[0]  # without one the flow ends there
        elif maybe:
            asked[field.name] = maybe
        elif not optional:
            raise self._no_source(value, field, owners, holding)
        elif owners and field.generator is not None:
            self._warn_generated_key(value, field, owners[0])

    def _no_source(self, value: Emitting, field: FieldSpec, owners: list[str], holding: Holding) -> Exception:
        name = f"{value.event.name}.{field.name}"
        if any("empty" in holding.of(owner) for owner in owners):
            label = f"{name} is the key of {owners[0]}, and there is none on this path"
        elif owners:
            label = f"{name} is the key of {owners[0]}, which this flow does not hold here"
        else:
            label = f"{name} has no generator, no default, and no entity's key fills it"
        mend = f"give it: NewEvent(ctx, {value.event.name}, {field.name}=…), or Field(faker=…)"
        if owners:
            mend = f"yield Select(ctx, {owners[0]}) before it, or {mend}"
        return self.wrong(value.node, "a required field is empty", label, mend)

    def _warn_generated_key(self, value: Emitting, field: FieldSpec, owner: str) -> None:
        span = self.span(value.node)
        label = f"{value.event.name}.{field.name} is generated: this flow holds no {owner} here"
        mend = (
            f"yield Select(ctx, {owner}) before it for the key of a {owner} that exists, or rename the field"
        )
        self.warnings[span] = Diagnostic("a key of no entity", span, label, mend)

    def _need_keys(self, own: OwnEvent, keys: Mapping[str, str], node: ast.expr) -> None:
        """Without an entity whose key fills the event, the flow ends before ``mutate`` is looked at (S5)."""
        if own.home is None:
            return
        following = own.home.ops[own.place :]
        if own.home is self.current and not any(map(decides, following)):
            return
        for entity in keys.values():
            handle = self.fresh()
            need: list[Op] = [Held(handle, entity), Need(handle, self.place(node))]
            own.home.ops[own.place : own.place] = need
            own.place += len(need)
