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


def load_simulation(target: str) -> Simulation:
    """The simulation of ``FILE`` (the one named ``sim``, else the only one) or ``FILE:name``.

    Raises `UsageError` where there is no such file or simulation, `RunError` where the file fails.
    """
    from deep_faker.simulation import Simulation, loading

    path, name = _split(target)
    with loading():
        module = _run_file(path)
    found = {key: value for key, value in vars(module).items() if isinstance(value, Simulation)}
    if name is not None:
        if name in found:
            return found[name]
        raise _no(path, f"it has no Simulation named {name!r}", near(name, sorted(found)))
    if "sim" in found:
        return found["sim"]
    different = {id(value): value for value in found.values()}
    if len(different) == 1:
        return next(iter(different.values()))
    if not different:
        raise _no(path, "it makes no Simulation", "write: sim = Simulation(...)")
    names = ", ".join(sorted(found))
    raise _no(path, f"it makes several Simulations: {names}", f"name one: {path}:{min(found)}")


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


def _run_file(path: Path) -> types.ModuleType:
    """Run the file as a module of its own name, with its folder importable, as `python FILE` does."""
    full = path.resolve()
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
