"""Where the compiled kernel is kept, and how it is loaded: without numba, in some milliseconds.

The kernel's functions take and give 64-bit words only, so all of their machine code fits into one object
file, which `linking` loads, or llvmlite. One file of the user's cache folder holds it; its name is a hash of
all that it depends on (the source of the kernel and of every module that it imports, versions, processor).
So what is found is never stale, and what was only copied, installed or checked out again is not compiled
again. The file appears whole or not at all, by a rename.

``DEEP_FAKER_CACHE`` names another folder. ``DEEP_FAKER_NATIVE=off`` says that there is no native kernel.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from deep_faker._version import __version__
from deep_faker.simulate.native.machine import linking

KERNEL = "deep_faker.simulate.native.kernel.entry"
COMPILER = "deep_faker.simulate.native.machine.compiling"
_OURS = ("cache", "compiling")  # the modules that say how it is compiled, and what its file is like
FOLDER, SWITCH = "DEEP_FAKER_CACHE", "DEEP_FAKER_NATIVE"
PROCESSOR = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
"""Environment variables by which numba compiles for another processor; so do we."""

_CPUINFO = Path("/proc/cpuinfo")
_TELLING = {"vendor_id", "cpu family", "model", "flags", "Features", "CPU implementer",
            "CPU architecture", "CPU variant", "CPU part"}  # fmt: skip
"""Its lines that say what a processor can do."""

_KEPT = 4  # compiled kernels: of some versions, or of some kinds of machines that share a home
_OWN = "deep_faker"
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n#]*))|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Kernel:
    """The compiled functions by name: 64-bit words in, one out; the interpreter lock is free meanwhile."""

    functions: Mapping[str, Callable[..., int]]
    owner: object  # of the code's memory; None: it stays for good

    def __getitem__(self, name: str) -> Callable[..., int]:
        return self.functions[name]


def available() -> str | None:
    """Why no kernel can be compiled or loaded here; None where it can."""
    if os.environ.get(SWITCH, "").lower() == "off":
        return f"{SWITCH} is off"
    if sys.implementation.name != "cpython" or sys.maxsize < 1 << 32 or sys.byteorder != "little":
        return "it needs CPython on a 64-bit processor"
    if any(importlib.util.find_spec(package) is None for package in ("numba", "llvmlite")):
        python = ".".join(map(str, sys.version_info[:2]))
        return f"numba is not installed (is there one for Python {python} yet?)"
    return None


# ------------------------------------------------------------ what it depends on


def sources(module: str) -> dict[str, Path]:
    """The module's file, and those of all modules of its package and of ours that it imports.

    Raises `OSError` where one cannot be read, as in a zip file.
    """
    roots = {package: _root(package) for package in (module.partition(".")[0], _OWN)}
    files: dict[str, Path] = {}
    left, seen = [module], set(roots)  # not the packages themselves: they only name what others may import
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _file(name, roots)
        if file is not None:
            files[name] = file
            left += _imported(file.read_text(encoding="utf-8"))
    if module not in files:
        raise FileNotFoundError(f"no source of {module}")
    return dict(sorted(files.items()))


def _root(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _file(module: str, roots: Mapping[str, Path | None]) -> Path | None:
    package, *rest = module.split(".")
    root = roots.get(package)
    if root is None:
        return None
    place = root.joinpath(*rest)
    choices = (place / "__init__.py", place.with_suffix(".py")) if rest else (root / "__init__.py",)
    return next((file for file in choices if file.is_file()), None)


def _imported(source: str) -> Iterator[str]:
    """Modules that it may import: ``from a import b`` names a, and a.b if that is one."""
    for match in _IMPORT.finditer(source):
        base, in_brackets, in_line, plain = match.groups()
        if base:
            yield base
        names = in_brackets or in_line or plain
        for name in re.split(r"[,\n]", names):
            word = name.split("#")[0].split()
            if word:
                yield f"{base}.{word[0]}" if base else word[0]


@functools.cache
def key(module: str = KERNEL) -> str:
    """A hash of all that the machine code depends on."""
    parts = [__version__, platform.python_version(), sys.platform, platform.machine(), *_this_processor()]
    parts += [f"{package} {version(package)}" for package in ("numba", "llvmlite")]
    files = [*sources(module).items(), *((name, Path(__file__).with_name(f"{name}.py")) for name in _OURS)]
    for name, file in files:
        parts += [name, hashlib.sha256(file.read_bytes()).hexdigest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _this_processor() -> Iterator[str]:
    """What tells processors apart that LLVM compiles differently for: on Linux without loading LLVM.

    The system knows as much of it as LLVM asks the processor.
    """
    if sys.platform == "linux":
        yield from (os.environ.get(variable, "") for variable in PROCESSOR)
        with suppress(OSError), _CPUINFO.open(encoding="utf-8", errors="replace") as file:
            for line in iter(file.readline, "\n"):  # an empty line ends the first processor
                if not line:
                    break
                if line.partition("\t")[0].partition(":")[0].strip() in _TELLING:
                    yield line
            return
    yield from processor()


def processor() -> tuple[str, str]:
    """Its name and features, as LLVM knows them."""
    import llvmlite.binding as llvm

    name, features = (os.environ.get(variable) for variable in PROCESSOR)
    if features is None:
        try:
            features = "" if name == "generic" else llvm.get_host_cpu_features().flatten()
        except RuntimeError:  # this LLVM does not know the machine's
            features = ""
    return name or llvm.get_host_cpu_name(), features


# ------------------------------------------------------------ where it is


def folder() -> Path:
    """Where compiled kernels of this user are kept. Raises `RuntimeError` where no home is known."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named).expanduser().absolute()
    variable, *below = {
        "win32": ("LOCALAPPDATA", "AppData", "Local"),
        "darwin": ("", "Library", "Caches"),
    }.get(sys.platform, ("XDG_CACHE_HOME", ".cache"))
    base = Path(os.environ.get(variable, ""))
    if not base.is_absolute():
        base = Path.home().joinpath(*below)
    return base / _OWN / "kernel"


@functools.cache
def _temporary() -> Path:
    """A folder for this process, where the user's cannot be written."""
    place = Path(tempfile.mkdtemp(prefix="deep_faker-kernel-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def writable() -> tuple[Path, bool]:
    """Where a kernel can be put, and whether it stays there. Raises `OSError` where there is no place."""
    with suppress(OSError, RuntimeError):
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
        return place, True
    return _temporary(), False


def file_of(module: str = KERNEL, suffix: str = ".kernel") -> Path | None:
    """The kernel's file, in whichever folder it is; None where it has not been compiled for this machine."""
    places = []
    with suppress(RuntimeError):
        places.append(folder())
    if _temporary.cache_info().currsize:
        places.append(_temporary())
    name = f"{key(module)}{suffix}"
    with suppress(OSError):
        return next((place / name for place in places if (place / name).is_file()), None)
    return None


def ready(module: str = KERNEL) -> bool:
    """Whether the kernel has been compiled for this machine. Costs a look into a folder, and no numba."""
    return file_of(module) is not None


def failure(module: str = KERNEL) -> str | None:
    """Why it could not be compiled, when that was tried last; None where that did not fail."""
    file = file_of(module, ".failed")
    with suppress(OSError):
        return file.read_text(encoding="utf-8") if file is not None else None
    return None


def tidy(place: Path) -> None:
    """Remove all but the kernels that were used last, and what broken-off compilations left."""

    def used(file: Path) -> float:
        with suppress(OSError):
            return file.stat().st_mtime
        return 0.0

    kept = sorted(place.glob("*.kernel"), key=used, reverse=True)[:_KEPT]
    names = {file.stem for file in kept}
    newest = max(map(used, kept), default=0.0)
    for file in place.iterdir():
        # a file of a running compilation is newer than any kernel that is there: it is left alone
        if file.suffix in {".kernel", ".failed", ".part"} and file.stem not in names and used(file) < newest:
            with suppress(OSError):
                file.unlink()


# ------------------------------------------------------------ loading


_loaded: dict[str, Kernel] = {}


def load(module: str = KERNEL) -> Kernel | None:
    """The compiled functions; None where the kernel is not there, or not whole.

    ``load()["run"](table.ctypes.data, stop_step, events)`` calls one.
    """
    name = key(module)
    if name not in _loaded:
        file = file_of(module)
        if file is None:
            return None
        kernel = load_file(file)
        if kernel is None:
            with suppress(OSError):  # damaged: let it be compiled again
                file.unlink()
            return None
        with suppress(OSError):
            os.utime(file)  # see `tidy`
        _loaded[name] = kernel
    return _loaded[name]


def packed(functions: Mapping[str, int], code: bytes) -> bytes:
    """A kernel's file: a line of JSON (how many words each function takes), and its object file.

    >>> packed({"run": 3}, b"...").splitlines()[0][:25]
    b'{"functions": {"run": 3},'
    """
    head = {"functions": dict(functions), "sha256": hashlib.sha256(code).hexdigest()}
    return json.dumps(head).encode() + b"\n" + code


def load_file(file: Path) -> Kernel | None:
    """The kernel of one file; None where the file is damaged. Symbols that nobody has end the process."""
    try:
        line, _, code = file.read_bytes().partition(b"\n")
        head = json.loads(line)
        if head["sha256"] != hashlib.sha256(code).hexdigest():
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with suppress(RuntimeError, OSError):  # memory may not be executable here
        return _linked(head["functions"], code)
    return None


def _linked(words: Mapping[str, int], code: bytes) -> Kernel:
    try:
        addresses, owner = linking.linked(code), None
    except linking.UnlinkableError:
        addresses, owner = _linked_by_llvm(words, code)
    word = ctypes.c_int64
    functions = {
        name: ctypes.CFUNCTYPE(word, *[word] * count)(addresses[symbol(name)])
        for name, count in words.items()
    }
    return Kernel(functions, owner)


def _linked_by_llvm(words: Iterable[str], code: bytes) -> tuple[Mapping[str, int], object]:
    """The addresses of functions, and what the code's memory belongs to."""
    import llvmlite.binding as llvm

    llvm.check_jit_execution()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if sys.platform == "linux":  # mathematics, where the interpreter itself brings none
        with suppress(RuntimeError):
            llvm.load_library_permanently("libm.so.6")
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return {symbol(name): engine.get_function_address(symbol(name)) for name in words}, engine


def symbol(name: str) -> str:
    """What a function is called in the object file.

    >>> symbol("run")
    'deep_faker_run'
    """
    return f"deep_faker_{name}"
