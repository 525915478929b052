"""Whether a type's validation runs code that is not pydantic's own: its results may be anything."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from deep_faker.declare.schema.kinds import Schemas, adapter, shape_of

SILENT = ("serialization", "metadata", "default")
"""Parts of a core schema that validation does not run."""


def runs_code(schema: object, refs: Schemas, seen: frozenset[str] = frozenset()) -> bool:
    """Whether validating by a core schema runs code of the user's.

    >>> from typing import Annotated
    >>> from pydantic import AfterValidator
    >>> lowered = Annotated[str, AfterValidator(str.lower)]
    >>> [runs_code(adapter(type_).core_schema, {}) for type_ in (list[int], list[lowered])]
    [False, True]
    """
    if isinstance(schema, (list, tuple)):
        return any(runs_code(part, refs, seen) for part in schema)
    if not isinstance(schema, Mapping):
        return False
    kind = schema.get("type")
    if kind == "definitions":
        refs = {**refs, **{definition["ref"]: definition for definition in schema["definitions"]}}
    if kind == "definition-ref":
        ref = schema["schema_ref"]
        return ref not in seen and runs_code(refs.get(ref), refs, seen | {ref})
    if isinstance(kind, str) and kind.startswith("function-"):
        return True
    if schema.get("custom_init") or schema.get("post_init") or schema.get("missing"):
        return True
    return any(runs_code(part, refs, seen) for key, part in schema.items() if key not in SILENT)


@functools.lru_cache(maxsize=1024)
def maker_of(annotation: object) -> Callable[[object], object] | None:
    """What makes values of a type out of how they are written; None for plain types, and user code.

    What the type does not take stays as it is, for the event's own validation to refuse.

    >>> maker_of(tuple[int, str])([1, "a"])
    (1, 'a')
    """
    if shape_of(annotation).reason is None or runs_code(adapter(annotation).core_schema, {}):
        return None
    validate = adapter(annotation).validate_python

    def make(value: object) -> object:
        try:
            return validate(value)
        except ValueError:
            return value

    return make
