"""What each node of Python becomes."""

from __future__ import annotations

import ast

from deep_faker.compile.lower import (
    assignments,
    calls,
    comprehensions,
    conditions,
    context,
    expressions,
    loops,
    names,
    statements,
    whole,
    yields,
)
from deep_faker.compile.lower.lowering import Rule, Whole

# A node that is not here is refused by `Lowering.visit` or `Lowering.statements`: the flow goes live for it.
RULES: dict[type[ast.AST], Rule] = {
    # names and what hangs on them
    ast.Constant: names.constant_value,
    ast.Name: names.name,
    ast.NamedExpr: names.named_expr,
    ast.Attribute: context.attribute,
    ast.Call: calls.call,
    # operators, displays, parts
    ast.BinOp: expressions.binary,
    ast.UnaryOp: expressions.unary,
    ast.List: expressions.display,
    ast.Tuple: expressions.display,
    ast.Set: expressions.set_display,
    ast.Dict: expressions.dict_display,
    ast.Subscript: expressions.subscript,
    ast.Slice: expressions.slice_of,
    ast.JoinedStr: expressions.f_string,
    # what Python may skip, and what it does again and again
    ast.Compare: conditions.compare,
    ast.BoolOp: conditions.bool_op,
    ast.IfExp: conditions.if_expr,
    ast.Lambda: comprehensions.inner_lambda,
    ast.ListComp: comprehensions.list_comp,
    ast.SetComp: whole.whole,
    ast.DictComp: whole.whole,
    ast.GeneratorExp: whole.whole,
    Whole: whole.in_one_piece,
    # actions
    ast.Yield: yields.yield_,
    ast.YieldFrom: yields.yield_from,
    # statements
    ast.Assign: assignments.assign_all,
    ast.AnnAssign: assignments.ann_assign,
    ast.AugAssign: assignments.aug_assign,
    ast.While: loops.while_,
    ast.For: loops.for_,
    ast.Break: loops.break_,
    ast.Continue: loops.continue_,
    ast.If: statements.if_,
    ast.Match: statements.match,
    ast.Return: statements.return_,
    ast.Expr: statements.expression,
    ast.Raise: statements.raise_,
    ast.Assert: statements.assert_,
    ast.Delete: statements.delete,
    ast.Pass: statements.pass_,
    ast.FunctionDef: statements.function_def,
    ast.Import: statements.import_,
    ast.ImportFrom: statements.import_from,
    ast.Global: statements.global_,
    ast.Nonlocal: statements.global_,
}
