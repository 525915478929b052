"""Which export a name means, and that it is given what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.exports.debezium import debezium
from deep_faker.exports.huggingface import huggingface
from deep_faker.exports.ocel import ocel
from deep_faker.exports.relbench import relbench
from deep_faker.exports.sequences import easytpp, hotpp, meds
from deep_faker.exports.tables import Tables
from deep_faker.exports.xes import xes

FORMATS: dict[str, Callable[..., None]] = {
    "ocel": ocel,
    "relbench": relbench,
    "xes": xes,
    "debezium": debezium,
    "easytpp": easytpp,
    "hotpp": hotpp,
    "meds": meds,
    "huggingface": huggingface,
}
"""Name of a format → the function that writes it."""


def export(tables: Tables, form: str, path: object, options: dict[str, object]) -> None:
    """Write a data set in another format. Raises `SettingsError` for an unknown one, or a wrong option."""
    if form not in FORMATS:
        raise SettingsError(Diagnostic("unknown format", None, f"format={form!r}", near(str(form), FORMATS)))
    write = FORMATS[form]
    known = [name for name in inspect.signature(write).parameters if name not in ("tables", "path")]
    for name, value in options.items():
        if name not in known:
            mend = near(name, known, f"options of {form}")
            raise SettingsError(Diagnostic(f"{form} takes no {name}", None, f"{name}={value!r}", mend))
    write(tables, path, **options)
