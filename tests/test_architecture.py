"""One direction of imports, heavy packages in their place, a light import, the public names."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import deep_faker

PACKAGE = Path(deep_faker.__file__).parent

# A room imports from the rooms before its own, and within its own; the rooms of the waist's far side (SEPARATE)
# know nothing of each other.
ROOMS = [
    {"_version", "errors", "logging", "loops", "markup", "masking", "spans", "streams"},
    {"times"},
    {"draws"},
    {"declare"},
    {"plan"},
    {"expressions"},
    {"compile", "simulate", "values", "write"},
    {"fill"},
    {"run", "tables"},
    {"features", "show"},
    {
        "actions",
        "base",
        "batching",
        "calibrating",
        "calibration",
        "comparing",
        "declaring",
        "dataset",
        "defects",
        "delivering",
        "distributions",
        "entity_manager",
        "exports",
        "loaders",
        "oracle",
        "outputs",
        "parts",
        "people",
        "popularity",
        "seasons",
        "twins",
        "arrivals",
        "simulation",
    },
    {"loader"},
    {"part_worker", "cli", "cli_data", "cli_deliver", "cli_options", "cli_parts", "cli_printing", "__main__"},
]
SEPARATE = ROOMS[6]
# Within a room its folders have an order too, and those at one place of it know nothing of each other. What lies in
# none of them may be used by all, and use all.
WITHIN = {
    "compile": [{"read", "explain", "expected"}, {"graph"}, {"lower"}],
    "simulate": [{"live"}, {"columns", "reference"}, {"native"}],
    "simulate/native": [{"kernel", "machine"}, {"lower"}],
    "values": [{"text"}, {"library"}, {"explore"}, {"compose"}, {"families"}],
    "write": [{"whole"}, {"lines"}, {"files"}, {"kafka", "sql", "parted"}, {"delta"}],
    "run": [{"checkpoints"}, {"parted"}, {"replay"}],
}
HOME = {  # heavy package → the rooms that may import it
    "faker": {"values"},
    "mimesis": {"values"},
    "pydantic": {"declare/schema"},
    "confluent_kafka": {"write/kafka"},
    "pymysql": {"write/sql"},
    "psycopg": {"write/sql"},
    "typer": {"cli"},
    "holidays": {"declare/seasons"},
    "torch": {"loaders/torch"},
    "datasets": {"loaders/huggingface"},
    "ray": {"loaders/ray"},
}


class AtRunTime(ast.NodeTransformer):
    """Leaves out what is imported for type checking only."""

    def visit_If(self, node: ast.If) -> ast.AST:
        return ast.Pass() if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


@functools.cache
def imports(file: Path, *, types: bool = True) -> set[str]:
    """Every module that the file imports, also inside functions, and with ``types`` for type checking."""
    tree = ast.parse(file.read_text())
    found: set[str] = set()
    for node in ast.walk(tree if types else AtRunTime().visit(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            names = {f"{node.module}.{alias.name}" for alias in node.names}  # a module may be among them
            found |= names if node.module == "deep_faker" else names | {node.module or ""}
    return found


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path):
    """A room imports from lower rooms only, and heavy packages stay in the place named for them."""
    rank = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    own = parts[0]
    for module in imports(file):
        top, _, rest = module.partition(".")
        if top == "deep_faker" and rest:
            other = rest.split(".")[0]
            assert rank[other] <= rank[own], f"{own} imports {other}, which lies above it"
            assert own == other or not {own, other} <= SEPARATE, (
                f"{own} and {other} know nothing of each other"
            )
        homes = HOME.get(top)
        assert homes is None or any("/".join(parts).startswith(home) for home in homes), (
            f"{top} is imported only in {homes}"
        )


def module_of(file: Path) -> str:
    """The dotted name of a module of the package."""
    return ".".join(("deep_faker", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    )


def test_the_values_have_one_door():
    """Other rooms know of the values what `deep_faker.values` and its door name, and nothing behind them."""
    inside = {module_of(file) for file in FILES if file.is_relative_to(PACKAGE / "values")}
    behind = inside - {"deep_faker.values", "deep_faker.values.door"}
    for file in FILES:
        if not file.is_relative_to(PACKAGE / "values"):
            assert not imports(file) & behind, f"{file} goes past the door of the values"


def test_every_family_is_imported_with_the_door():
    """Whoever registers families is imported by the lookup: else they would be made by pools, unnoticed."""
    known = imports(PACKAGE / "values" / "lookup.py")
    for file in (PACKAGE / "values").rglob("*.py"):
        if "\n@family(" in file.read_text():
            assert module_of(file) in known, f"values/lookup.py does not import the families of {file}"


@pytest.mark.parametrize("room", WITHIN)
def test_the_folders_of_a_room_have_an_order(room: str):
    """Of two folders of a room, one may import from the other, never both; types count too."""
    rank = {name: number for number, names in enumerate(WITHIN[room]) for name in names}
    inner = f"deep_faker.{room.replace('/', '.')}."
    for file in FILES:
        if not file.is_relative_to(PACKAGE / room):
            continue
        own = file.relative_to(PACKAGE / room).parts[0]
        for module in imports(file):
            other = module.removeprefix(inner).partition(".")[0] if module.startswith(inner) else own
            if own in rank and other in rank and own != other:
                assert rank[other] < rank[own], f"{room}/{own} imports {module}"


def test_what_a_run_refuses_is_worded_in_one_place():
    """All engines refuse in the same words: only `simulate/failures.py` makes a diagnostic in that room."""
    words = {
        "Diagnostic",
        "wrong_setting",
        "CheckpointError",
        "FlowError",
        "InvalidValueError",
        "KeySpaceError",
    }
    makes = {f"deep_faker.errors.{name}" for name in words | {"SettingsError", "StalledFlowError"}}
    for file in (PACKAGE / "simulate").rglob("*.py"):
        assert file.name == "failures.py" or not imports(file) & makes, file


def test_no_test_imports_a_test():
    """What several tests need is in `tests.support`."""
    for file in Path(__file__).parent.rglob("*.py"):
        parts = [module.split(".") for module in imports(file) if module.startswith("tests.")]
        assert not [part for part in parts if any(name.startswith("test_") for name in part)], file


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


def test_a_run_into_a_folder_loads_no_pandas(tmp_path):
    """Half a second of each run, and 40 MB, for what is not needed."""
    pytest.importorskip("pandas")
    code = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent / 'benchmarks')!r}); from shop import make; "
        "sim = make(users=20, products=5, n_flows=3, duration='20m'); "
        f"report = sim.run({str(tmp_path / 'shop')!r}, progress=False, engine='numpy'); "
        "print(report.total > 0, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


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
