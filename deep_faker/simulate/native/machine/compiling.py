"""Compiles the kernel, in a process of its own: numba is slow to load, takes memory, and has settings.

numba turns Python into LLVM's code, unoptimized (``NUMBA_OPT=0``): most of its time goes into types, not
into machine code. The functions of all entries are then joined, all but the entries is made private, and
LLVM optimizes the whole once. So functions of one caller are put into it, what is not called is left out,
and nothing of numba's own (wrappers for Python, exceptions, reference counts) is left. What would be left
is refused here, in words.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from deep_faker.simulate.native.machine import cache

if TYPE_CHECKING:
    import llvmlite.binding as llvm
    from numba.core.dispatcher import Dispatcher

SETTINGS = {
    "NUMBA_OPT": "0",
    "NUMBA_DISABLE_INTEL_SVML": "1",  # its mathematics has other last bits
    "NUMBA_DISABLE_PERFORMANCE_WARNINGS": "1",
}
"""Environment variables of the compiler's process."""

_BACKGROUND = 19  # niceness
_INTRINSIC = "llvm."
_RAISED = (
    "raised"  # a function that nobody has: LLVM leaves its call out where it sees that nothing is raised
)
_OF_NUMBA = ("numba", "_ZN", "NRT_", "Py", "_Py")
_ENTRY = """
declare void @raised()
define i64 @"{symbol}"({arguments}) {{
  %result = alloca i64
  store i64 0, ptr %result
  %raised = alloca ptr
  %status = call i32 @"{native}"(ptr %result, ptr %raised{passed})
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %raises, label %returns
raises:
  call void @raised()
  unreachable
returns:
  %value = load i64, ptr %result
  ret i64 %value
}}
"""


class UncompilableError(Exception):
    """The kernel holds what cannot be compiled, or what only numba could run."""


def compiled(module: str) -> bytes:
    """The kernel's file (see `cache.packed`): a module's ``ENTRIES``, compiled for this processor.

    Those in ``WIDE`` are optimized by themselves, for several words at once.

    ``ENTRIES`` are the functions to be called from Python. They take int64 and give int64 or nothing. Only
    for a process that does not call them itself.
    """
    loaded = importlib.import_module(module)
    entries: tuple[Dispatcher, ...] = loaded.ENTRIES
    wide: tuple[Dispatcher, ...] = getattr(loaded, "WIDE", ())
    _without_wrappers(module)
    words = {entry.py_func.__name__: len(inspect.signature(entry.py_func).parameters) for entry in entries}
    machine = _machine()
    whole = _joined([entry for entry in entries if entry not in wide], words)
    _optimize(whole, machine)
    if wide:
        loops = _joined(wide, words)
        _optimize(loops, machine, wide=True)
        whole.link_in(loops)
    whole.verify()
    _check(whole)
    return cache.packed(words, machine.emit_object(whole))


def _joined(entries: Sequence[Dispatcher], words: Mapping[str, int]) -> llvm.ModuleRef:
    """LLVM's code of some functions, which alone can be seen from outside."""
    import llvmlite.binding as llvm

    whole = llvm.parse_assembly("")
    whole.triple = llvm.get_process_triple()
    for entry in entries:
        name = entry.py_func.__name__
        part = llvm.parse_assembly(_code(entry, name, words[name]))
        whole.data_layout = part.data_layout
        whole.link_in(part)
    for value in (*whole.functions, *whole.global_variables):
        if not value.is_declaration:
            value.linkage = "external" if value.name in map(cache.symbol, words) else "internal"
    return whole


def _without_wrappers(module: str) -> None:
    """No form of each function for Python and for C: some 18 % of the time to compile, for nothing."""
    for name in cache.sources(module):
        for value in vars(sys.modules[name]).values() if name in sys.modules else ():
            options = getattr(value, "targetoptions", None)
            if isinstance(options, dict):  # a function of numba's
                options.update(no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _code(entry: Dispatcher, name: str, words: int) -> str:
    """LLVM's code of a function and of all that it calls, with a plain C function before it."""
    from numba import types

    signature = (types.int64,) * words
    entry.compile(signature)
    overload = entry.overloads[signature]
    result = overload.signature.return_type
    if result not in {types.int64, types.none}:
        raise UncompilableError(f"{name} gives {result}, not int64")
    code = str(entry.inspect_llvm(signature))
    wrapper = _ENTRY.format(
        native=overload.fndesc.llvm_func_name,
        symbol=cache.symbol(name),
        arguments=", ".join(f"i64 %a{i}" for i in range(words)),
        passed="".join(f", i64 %a{i}" for i in range(words)),
    )
    return code + wrapper


def _machine() -> llvm.TargetMachine:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = cache.processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=name,
        features=features,
        opt=3,
        reloc="static" if target.name.startswith("x86") else "default",  # as numba has it
        codemodel="jitdefault",
        jit=True,
    )


def _optimize(module: llvm.ModuleRef, machine: llvm.TargetMachine, *, wide: bool = False) -> None:
    """The whole program at once. Its loops are short: vector code (``wide``) would only make it larger.

    Then once more what a function always gives, which its callers could not know before: no exception.
    """
    import llvmlite.binding as llvm

    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = wide
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    again = llvm.create_new_module_pass_manager()
    again.add_ipsccp_pass()
    again.add_simplify_cfg_pass()
    again.add_strip_dead_prototype_pass()
    again.run(module, builder)


def _check(module: llvm.ModuleRef) -> None:
    """Refuse what needs numba when it runs: the process that loads the code has none."""
    needed = [f.name for f in module.functions if f.is_declaration and not f.name.startswith(_INTRINSIC)]
    foreign = [name for name in needed if name.startswith(_OF_NUMBA)]
    if foreign:
        raise UncompilableError(f"the kernel calls what only numba has: {', '.join(sorted(foreign))}")
    if _RAISED in needed:
        raise UncompilableError("the kernel can raise an exception (raise, assert, an index of a tuple)")


# ------------------------------------------------------------ the process


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One compiler at a time for each user. The system lets go of the lock when its holder dies.

    Where files cannot be locked, several may compile at once, each for itself.
    """
    with file.open("a") as lock:
        with suppress(OSError):
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
            else:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _put(file: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    part = file.with_name(f"{uuid4().hex}.part")
    try:
        part.write_bytes(data)
        if file.suffix == ".kernel":
            _try(part, file.with_suffix(".failed"))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _try(part: Path, failed: Path) -> None:
    """Load it as a run will. LLVM ends the process at a symbol that nobody has: the reason comes first."""
    failed.write_text("the compiled kernel cannot be loaded", encoding="utf-8")
    if cache.load_file(part) is None:
        raise UncompilableError("the compiled kernel was not written whole")
    failed.unlink()


def main(arguments: Iterable[str]) -> int:
    """``MODULE KEY``: compile into the folder that ``DEEP_FAKER_CACHE`` names; 0 when the kernel is there."""
    module, key, *background = arguments
    if background and hasattr(os, "nice"):
        os.nice(_BACKGROUND)
    if cache.key(module) != key:  # the sources have changed since we were called: nobody waits for these
        return 1
    place = cache.folder()
    with _alone(place / "lock"):
        if cache.ready(module):
            return 0
        try:
            _put(place / f"{key}.kernel", compiled(module))
        except Exception as error:  # noqa: BLE001 - whatever it is, the reason is kept
            _put(place / f"{key}.failed", f"{type(error).__name__}: {error}".encode())
            return 1
        cache.tidy(place)
    return 0
