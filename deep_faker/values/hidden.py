"""A user's own ``faker.py`` is found where the library is looked for: that is said, and not what follows.

It is looked for when the providers are imported, which is before the libraries are.
"""

from __future__ import annotations

from importlib.util import find_spec

from deep_faker.errors import DeclarationError, Diagnostic

_LIBRARIES = ("faker", "mimesis")


def refuse_hidden() -> None:
    """Raise `DeclarationError` where a file of another has the name of a library."""
    for name in _LIBRARIES:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is None:
            label = f"`import {name}` finds {spec.origin} and not the library of that name"
            raise DeclarationError(Diagnostic(f"{name} is hidden", None, label, "rename that file"))
