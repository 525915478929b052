"""One direction of imports, heavy packages in their place, a light import, the public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import deep_faker

PACKAGE = Path(deep_faker.__file__).parent

# A part imports from the layers before its own, and within its own; parts of the waist's far side (SEPARATE)
# know nothing of each other.
LAYERS = [
    {"errors", "logging", "loops", "masking", "streams"},
    {
        "times",
        "utc",
        "foreign",
        "draws",
        "ids",
        "exactmath",
        "variates",
        "families",
        "waits",
        "distributions",
        "arrow",
    },
    {"schema", "conversion", "constraints", "typed"},
    {
        "conditions",
        "actions",
        "context",
        "trace",
        "plan",
        "settings",
        "checks",
        "storage",
        "recipes",
        "base",
        "entity_manager",
    },
    {"expressions"},
    {"compiler", "engine", "providers", "outputs"},
    {"binding", "columns", "dependents", "entitykeys", "fieldrecipes", "tables", "timeorder"},
    {"fingerprint", "statefile", "checkpoints", "delivery", "pacing", "previewing"},
    {"dataset", "emptiness", "progress", "report", "saving", "runner", "simulation"},
    {"cluster", "loader"},
    {"cli", "__main__"},
]
SEPARATE = LAYERS[5]
HOME = {  # heavy package → the parts that may import it
    "faker": {"providers"},
    "mimesis": {"providers"},
    "pydantic": {"schema"},
    "confluent_kafka": {"outputs"},
    "pymysql": {"outputs"},
    "psycopg": {"outputs"},
    "typer": {"cli"},
}


class AtRunTime(ast.NodeTransformer):
    """Leaves out what is imported for type checking only."""

    def visit_If(self, node: ast.If) -> ast.AST:
        return ast.Pass() if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports(file: Path, *, types: bool = True) -> set[str]:
    """Every module that the file imports, also inside functions, and with ``types`` for type checking."""
    tree = ast.parse(file.read_text())
    found: set[str] = set()
    for node in ast.walk(tree if types else AtRunTime().visit(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            module = node.module or ""
            found |= (
                {f"deep_faker.{alias.name}" for alias in node.names} if module == "deep_faker" else {module}
            )
    return found


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path):
    """A part imports from lower layers only, and heavy packages stay in the part named for them."""
    rank = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    own = part_of(file)
    for module in imports(file):
        top, _, rest = module.partition(".")
        if top == "deep_faker" and rest:
            other = rest.split(".")[0]
            if other == "__version__":
                continue
            assert rank[other] <= rank[own], f"{own} imports {other}, which lies above it"
            assert own == other or not {own, other} <= SEPARATE, (
                f"{own} and {other} know nothing of each other"
            )
        assert own in HOME.get(top, {own}), f"{top} is imported only by {HOME[top]}"


def test_no_import_cycles():
    """No two modules import each other, directly or round a corner, not even inside a function."""
    graph = {}
    for file in FILES:
        name = ".".join(("deep_faker", *file.relative_to(PACKAGE).with_suffix("").parts))
        graph[name.removesuffix(".__init__")] = imports(file, types=False)
    inner = {
        name: {m for m in needs if m in graph and not name.startswith(f"{m}.")}
        for name, needs in graph.items()
    }
    list(TopologicalSorter(inner).static_order())


def test_no_file_without_a_ceiling():
    """No module grows past 500 lines."""
    assert {str(f): n for f in FILES if (n := len(f.read_text().splitlines())) > 500} == {}


def loaded(statement: str) -> set[str]:
    """The packages that are loaded after ``statement`` in a fresh interpreter."""
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_import_is_light():
    """`import deep_faker` loads no generator library, no driver and no data frame."""
    heavy = {
        "faker",
        "mimesis",
        "confluent_kafka",
        "pymysql",
        "psycopg",
        "typer",
        "dask",
        "ray",
        "polars",
        "pyarrow",
    }
    assert loaded("import deep_faker") & heavy == set()
    names = ", ".join(name for name in deep_faker.__all__ if not name.startswith("_"))
    drivers = {"confluent_kafka", "pymysql", "psycopg", "dask", "ray", "faker", "mimesis"}
    assert loaded(f"from deep_faker import {names}") & drivers == set()


def test_a_preview_loads_what_it_needs():
    """Neither pandas, which pyarrow would look for, nor the clients of object stores."""
    pytest.importorskip("pandas")
    example = PACKAGE.parent / "examples" / "ecommerce.py"
    code = (
        "import sys; from deep_faker.loader import load_simulation; "
        f"lines = load_simulation({str(example)!r}).preview(10); "
        "print(len(lines), sorted({'pandas', 'pyarrow.parquet', 'pyarrow.fs'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "10 []\n"


def test_help_is_light():
    """`deepfaker --help` needs neither polars nor pyarrow."""
    code = """
import sys
sys.argv = ["deepfaker", "--help"]
try:
    from deep_faker.cli import main
    main()
except SystemExit:
    pass
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(shown.splitlines()[-1].split()) & {"polars", "pyarrow", "numpy", "faker"} == set()


def test_public_names():
    """P1: at most thirty-odd names and ten distributions, each with a docstring."""
    assert len(deep_faker.__all__) <= 40
    for name in deep_faker.__all__:
        assert getattr(deep_faker, name).__doc__, f"{name} has no docstring"
    from deep_faker import Context, FlowContext
    from deep_faker.actions import NewEvent
    from deep_faker.logging import get_logger
    from deep_faker.outputs import StdOutOutput

    assert Context is FlowContext
    assert NewEvent is deep_faker.NewEvent
    assert StdOutOutput is deep_faker.StdOutOutput
    assert get_logger("test").name.startswith("deep_faker")
