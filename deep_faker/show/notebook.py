"""What IPython must be told: it never asks classes how they show themselves."""

from __future__ import annotations

import sys
from typing import Any


def register() -> bool:
    """Let the running IPython show event and entity classes; False where there is none."""
    ipython = sys.modules.get("IPython")
    shell: Any = None if ipython is None else ipython.get_ipython()
    if shell is None:
        return False
    shell.display_formatter.formatters["text/html"].for_type(type, _class_html)
    return True


def _class_html(cls: type) -> str | None:
    """The page of a class of ours; None, which leaves it to IPython, for any other."""
    from deep_faker.declare.schema import BaseEvent, Entity

    if not issubclass(cls, BaseEvent | Entity) or cls in (BaseEvent, Entity):
        return None
    from deep_faker.show.schemas import class_page

    return class_page(cls)
