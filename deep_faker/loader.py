"""Finds the `Simulation` in a user's Python file. The file is code: it is run."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

from deep_faker.errors import DeepFakerError, Diagnostic, RunError, UsageError, near

if TYPE_CHECKING:
    from deep_faker.simulation import Simulation

# what a run imports, some of it late: a file of such a name in the user's folder would be found first
_LIBRARIES = frozenset({
    "click", "confluent_kafka", "deltalake", "faker", "greenlet", "mimesis", "numpy", "obstore", "polars",
    "psycopg", "pyarrow", "pydantic", "pydantic_core", "pymysql", "rich", "shortuuid", "typer",
})  # fmt: skip
_PLAIN = frozenset({"test", "code", "cmd", "this", "site"})  # of the standard library, but nobody's import


def load_simulation(target: str) -> Simulation:
    """The simulation of ``FILE`` (the one named ``sim``, else the only one) or ``FILE:name``.

    Raises `UsageError` where there is no such file or simulation, `RunError` where the file fails.
    """
    from deep_faker.batching import loading
    from deep_faker.simulation import Simulation

    path, name = _split(target)
    with loading():
        module = _run_file(path)
    simulations = {key: value for key, value in vars(module).items() if isinstance(value, Simulation)}
    if name is not None:
        if name in simulations:
            return simulations[name]
        raise _no(path, f"it has no Simulation named {name!r}", near(name, sorted(simulations)))
    if "sim" in simulations:
        return simulations["sim"]
    different = {id(value): value for value in simulations.values()}
    if len(different) == 1:
        return next(iter(different.values()))
    if not different:
        raise _no(path, "it makes no Simulation", "write: sim = Simulation(...)")
    names = ", ".join(sorted(simulations))
    raise _no(path, f"it makes several Simulations: {names}", f"name one: {path}:{min(simulations)}")


def _split(target: str) -> tuple[Path, str | None]:
    target = os.path.expanduser(target)  # noqa: PTH111 - pathlib takes "./~" for a home folder, too
    path = Path(target)
    head, colon, name = target.rpartition(":")
    if not path.exists() and colon and name.isidentifier():
        path = Path(head)
        if path.is_file():
            return path, name
    if not path.exists():
        raise _no(path, "there is no such file", "give the path of a Python file that makes a Simulation")
    if not path.is_file():
        raise _no(path, "it is not a file", "give the path of a Python file that makes a Simulation")
    return path, None


def _check_names(path: Path) -> None:
    """Refuse a file that would be taken for a library, or lies beside one that would."""
    standard = sys.stdlib_module_names - _PLAIN
    if path.stem in _LIBRARIES or path.stem in standard:
        what = f"{path.stem} is the name of a library, which the file would hide"
        raise _no(path, what, f"rename it, to {path.stem}_shop.py, say")
    for name in _LIBRARIES:
        for beside in (path.with_name(f"{name}.py"), path.with_name(name) / "__init__.py"):
            if beside.is_file() and not _is_loaded(name, beside):
                raise _no(path, f"{beside} hides the library {name}", f"rename {beside.name}, or move it")


def _is_loaded(name: str, file: Path) -> bool:
    return getattr(sys.modules.get(name), "__file__", None) == str(file)


def _run_file(path: Path) -> types.ModuleType:
    """Run the file as a module of its own name, with its folder importable, as `python FILE` does."""
    full = path.resolve()
    _check_names(full)
    module = types.ModuleType(full.stem)
    module.__file__ = str(full)
    # found in sys.modules by pickle, dataclasses and pydantic, which look names up there
    sys.modules[full.stem] = module
    if str(full.parent) not in sys.path:
        sys.path.insert(0, str(full.parent))
    try:
        exec(compile(full.read_bytes(), str(full), "exec"), module.__dict__)  # noqa: S102 - the user's own file
    except DeepFakerError:
        raise
    except SystemExit as error:
        if error.code not in (None, 0):
            raise RunError(Diagnostic(f"{path} exited", None, f"it called exit({error.code!r})")) from error
    except Exception as error:
        line = _own_line(error, str(full))
        where = f"line {line}: " if line else ""
        raise RunError(
            Diagnostic(
                f"{path} cannot be loaded", None, f"{where}{type(error).__name__}: {error}", "mend the file"
            )
        ) from error
    return module


def _own_line(error: BaseException, file: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _no(path: Path, what: str, mend: str) -> UsageError:
    return UsageError(Diagnostic(f"cannot use {path}", None, what, mend))
