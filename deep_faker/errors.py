"""Exceptions and the text of a diagnostic.

The tree of exceptions::

    DeepFakerError
    ├── DeclarationError (also ValueError)   a class, an action or a setting is wrong
    │   ├── CompileError                     a flow cannot mean what it says
    │   └── SettingsError                    an argument of Simulation, run() or an output
    ├── RunError                             the run stopped
    │   ├── FlowError                        an exception in a flow; __cause__ keeps it
    │   ├── InvalidValueError                a value does not satisfy its model or state field
    │   ├── KeySpaceError                    more entities than keys, or a key given twice
    │   ├── StalledFlowError                 a flow acts on and on without time passing
    │   ├── CheckpointError                  a run cannot be saved or resumed
    │   └── OutputError                      an output refused or failed
    │       └── OutputExistsError            it holds another run's data
    ├── DatasetError                         a data set is missing, torn or of another shape
    └── UsageError                           the command line was wrong

    DeepFakerWarning (UserWarning)           the run goes on, but probably not as meant
    └── EmptyWorldWarning                    a flow never started, or nobody ever matched a filter

``str(exc)`` is the whole message, with the user's source line and the mend, so that
notebooks, logs and test runners show it without help.
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from deep_faker.masking import masked, masked_source
from deep_faker.spans import Span, caller_span, narrow_keyword

LONG_TRACEBACKS = "DEEP_FAKER_TRACEBACKS"
"""Environment variable: with 1, notebooks show errors of this package with all frames."""


@dataclass(frozen=True)
class Diagnostic:
    """What is wrong, where, and how to mend it. ``str()`` draws it.

    >>> span = Span("shop.py", 31, 9, 22, '        ("totl_orders", "add", 1),')
    >>> print(Diagnostic("unknown state field", span, "Customer has no state field 'totl_orders'"))
    error: unknown state field (shop.py:31:9)
    31 |         ("totl_orders", "add", 1),
       |          ^^^^^^^^^^^^^ Customer has no state field 'totl_orders'
    """

    title: str
    span: Span | None = None
    label: str = ""
    help: str = ""
    severity: str = "error"

    def __post_init__(self) -> None:
        # here, where all texts pass: no error, warning or report shows a password that stood in a URL
        for name in ("title", "label", "help"):
            object.__setattr__(self, name, masked(getattr(self, name)))

    def __str__(self) -> str:
        place = f" ({self.span.place})" if self.span else ""
        lines = [f"{self.severity}: {self.title}{place}"]
        if self.span and self.span.text.strip():
            lines += _drawn(self.span, self.label)
        elif self.label:
            lines.append(self.label)
        if self.help:
            lines.append("help: " + self.help.replace("\n", "\n      "))
        return "\n".join(lines)


class DeepFakerError(Exception):
    """Base of every error that deep_faker raises; holds one or more diagnostics.

    >>> print(DeepFakerError(Diagnostic("no flows", help="add one with @sim.flow()")))
    error: no flows
    help: add one with @sim.flow()
    """

    def __init__(self, *problems: Diagnostic | str) -> None:
        super().__init__(*problems)
        self.diagnostics = tuple(p if isinstance(p, Diagnostic) else Diagnostic(p) for p in problems)

    @property
    def diagnostic(self) -> Diagnostic:
        """The first of the diagnostics."""
        return self.diagnostics[0]

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.diagnostics))

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """What IPython shows: the message, which has the user's line; all frames where it is told to."""
        if os.environ.get(LONG_TRACEBACKS, "0") not in ("", "0"):
            raise AttributeError("_render_traceback_")  # then IPython does as it is used to
        return lambda: [type(self).__name__, str(self), f"(all frames: %env {LONG_TRACEBACKS}=1)"]


class DeclarationError(DeepFakerError, ValueError):
    """A class, an action or a setting is wrong; raised before the first event."""


class CompileError(DeclarationError):
    """A flow's source cannot mean what it says; raised before the first event."""


class SettingsError(DeclarationError):
    """An argument of ``Simulation``, ``run()`` or an output is wrong."""


class RunError(DeepFakerError):
    """The run stopped."""


class FlowError(RunError):
    """An exception inside a flow; ``__cause__`` is that exception."""


class InvalidValueError(RunError):
    """A value does not satisfy its event's model or its state field's type."""


class KeySpaceError(RunError):
    """An entity type has more entities than its key generator has keys, or a key was given twice."""


class StalledFlowError(RunError):
    """A flow acts on and on without its clock moving."""


class CheckpointError(RunError):
    """The run cannot be saved here, or a checkpoint does not fit this simulation."""


class OutputError(RunError):
    """An output refused the run or failed in it."""


class OutputExistsError(OutputError):
    """The output holds data of another run and ``overwrite`` is not set."""


class RunInterrupted(KeyboardInterrupt):
    """The run was told to stop, and did so at a checkpoint that it can go on from; its text says how."""


class DatasetError(DeepFakerError):
    """A data set is missing, torn, or not of the expected shape."""


class UsageError(DeepFakerError):
    """The command line was wrong."""


class DeepFakerWarning(UserWarning):
    """The run goes on, but probably not as it was meant."""


class EmptyWorldWarning(DeepFakerWarning):
    """A flow never started, or a filter matched nobody all run long."""


def warn(diagnostic: Diagnostic, category: type[DeepFakerWarning] = DeepFakerWarning) -> None:
    """Issue ``diagnostic`` as a warning at the user's line."""
    message = category(str(replace(diagnostic, severity="warning")))
    span = diagnostic.span or caller_span()
    warnings.warn_explicit(message, category, span.file if span else "<unknown>", span.line if span else 0)


def near(name: str, candidates: Iterable[str], owner: str = "") -> str:
    """The help for a name that does not exist: the closest candidates, then all of them.

    >>> near("totl", ["total", "status"], "Customer")
    "did you mean 'total'? Customer has: total, status"
    """
    known = list(dict.fromkeys(candidates))
    lowered = {c.lower(): c for c in reversed(known)}
    close = [lowered[c] for c in difflib.get_close_matches(str(name).lower(), lowered, n=3, cutoff=0.65)]
    question = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    if not known:
        return f"{owner} has none" if owner else ""
    listed = ", ".join(known[:12]) + (f", … ({len(known) - 12} more)" if len(known) > 12 else "")
    return f"{question}{owner} has: {listed}" if owner else f"{question}known: {listed}"


def wrong_setting(name: str, value: object, mend: str) -> SettingsError:
    """The error for an argument of a public call, at the user's line.

    >>> print(wrong_setting("n_flows", 0, "give a whole number of at least 1").diagnostic.label)
    n_flows=0
    """
    span = narrow_keyword(caller_span(), name.partition("[")[0])
    return SettingsError(Diagnostic(f"wrong {name}", span, f"{name}={shown(value)}", mend))


def shown(value: object) -> str:
    """How messages write a value: a class by its name, anything else as Python does, but not at length.

    >>> shown(int), shown("3"), shown(list(range(1000)))
    ('int', "'3'", '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, …')
    """
    try:
        text = value.__name__ if isinstance(value, type) else repr(value)
    except Exception:  # noqa: BLE001 - a message about a value must not fail by the value's own repr
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 80 else text[:59].rstrip() + " …"


def _drawn(span: Span, label: str) -> list[str]:
    """The source line and the carets under it."""
    text = masked_source(span.text.rstrip("\n"))
    margin = " " * len(str(span.line))
    # A tab before the caret stays a tab, so that both lines are as wide in any terminal.
    padding = "".join("\t" if c == "\t" else " " for c in text[: span.col])
    carets = "^" * max(1, min(span.end_col, len(text.rstrip())) - span.col)
    return [f"{span.line} | {text}", f"{margin} | {padding}{carets} {label}".rstrip()]
