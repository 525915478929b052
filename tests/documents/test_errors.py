"""The exception tree, spans, and the text of a diagnostic."""

import ast
import linecache
import logging
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from deep_faker import errors
from deep_faker.errors import (
    DeclarationError,
    DeepFakerError,
    DeepFakerWarning,
    Diagnostic,
    near,
    shown,
    warn,
)
from deep_faker.logging import get_logger
from deep_faker.spans import Span, attribute_span, caller_span, narrow, narrow_keyword, node_span, shown_path

SPAN = Span("shop.py", 31, 9, 22, '        ("totl_orders", "add", 1),')


def span_of(source: str, file: str = "shop.py") -> Span:
    """The span of the whole source, which linecache knows under ``file``."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    lines = source.splitlines()
    return Span(file, 1, 0, len(lines[0]), lines[0], len(lines) if len(lines) > 1 else 0)


def test_message_is_drawn_like_a_compilers():
    """Title and place, the user's line, carets and label, help."""
    problem = Diagnostic(
        "unknown state field",
        SPAN,
        "Customer has no state field 'totl_orders'",
        "did you mean 'total_orders'?",
    )
    assert str(DeclarationError(problem)) == (
        "error: unknown state field (shop.py:31:9)\n"
        '31 |         ("totl_orders", "add", 1),\n'
        "   |          ^^^^^^^^^^^^^ Customer has no state field 'totl_orders'\n"
        "help: did you mean 'total_orders'?"
    )


def test_message_without_source_keeps_every_part():
    """Code typed at a prompt has a line number and no text."""
    problem = Diagnostic("no flows", Span("<stdin>", 3, 0, 0, ""), "nothing to run", "add\none")
    assert str(problem) == "error: no flows (<stdin>:3:0)\nnothing to run\nhelp: add\n      one"
    assert str(Diagnostic("no flows")) == "error: no flows"


def test_carets_stand_under_the_text_with_tabs_and_wide_letters():
    """Columns are counted in letters, though Python's parser counts bytes; a tab stays a tab."""
    source = '\tx = "日本", wrong\n'
    span_of(source, "tabs.py")
    node = ast.parse(source.strip()).body[0].value.elts[1]
    node.col_offset += 1
    node.end_col_offset += 1
    drawn = str(Diagnostic("t", node_span(node, "tabs.py"), "here")).splitlines()
    assert drawn[2] == "  | \t" + " " * (source.index("wrong") - 1) + "^^^^^ here"


def test_several_problems_make_one_message():
    """A compiler reports all that it found."""
    error = DeepFakerError(Diagnostic("first"), "second")
    assert str(error) == "error: first\n\nerror: second"
    assert error.diagnostic.title == "first"


def test_exceptions_travel_between_processes():
    """A worker's error arrives with its text and its diagnostics."""
    error = DeclarationError(Diagnostic("t", SPAN, "l", "h"))
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.diagnostics) == (type(error), str(error), error.diagnostics)


def test_the_tree_in_the_docstring_is_the_tree():
    """Every exception and warning stands in the drawing, below its parent."""
    roots = {DeepFakerError, DeepFakerWarning}
    path: dict[int, str] = {}
    drawn = set()
    for line in (errors.__doc__ or "").splitlines():
        if "── " in line:
            depth, name = line.index("── "), line.split("── ")[1].split()[0]
            parent = path[max(d for d in path if d < depth)]
            assert issubclass(getattr(errors, name), getattr(errors, parent))
            path = {d: n for d, n in path.items() if d < depth} | {depth: name}
            drawn.add(name)
        elif line.split() and line.split()[0] in {cls.__name__ for cls in roots}:
            path = {-1: line.split()[0]}
    classes = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, tuple(roots))}
    assert drawn == {cls.__name__ for cls in classes - roots}
    assert issubclass(DeclarationError, ValueError)


def test_warnings_are_the_users_line():
    """Python's own filters see the user's file and line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn(Diagnostic("odd", SPAN, "l"))
        warn(Diagnostic("no place"))
    assert (caught[0].filename, caught[0].lineno, caught[0].category) == ("shop.py", 31, DeepFakerWarning)
    assert str(caught[0].message).startswith("warning: odd (shop.py:31:9)")
    assert caught[1].filename == __file__


def test_near_names_come_first_then_all():
    """However a name is mistyped, its candidates are listed."""
    assert near("totl", ["total", "status"], "Customer") == (
        "did you mean 'total'? Customer has: total, status"
    )
    assert near("STATUS", ["total", "status"]) == "did you mean 'status'? known: total, status"
    assert near("x", [], "Customer") == "Customer has none"
    assert near("x", map(str, range(14))).endswith("10, 11, … (2 more)")


def test_shown_values_are_short_and_have_no_address():
    """A class is its name; long values are cut."""
    assert shown(Span) == "Span"
    assert len(shown("x" * 1000)) < 90
    assert shown(10**5000) == "a value of type int"  # Python refuses to write it out


def test_caller_span_is_the_users_expression():
    """The first frame outside the package, and the columns of what it evaluates."""
    span = (caller_span(), 1)[0]
    assert span.text[span.col : span.end_col] == "caller_span()"
    assert span.file == __file__


def test_narrow_finds_literals_and_calls():
    """In the order of the text, only inside the construct, lists and negative numbers included."""
    whole = span_of('f("a",\n  ["b", -5], Span(), True)\nf("z")\n')
    inside = Span(whole.file, 1, 0, 6, whole.text, 2)
    for value, text in [("b", '"b"'), (-5, "-5"), (["b", -5], '["b", -5]'), (SPAN, "Span()"), (True, "True")]:
        found = narrow(inside, value)
        assert found.text[found.col : found.end_col] == text
    assert narrow(inside, "z") is inside
    assert narrow(inside, 1) is inside  # True is not 1 here
    assert narrow(None, "z") is None


def test_narrow_keyword_finds_the_argument():
    """Also one that spans lines."""
    whole = span_of("f(1,\n  rate=30,\n  when=[\n  1])\n")
    found = narrow_keyword(whole, "rate")
    assert (found.line, found.text[found.col : found.end_col]) == (2, "rate=30")
    assert narrow_keyword(whole, "when").end_line == 4
    assert narrow_keyword(whole, "x") is whole


def test_what_follows_a_longer_call_in_its_last_line_is_not_inside_it():
    """The keyword of a second call that begins where the first one ends is not the first one's."""
    whole = span_of("made = (f(1,\n  rate=30), f(when=5))\n")
    call = Span(whole.file, 1, 8, 12, whole.text, 2)
    assert narrow_keyword(call, "rate").line == 2
    assert narrow_keyword(call, "when") is call
    assert narrow(call, 5) is call


@pytest.mark.parametrize(
    ("source", "marked"),
    [
        ("f(  # the # first\n  1)", "f("),
        ("f('#',  # it\n  1)", "f('#',"),
        ('f("""a # b\n  """)', 'f("""a # b'),
        ("f(1,   \n  2)", "f(1,"),
        ("f(1, '\\\n#')", "f(1, '\\"),
    ],
    ids=["comment", "quoted", "text", "spaces", "continued"],
)
def test_carets_under_a_longer_call_end_with_the_code_of_its_first_line(source, marked):
    """Neither comments nor spaces nor what stands beyond the line are marked."""
    span_of(source, "longer.py")
    span = node_span(ast.parse(source).body[0], "longer.py")
    line, carets = str(Diagnostic("wrong", span, "here")).splitlines()[1:3]
    assert line == "1 | " + source.splitlines()[0]
    assert carets == "  | " + "^" * len(marked) + " here"


def test_ipython_shows_the_message_and_all_frames_where_it_is_told_to(monkeypatch):
    """`_render_traceback_` is IPython's hook; a variable of the environment takes it away."""
    monkeypatch.delenv(errors.LONG_TRACEBACKS, raising=False)
    error = DeclarationError(Diagnostic("no flows", SPAN, "nothing to run"))
    assert error._render_traceback_()[:2] == ["DeclarationError", str(error)]
    assert errors.LONG_TRACEBACKS in error._render_traceback_()[2]
    for value, hidden in [("1", False), ("yes", False), ("0", True), ("", True)]:
        monkeypatch.setenv(errors.LONG_TRACEBACKS, value)
        assert hasattr(error, "_render_traceback_") == hidden


def test_attribute_span_finds_the_statement_of_its_own_class():
    """Two classes of one name in one file are told apart by their lines."""
    source = "class A:\n    x = 1\n\nclass A:\n    x: int = 2\n"
    span_of(source)
    second = Span("shop.py", 4, 0, 8, "class A:")
    assert attribute_span(second, "A", "x").line == 5
    assert attribute_span(second, "A", "y") is second
    assert attribute_span(None, "A", "x") is None


def test_source_that_cannot_be_parsed_gives_the_whole_span():
    """A notebook cell with magics, say."""
    whole = span_of("%matplotlib inline\n", "cell.py")
    assert narrow(whole, "inline") is whole


def test_files_are_shown_relative_to_the_working_directory(monkeypatch, tmp_path):
    """As editors and terminals link them; files elsewhere keep their whole path."""
    monkeypatch.chdir(tmp_path)
    assert shown_path(str(tmp_path / "flows" / "shop.py")) == str(Path("flows") / "shop.py")
    assert shown_path("/elsewhere/shop.py") == "/elsewhere/shop.py"
    assert shown_path("/tmp/ipykernel_7/12.py") == "notebook cell"


def test_loggers_are_silent_children_of_one():
    """A library prints nothing by itself."""
    assert get_logger() is logging.getLogger("deep_faker")
    assert get_logger("engine").parent is get_logger()
    assert any(isinstance(handler, logging.NullHandler) for handler in get_logger().handlers)


def test_a_logger_takes_a_level_and_is_shown_on_request():
    """`get_logger(name, level)`, and `setup_logging`, which writes to standard error in a program of its own."""
    logger = get_logger("levels", logging.ERROR)
    assert logger.level == get_logger("levels").level == logging.ERROR
    logger.setLevel(logging.NOTSET)
    code = "from deep_faker.logging import get_logger, setup_logging; setup_logging(); get_logger('x').info('seen')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.endswith(" INFO deep_faker.x: seen\n")


def test_p1_import_is_light_and_names_are_listed():
    """`import deep_faker` loads no provider, no writer, no pydantic; dir() lists the names."""
    heavy = "faker mimesis polars pyarrow numpy pydantic confluent_kafka pymysql ray".split()
    code = (
        "import sys, deep_faker;"
        f"print([m for m in {heavy} if m in sys.modules], set(deep_faker.__all__) <= set(dir(deep_faker)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"


def test_p1_unknown_names_raise_attribute_error():
    """As for any module."""
    import deep_faker

    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        deep_faker.Nope
    assert deep_faker.Field is deep_faker.declare.schema.Field
