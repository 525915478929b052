"""The card of a training frame: what its rows are and by which rules, as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from deep_faker.times import format_duration


def card(frame: pl.DataFrame, rules: Mapping[str, Any]) -> str:
    """A page on a training frame, for those who train on it."""
    lines = [f"# Training frame of {rules['entity']}", "", *_rows(frame, rules), ""]
    lines += ["| column | what it is |", "| --- | --- |"]
    for group in ("features", "labels"):
        lines += [f"| `{name}` | {_cell(shown)} |" for name, shown in rules[group].items()]
    lines += ["", *_rules(rules), ""]
    for name in rules["label_columns"]:
        lines += [f"* `{name}`: {_share(frame[name])}"]
    return "\n".join(lines).rstrip() + "\n"


def _rows(frame: pl.DataFrame, rules: Mapping[str, Any]) -> list[str]:
    out = [f"{frame.height:,} rows, one for each (`{rules['key']}`, `at`); at: {rules['at']}."]
    if frame.height:
        first, last = (str(frame["at"].sort()[place]) for place in (0, -1))
        out.append(f"From {first} to {last}.")
    left = rules["rows"]["not_born"]
    if left:
        out.append(f"{left:,} rows were left out: their entity was not born yet.")
    if rules["eligible"]:
        out.append(f"Rows are those where {rules['eligible']}.")
    return out


def _rules(rules: Mapping[str, Any]) -> list[str]:
    window = {"right": "(t − w, t]", "left": "[t − w, t)", "both": "[t − w, t]", "none": "(t − w, t)"}
    out = [f"* Features see {window[rules['closed']]}, by when events were known."]
    if rules["embargo_us"]:
        out.append(f"* They end {format_duration(rules['embargo_us'])} before the row (embargo).")
    if rules["max_age_us"]:
        out.append(f"* Last values older than {format_duration(rules['max_age_us'])} are null.")
    out += [f"* {event} is known {_delay(when)}." for event, when in rules["available"].items()]
    label = (
        f"* Labels see what comes after; known are those that had matured by {rules['labels_known_until']}"
    )
    late = (
        f", {format_duration(rules['label_delay_us'])} after their window" if rules["label_delay_us"] else ""
    )
    return [*out, f"{label}{late}."]


def _delay(when: int | str) -> str:
    return f"at its `{when}`" if isinstance(when, str) else f"{format_duration(when)} after it happened"


def _share(values: pl.Series) -> str:
    known = values.drop_nulls()
    if not len(known):
        return "nothing is known"
    nulls = f"; {values.null_count():,} not known" if values.null_count() else ""
    if values.dtype == pl.Boolean:
        return f"{100 * int(known.sum()) / len(known):.1f} % of {len(known):,} rows are true{nulls}"
    return f"{len(known):,} rows{nulls}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
