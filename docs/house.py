"""Prints the measures of the house: how long its modules are, what goes in circles, what its comments say.

    python docs/house.py                       # the package beside this folder, as a table
    python docs/house.py --json                # the same for programs
    python docs/house.py elsewhere/deep_faker  # another copy of it, such as a worktree of an older commit

What is counted, and how:

* *lines* are those of each module, as an editor numbers them.
* *circles* are groups of modules that import each other round about, also inside functions: once with what is
  imported when the code runs, once with what is imported for type names only (``if TYPE_CHECKING``).
  ``from a import b`` is an import of the module ``a.b`` if there is one, else of ``a``.
* *Any* is the name ``Any`` wherever the code uses it, in 100 lines; its imports are not counted.
* *why* is the share of comments that give a reason. Lines of comment that follow one another are one comment;
  dividers (``# -----``) and what is for tools (``noqa``, ``fmt``, ``type``, ``pragma``) are none. One gives a
  reason if it has one of the words in `REASONS`, or is a full sentence: four words or more, a capital at its
  beginning and a full stop at its end. That a reason is a good one, no script can tell.
* *examples* is the share of public functions and classes at the top of modules whose docstring, or that of a
  public method, has a ``>>>``. Public is what has no underscore in front.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import statistics
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONG = 500
REASONS = (
    "as because cannot else even for instead lest must never only or otherwise since so therefore though "
    "unless until whatever would"
).split()
_REASON = re.compile(rf"\b({'|'.join(REASONS)})\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[A-Z`].*[.!?]", re.DOTALL)
_NO_COMMENT = re.compile(r"#\s*((noqa|fmt:|type:|pragma|ruff:|mypy:).*|[-=#~*]{3,}.*)?")


@dataclass
class Module:
    """What one file has."""

    name: str
    room: str
    lines: int
    anys: int = 0
    comments: int = 0
    whys: int = 0
    public: int = 0
    examples: int = 0
    imports: set[str] = field(default_factory=set)
    type_imports: set[str] = field(default_factory=set)


def comments(text: str) -> Iterator[str]:
    """The comments of a module, without dividers and words for tools.

    >>> list(comments("x = 1  # one\\n# two\\n# lines\\n# -----\\ny = 2  # noqa: X\\n"))
    ['one', 'two lines']
    """
    before, joined = (-2, -1), ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or _NO_COMMENT.fullmatch(token.string):
            continue
        own = token.line.lstrip().startswith("#")
        line, column = token.start
        said = token.string.lstrip("#! ").rstrip()
        if own and before == (line - 1, column):
            joined = f"{joined} {said}"
        else:
            if joined:
                yield joined
            joined = said
        before = (line, column)
    if joined:
        yield joined


def says_why(comment: str) -> bool:
    """Whether a comment gives a reason, by its words or by being a sentence.

    >>> says_why("the longest first"), says_why("the longest first, or all wait for it")
    (False, True)
    """
    return bool(_REASON.search(comment)) or (
        len(comment.split()) >= 4 and _SENTENCE.fullmatch(comment) is not None
    )


def _imports(tree: ast.AST, known: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & known


class _AtRunTime(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST:
        return ast.Pass() if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)


def _has_example(node: ast.AST) -> bool:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    if ">>>" in (ast.get_docstring(node) or ""):
        return True
    inner = node.body if isinstance(node, ast.ClassDef) else []
    return any(not getattr(item, "name", "_").startswith("_") and _has_example(item) for item in inner)


def read(package: Path) -> list[Module]:
    """Every module of a package, measured."""
    files = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts).removesuffix(".__init__")] = file
    known = set(files)
    found = []
    for name, file in files.items():
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        inner = file.relative_to(package).parts
        module = Module(name, inner[0] if len(inner) > 1 else "(front)", len(text.splitlines()))
        module.anys = sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree))
        said = list(comments(text))
        module.comments, module.whys = len(said), sum(map(says_why, said))
        public = [
            node
            for node in tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and not node.name.startswith("_")
        ]
        module.public, module.examples = len(public), sum(map(_has_example, public))
        module.type_imports = _imports(tree, known) - {name}
        module.imports = _imports(_AtRunTime().visit(tree), known) - {name}
        found.append(module)
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other, the largest first.

    >>> circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()})
    [['b', 'c']]
    """
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for other in graph[waiting.pop()] - seen:
                seen.add(other)
                waiting.append(other)
        reached[start] = seen
    groups = {
        frozenset(other for other in seen if name in reached[other])
        for name, seen in reached.items()
        if name in seen
    }
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group))


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def _row(modules: list[Module]) -> dict[str, Any]:
    lines = [module.lines for module in modules]
    total = sum(lines)
    return {
        "modules": len(modules),
        "lines": total,
        "median": int(statistics.median(lines)),
        "longest": max(lines),
        f"over {LONG}": sum(n > LONG for n in lines),
        "Any in 100 lines": round(100 * sum(m.anys for m in modules) / max(total, 1), 2),
        "comments": sum(m.comments for m in modules),
        "that say why, %": _percent(sum(m.whys for m in modules), sum(m.comments for m in modules)),
        "public": sum(m.public for m in modules),
        "with examples, %": _percent(sum(m.examples for m in modules), sum(m.public for m in modules)),
    }


def measures(package: Path) -> dict[str, Any]:
    """All measures of a package: of the whole, its circles, and by room."""
    modules = read(package)
    rooms: dict[str, list[Module]] = {}
    for module in modules:
        rooms.setdefault(module.room, []).append(module)
    return {
        "whole": _row(modules),
        "circles": circles({m.name: m.imports for m in modules}),
        "circles with type names": circles({m.name: m.type_imports for m in modules}),
        "rooms": {room: _row(found) for room, found in sorted(rooms.items())},
    }


def table(found: dict[str, Any]) -> str:
    """The measures as text."""
    heads = list(found["whole"])
    rows = [["room", *heads]]
    rows += [[room, *map(str, row.values())] for room, row in found["rooms"].items()]
    rows.append(["all", *map(str, found["whole"].values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    for kind, when in (("circles", "at run time"), ("circles with type names", "with type names")):
        sizes = [len(group) for group in found[kind]]
        lines.append(f"circles of imports {when}: {len(sizes)}{f', of {sizes} modules' if sizes else ''}")
        lines += [f"    {', '.join(group)}" for group in found[kind]]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    beside = Path(__file__).parents[1] / "deep_faker"
    parser.add_argument("package", nargs="?", type=Path, default=beside, help="its folder")
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(arguments)
    found = measures(asked.package.resolve())
    print(json.dumps(found, indent=2) if asked.json else table(found))


if __name__ == "__main__":
    main()
