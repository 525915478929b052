"""Operators of `where` and `SetState` are a row each: whole, and known to all who go by them."""

from __future__ import annotations

import runpy
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_faker.declare import change_operators, condition_operators
from deep_faker.declare.change_operators import CHANGE_OPERATORS
from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.declare.operator_rows import LACKING, by_name
from deep_faker.simulate.columns import change_forms
from deep_faker.simulate.columns.change_forms import CHANGE_FORMS
from deep_faker.simulate.native import change_kinds, rows
from deep_faker.simulate.native.layout import K_PYTHON
from deep_faker.simulate.reference import store
from tests.support.worlds.null_world import HOLDS, QUESTIONS

ROWS = [*CONDITION_OPERATORS.values(), *CHANGE_OPERATORS.values()]
HALVES = [(row, half.name) for row in ROWS for half in fields(row) if half.default is LACKING]


def imported(module: Any) -> dict[str, Any]:
    """The names of a module that is imported once more, beside the one that is there."""
    return runpy.run_path(module.__file__)


@pytest.mark.parametrize(("row", "half"), HALVES, ids=lambda part: getattr(part, "name", part))
def test_a_row_without_one_of_its_halves_raises_by_its_name(row, half):
    assert getattr(row, half) is not LACKING
    with pytest.raises(TypeError, match=f"^the operator {row.name} has no {half}$"):
        replace(row, **{half: LACKING})


@pytest.mark.parametrize(
    ("module", "line", "name"),
    [
        (condition_operators, '    native="NOT_IN",\n', "not_in"),
        (condition_operators, "        sees_none=False,\n", "greater_than"),
        (condition_operators, "    ends=(_GREATER_EQUAL, _LESS_EQUAL),\n", "between"),
        (change_operators, "        made=operator.mul,\n", "multiply"),
    ],
)
def test_it_raises_at_import(module, line, name, tmp_path):
    """Not as a KeyError, in a run of somebody who asks for that operator."""
    text = Path(module.__file__).read_text()
    assert line in text
    broken = tmp_path / "broken.py"
    broken.write_text(text.replace(line, ""))
    with pytest.raises(TypeError, match=f"^the operator {name} has no "):
        runpy.run_path(str(broken))


@pytest.mark.parametrize("module", [store, change_forms], ids=["reference", "numpy"])
def test_who_has_rules_of_his_own_has_one_for_every_change(module, monkeypatch):
    imported(module)
    monkeypatch.setitem(CHANGE_OPERATORS, "halve", replace(CHANGE_OPERATORS["add"], name="halve"))
    with pytest.raises(TypeError, match=r"engine has no rule for the operator halve$"):
        imported(module)


def test_the_reference_has_a_rule_of_its_own_for_every_condition(monkeypatch):
    monkeypatch.setitem(
        CONDITION_OPERATORS, "near", replace(CONDITION_OPERATORS["is"], name="near", signs=())
    )
    with pytest.raises(TypeError, match=r"^the reference engine has no rule for the operator near$"):
        imported(store)
    monkeypatch.delitem(CONDITION_OPERATORS, "near")
    monkeypatch.delitem(CONDITION_OPERATORS, "in")
    with pytest.raises(TypeError, match=r"^the reference engine has a rule for in, which is no operator$"):
        imported(store)


def test_what_the_kernel_is_to_do_it_has():
    """A row names the kernel's comparisons and changes; those that it has not raise by the operator's name."""
    assert set(imported(rows)["OPS"]) == {op for op, row in CONDITION_OPERATORS.items() if row.native}
    kinds = imported(change_kinds)["OPERATOR_OF"]
    assert set(kinds) == set(range(K_PYTHON + len(CHANGE_OPERATORS)))


@pytest.mark.parametrize(
    ("module", "table", "name", "native"),
    [
        (rows, CONDITION_OPERATORS, "less_than", "LESSER"),
        (change_kinds, CHANGE_OPERATORS, "add", {"int": "K_ADD_MORE"}),
    ],
    ids=["comparison", "change"],
)
def test_what_the_kernel_has_not_raises_at_import(module, table, name, native, monkeypatch):
    monkeypatch.setitem(table, name, replace(table[name], native=native))
    with pytest.raises(TypeError, match=rf"^the kernel has no .*, which the operator {name} names$"):
        imported(module)


def test_a_row_that_contradicts_itself_raises():
    """Fields that are kept as numbers are asked by column; a range has ends; who does not fit is told so."""
    known = CONDITION_OPERATORS
    with pytest.raises(TypeError, match=r"^the operator less_than has no column, and fits int$"):
        replace(known["less_than"], column=None)
    with pytest.raises(TypeError, match=r"^the operator in has a range of ends$"):
        replace(known["in"], ends=known["between"].ends)
    with pytest.raises(TypeError, match=r"^the operator between has no misfit"):
        replace(known["between"], misfit="")
    with pytest.raises(TypeError, match=r"^the operator near is spelled '=', as another is$"):
        by_name(known["is"], replace(known["is"], name="near"))


def test_every_operator_is_asked_of_every_type():
    """The grid of nulls and types (`test_nulls_and_types.py`) leaves none out."""
    assert set(HOLDS) == set(CONDITION_OPERATORS) == {op for op, _ in QUESTIONS}


VALUES: dict[str, list[Any]] = {
    "float": [None, -1, 0, 1, 2.5, float("nan")],
    "str": [None, "", "a", "ab", "b"],
}
ASKED = [
    pytest.param(row, kind, id=f"{row.name} {kind}")
    for row in CONDITION_OPERATORS.values()
    for kind in VALUES
    if row.fits is None or kind in row.fits
]


@pytest.mark.parametrize(("row", "kind"), ASKED)
def test_s1_a_condition_means_the_same_in_every_form(row, kind):
    """The row's test, the reference's own, and the form for columns."""
    values = VALUES[kind]
    pairs = list(product(values, values))
    for wanted in {"nothing": [None], "value": values, "list": [(), *pairs], "range": pairs, "text": values}[
        row.takes
    ]:
        holds = [row.holds(value, wanted) for value in values]
        assert holds == [store.holds(value, row.name, wanted) for value in values]
        is_null = row.asks_null(wanted)
        if is_null is not None:
            assert holds == [(value is None) == is_null for value in values]
        elif row.is_never(wanted):
            assert not any(holds)
        elif row.column is not None and kind == "float":
            stored = [value for value in wanted if value is not None] if row.takes == "list" else wanted
            assert row.column(np.array(values[1:], np.float64), stored).tolist() == holds[1:]


@pytest.mark.parametrize("row", CHANGE_OPERATORS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("numbers", [[-3, 0, 2, 5], [-1.5, 0.0, 2.5, float("inf"), float("nan")]])
def test_s2_a_change_means_the_same_in_every_form(row, numbers):
    """The row's, the reference's own, and the forms for columns; what is repeated at once comes to it too."""
    pairs = list(product(numbers, numbers))
    made = [row.made(old, value) for old, value in pairs]
    np.testing.assert_array_equal(made, [store._CHANGES[row.name](old, value) for old, value in pairs])
    if row.name != "is":
        form = CHANGE_FORMS[row.name]
        old, value = np.array(pairs).T
        whole = old.dtype == np.int64
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal((form.wholes if whole else form.floats)(old, value), made)
            if whole:
                form.at.at(old, np.arange(len(old)), value)
                np.testing.assert_array_equal(old, made)
