"""Fields of an event that an entity's key fills (F5): which entity that is on which path."""

from __future__ import annotations

import ast

from deep_faker.compile.graph.holding import HOLDING, Holding
from deep_faker.compile.lower.emission import Emission
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.operands import decides
from deep_faker.compile.read.scopes import Emitting
from deep_faker.declare.schema import FieldSpec
from deep_faker.plan import Held, Need


def keys_of(low: Lowering, value: Emitting) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Fields filled by the key of an entity that is held for certain; those that depend on the run."""
    holding = low.ask(value.node)
    keys: dict[str, str] = {}
    asked: dict[str, list[str]] = {}
    for field in value.event.fields:
        if field.name in value.fields:
            continue
        if value.save is not None and value.save.primary_key == field.name:
            if field.generator is None and not field.has_default:
                raise _no_key(low, value, field, value.save.name)
            continue
        owners = [
            spec.name
            for spec in low.registry.entities.values()
            if spec.primary_key == field.name and (value.save is None or value.save.name != spec.name)
        ]
        if holding.known:
            _key_of(low, value, field, owners, holding, keys, asked)
        elif owners and field.generator is None and not field.has_default:
            keys[field.name] = owners[0]
    return keys, asked


def _key_of(
    low: Lowering,
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
        raise _no_source(low, value, field, owners, holding)
    elif owners and field.generator is not None:
        _warn_generated_key(low, value, field, owners[0])


def _no_source(
    low: Lowering, value: Emitting, field: FieldSpec, owners: list[str], holding: Holding
) -> Exception:
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
    return low.wrong(value.node, "a required field is empty", label, mend)


def _no_key(low: Lowering, value: Emitting, field: FieldSpec, entity: str) -> Exception:
    label = f"{value.event.name}.{field.name} is the key of the {entity} born here, and nothing makes it"
    mend = f'give it Field(faker="uuid4") or the like, or NewEvent(ctx, {value.event.name}, {field.name}=…)'
    return low.wrong(value.node, "a key that nothing makes", label, mend)


def _warn_generated_key(low: Lowering, value: Emitting, field: FieldSpec, owner: str) -> None:
    label = f"{value.event.name}.{field.name} is generated: this flow holds no {owner} here"
    mend = f"yield Select(ctx, {owner}) before it for the key of a {owner} that exists, or rename the field"
    low.warn(value.node, "a key of no entity", label, mend)


def need_keys(low: Lowering, emission: Emission, node: ast.expr) -> None:
    """Without an entity whose key fills the event, the flow ends before ``mutate`` is looked at (S5)."""
    home = emission.made.home
    if home is None or (home is low.current and not any(map(decides, emission.made.after()))):
        return
    for entity in emission.keys.values():
        handle = low.fresh()
        emission.made.insert([Held(handle, entity), Need(handle, low.place(node))])
