"""The bar of a run in a notebook: one line that is drawn anew, and is gone when the run is over."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any

from deep_faker.markup import Markup, text

_SECONDS_BETWEEN = 0.2  # a browser that is told more often does nothing else


class NotebookBar:
    """A bar in the cell that is being run. `shell_of_notebook` says whether there is one."""

    def __init__(self) -> None:
        ipython: Any = import_module("IPython.display")  # it has no types
        display, HTML = ipython.display, ipython.HTML  # noqa: N806 - a class
        self._html = HTML
        self._shown: Any = display(HTML(_bar(0.0, "")), display_id=True)
        self._said = time.monotonic()

    def update(self, share: float, says: str) -> None:
        """So much of the run is done (0 to 1)."""
        now = time.monotonic()
        if now - self._said >= _SECONDS_BETWEEN:
            self._said = now
            self._shown.update(self._html(_bar(share, says)))

    def stop(self) -> None:
        """Take the bar away."""
        self._shown.update(self._html(""))


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this process: IPython in a terminal has a bar of its own."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _bar(share: float, says: str) -> Markup:
    size = "height:8px;border-radius:4px"
    done = f'<span style="display:block;width:{100 * share:.1f}%;{size};background:#2a78d6"></span>'
    all_of_it = f"display:inline-block;width:220px;{size};background:rgba(128,128,128,.25)"
    return Markup(
        f'<div style="font:12px ui-monospace,monospace"><span style="{all_of_it}">{done}</span>'
        f" {share:4.0%} {text(says)}</div>"
    )
