"""The compiled kernel: compiled once, beside a run, kept, found again, and never stale.

A small kernel stands in for the real one: what is kept and when does not depend on what it does.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from deep_faker.simulate.native.machine import cache, linking, takeover
from deep_faker.simulate.native.machine.takeover import Takeover, compile_in_background, compile_now

pytest.importorskip("numba")

ours = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="machine code of Linux on x86-64"
)
MODULE = "standin.kernel"
SUMS = """
    from deep_faker.simulate.native.kernel.intrinsics import compiled, pi64

    FACTOR = 3

    @compiled
    def weighted(address, n):
        words = pi64(address)
        total = 0
        for i in range(n):
            total += words[i] * FACTOR
        return total
"""
KERNEL = """
    import math

    from deep_faker.simulate.native.kernel.intrinsics import compiled, pf64
    from standin.sums import (
        weighted,  # a line of its own
    )

    @compiled
    def run(address, n, more):
        return weighted(address, n) + more

    @compiled
    def exponentials(address, n):
        floats = pf64(address)
        for i in range(n):
            floats[i] = math.exp(floats[i])

    ENTRIES = (run, exponentials)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The folder of the package `standin`."""
    root = tmp_path_factory.mktemp("source")
    package = root / "standin"
    package.mkdir()
    for name, text in {"__init__": "", "sums": SUMS, "kernel": KERNEL}.items():
        (package / f"{name}.py").write_text(textwrap.dedent(text))
    return root


@pytest.fixture(autouse=True)
def fresh(source, tmp_path, monkeypatch):
    """A user's machine of its own, on which nothing has been compiled."""
    monkeypatch.syspath_prepend(source)
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    monkeypatch.delenv(cache.SWITCH, raising=False)
    forget(monkeypatch)
    yield
    cache.key.cache_clear()


def forget(monkeypatch):
    """What a process remembers, as if another had begun."""
    cache.key.cache_clear()
    cache._temporary.cache_clear()
    monkeypatch.setattr(cache, "_loaded", {})
    monkeypatch.setattr(takeover, "_children", {})


@pytest.fixture(scope="module")
def compiled_once(source, tmp_path_factory):
    """The stand-in's file. Compiled by a process that begins on a cold cache and waits."""
    folder = tmp_path_factory.mktemp("compiled") / "below"
    in_process(source, folder, f"compile_now({MODULE!r})")
    (file,) = folder.glob("*.kernel")
    return file


@pytest.fixture
def warm(compiled_once):
    """The stand-in has been compiled on this machine."""
    folder = cache.folder()
    folder.mkdir()
    file = folder / compiled_once.name
    file.write_bytes(compiled_once.read_bytes())
    return file


def started(source, folder, statement, **environment):
    code = (
        f"from deep_faker.simulate.native.machine.takeover import *\nimport sys\n{textwrap.dedent(statement)}"
    )
    path = os.pathsep.join([str(source), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": path, cache.FOLDER: str(folder)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def in_process(source, folder, statement, **environment):
    """What a process prints that runs this."""
    process = started(source, folder, statement, **environment)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def check(kernel):
    words = np.arange(10)
    assert kernel["run"](words.ctypes.data, 10, 5) == 3 * 45 + 5
    floats = np.linspace(-1.0, 1.0, 7)
    expected = np.exp(floats)
    assert kernel["exponentials"](floats.ctypes.data, 7) == 0
    np.testing.assert_allclose(floats, expected, rtol=1e-15)


def wait(takeover):
    """As a run does between its steps."""
    while takeover.waiting and takeover.poll() is None:
        time.sleep(0.02)
    return takeover.kernel


def test_cold_then_warm(compiled_once):
    """A run begins without the kernel and goes over to it; the next has it from the start."""
    assert not cache.ready(MODULE)
    assert cache.load(MODULE) is None
    first = Takeover(MODULE)
    assert first.kernel is None
    assert first.reason == "it is being compiled"
    check(wait(first))
    assert first.reason != "it is being compiled"
    second = Takeover(MODULE)
    assert second.kernel is first.kernel
    assert not second.waiting
    assert {file.suffix for file in cache.folder().iterdir() if file.name != "lock"} == {".kernel"}
    assert cache.file_of(MODULE).name == compiled_once.name  # each process finds the same key


def test_numba_is_not_loaded(source, warm):
    """The process of a run loads the kernel, and starts the compiler, without numba."""
    said = in_process(
        source,
        warm.parent,
        f"""
        import numpy as np
        kernel = Takeover({MODULE!r}).kernel
        words = np.arange(4)
        print(kernel["run"](words.ctypes.data, 4, 0), compile_now({MODULE!r}).seconds)
        print(any(name.split(".")[0] == "numba" for name in sys.modules))
        """,
    )
    assert said.split() == ["18", "0.0", "False"]


@ours
def test_llvm_is_not_loaded(source, warm):
    """Nor is LLVM where the file can be put into memory without it: it takes 83 MiB and 55 ms."""
    said = in_process(
        source, warm.parent, f"print(Takeover({MODULE!r}).kernel is not None, 'llvmlite' in sys.modules)"
    )
    assert said.split() == ["True", "False"]


@ours
def test_both_ways_of_loading_give_the_same(warm, monkeypatch):
    """Ours and LLVM's: one file, the same values. LLVM takes what ours refuses."""
    check(cache.load_file(warm))

    def refused(code):
        raise linking.UnlinkableError

    monkeypatch.setattr(linking, "linked", refused)
    by_llvm = cache.load_file(warm)
    assert by_llvm.owner is not None
    check(by_llvm)


TABLE = """
declare double @cosh(double)
@powers = constant [3 x i64] [i64 2, i64 30, i64 500]
define i64 @choose(i64 %x) {
  switch i64 %x, label %other [ i64 0, label %a  i64 1, label %b  i64 2, label %c  i64 3, label %d ]
a: ret i64 11
b: ret i64 7
c: ret i64 -5
d:
  %p = getelementptr [3 x i64], ptr @powers, i64 0, i64 2
  %v = load i64, ptr %p
  ret i64 %v
other:
  %f = sitofp i64 %x to double
  %h = call double @cosh(double %f)
  %i = fptosi double %h to i64
  ret i64 %i
}
"""


WRITTEN = """
@count = global i64 5
define i64 @next() {
  %old = load i64, ptr @count
  %new = add i64 %old, 1
  store i64 %new, ptr @count
  ret i64 %new
}
"""


def object_file(model, text=TABLE):
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(opt=2, reloc="static", codemodel=model, jit=model == "jitdefault")
    return machine.emit_object(llvm.parse_assembly(text))


@ours
def test_every_kind_of_section_finds_its_place():
    """Code, a jump table, constants, and the C library's functions."""
    entries = linking.linked(object_file("jitdefault"))
    choose = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(entries["choose"])
    assert [choose(x) for x in (0, 1, 2, 3)] == [11, 7, -5, 500]
    assert choose(10) == int(math.cosh(10))


@ours
@pytest.mark.parametrize(
    ("code", "why"),
    [
        (b"MZ" + bytes(100), "no object file"),
        (b"", "no object file"),
        (("small", TABLE), "a relocation of type"),
        (("jitdefault", WRITTEN), "data that changes"),
    ],
)
def test_what_is_not_ours_is_refused(code, why):
    """Another system's file, relative addresses, data that changes: LLVM has to load these."""
    with pytest.raises(linking.UnlinkableError, match=why):
        linking.linked(code if isinstance(code, bytes) else object_file(*code))


def test_functions_of_the_user_are_undisturbed(source, warm, tmp_path):
    """Whoever uses numba beside us keeps its settings, its own cache, and what he has compiled."""
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
            from numba import njit

            @njit(cache=True)
            def weighted(n):
                return n * 7

            @njit(error_model="python")
            def ratio(a, b):
                return a / b
        """)
    )
    said = in_process(
        source,
        warm.parent,
        f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import mine, numba
        before = numba.config.CACHE_DIR, numba.config.OPT, mine.weighted(2)
        Takeover({MODULE!r}).kernel["run"](0, 0, 1)
        print((numba.config.CACHE_DIR, numba.config.OPT, mine.weighted(2)) == before, mine.ratio(1, 4))
        try:
            mine.ratio(1, 0)
        except ZeroDivisionError:
            print("raised")
        """,
        NUMBA_CACHE_DIR=str(tmp_path / "theirs"),
    )
    assert said.split() == ["True", "0.25", "raised"]
    assert list((tmp_path / "theirs").rglob("*.nbi"))
    assert not list(warm.parent.rglob("*.nbi"))


def test_two_processes_at_once(source, tmp_path):
    """Two that compile at the same time both have the kernel in the end, and leave one."""
    folder = tmp_path / "both"
    both = [started(source, folder, f"compile_now({MODULE!r})") for _ in range(2)]
    for process in both:
        said, _ = process.communicate()
        assert process.returncode == 0, said
    assert sorted(file.suffix for file in folder.iterdir()) == ["", ".kernel"]


def test_a_home_that_cannot_be_written(tmp_path, monkeypatch):
    """The kernel is compiled for this process alone; `warm-up` says that it cannot be kept."""
    home = tmp_path / "home"
    home.write_text("not a folder")
    monkeypatch.setenv(cache.FOLDER, str(home / "cache"))
    with pytest.raises(OSError, match=cache.FOLDER):
        compile_now(MODULE)
    check(wait(Takeover(MODULE)))
    assert cache.file_of(MODULE).parent == cache._temporary()
    assert home.read_text() == "not a folder"


def test_no_home_and_no_temporary_folder(monkeypatch):
    """Where nothing can be written, the run goes on without."""

    def nowhere(*_args, **_named):
        raise OSError("read-only")

    monkeypatch.setattr(cache.tempfile, "TemporaryFile", nowhere)
    monkeypatch.setattr(cache.tempfile, "mkdtemp", nowhere)
    run = Takeover(MODULE)
    assert (run.kernel, run.waiting, run.reason) == (None, False, "the compiler was stopped")


@pytest.mark.skipif(sys.platform == "win32", reason="holds the lock as POSIX systems do")
def test_a_compiler_that_is_killed(compiled_once):
    """It leaves nothing that reads as a kernel, and is not begun again in this run; the next run begins it."""
    import fcntl

    cache.folder().mkdir()
    with (cache.folder() / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it waits for us, so it is killed before it is done
        run = Takeover(MODULE)
        child = takeover._children[MODULE]
        assert run.poll() is None
        assert run.waiting
        child.kill()
        assert wait(run) is None
    assert run.reason == "the compiler was stopped"
    assert not cache.ready(MODULE)
    assert run.poll() is None
    assert takeover._children[MODULE] is child
    (cache.folder() / "torn.part").write_bytes(compiled_once.read_bytes()[:100])
    os.utime(cache.folder() / "torn.part", (1, 1))
    assert not cache.ready(MODULE)
    check(wait(Takeover(MODULE)))
    assert not (cache.folder() / "torn.part").exists()
    assert not [p for p in psutil.Process().children() if p.status() == psutil.STATUS_ZOMBIE]


def test_the_key_follows_every_source(source, monkeypatch, tmp_path):
    """A change of what the kernel calls is another kernel; touching, or changing another file, is not."""
    root = tmp_path / "copy"
    package = root / "standin"
    package.mkdir(parents=True)
    for file in (source / "standin").glob("*.py"):
        (package / file.name).write_text(file.read_text())
    usual = cache._root
    monkeypatch.setattr(cache, "_root", lambda name: package if name == "standin" else usual(name))

    def key():
        cache.key.cache_clear()
        return cache.key(MODULE)

    first = key()
    assert {"standin.kernel", "standin.sums", "deep_faker.simulate.native.kernel.intrinsics"} == set(
        cache.sources(MODULE)
    )
    os.utime(package / "sums.py", (1, 1))
    (package / "other.py").write_text("x = 1")
    assert key() == first
    (package / "sums.py").write_text((package / "sums.py").read_text().replace("FACTOR = 3", "FACTOR = 4"))
    assert key() != first


def test_the_key_follows_processor_and_versions(monkeypatch):
    """Another processor, another numba, another Python: another kernel."""
    seen = set()
    for change in (
        lambda: None,
        lambda: monkeypatch.setenv("NUMBA_CPU_NAME", "generic"),
        lambda: monkeypatch.setattr(cache, "version", lambda package: "0.0"),
        lambda: monkeypatch.setattr(cache.platform, "python_version", lambda: "3.99.0"),
    ):
        change()
        cache.key.cache_clear()
        seen.add(cache.key(MODULE))
    assert len(seen) == 4


def test_sources_reach_what_the_kernel_takes_its_numbers_from():
    """The closure of imports holds modules of ours outside the kernel's folder too."""
    assert {"deep_faker.simulate.native.kernel.intrinsics", "deep_faker.draws.exact"} <= set(
        cache.sources("deep_faker.simulate.native.kernel.exact")
    )


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"{}\n" + data])
def test_a_damaged_file_is_no_kernel(warm, damage):
    """A file that a crash has cut is not loaded, and makes room for a new one."""
    warm.write_bytes(damage(warm.read_bytes()))
    assert cache.load(MODULE) is None
    assert not warm.exists()


def test_old_kernels_are_removed(warm):
    """Those that were used last are kept; what broken compilations left goes."""
    folder = warm.parent
    for age in range(10):
        for suffix in (".kernel", ".failed", ".part"):
            file = folder / f"old{age}{suffix}"
            file.write_text("")
            os.utime(file, (1000 - age, 1000 - age))
    cache.tidy(folder)
    kept = {"old0", "old1", "old2"}
    assert {file.stem for file in folder.glob("*.kernel")} == kept | {warm.stem}
    assert {file.stem for file in folder.glob("*.failed")} == kept
    assert cache.load(MODULE) is not None


BROKEN = {
    "raises": ("raise ValueError", "can raise an exception"),
    "allocates": ("return np.empty(n, np.int64)[0]", "only numba has"),
    "floats": ("return n / 2", "not int64"),
    "types": ("return n + 'x'", "TypingError"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_compiled_is_said_once(source, name):
    """A kernel that numba, or we, refuse: the run goes on, the reason is kept, nobody tries it again."""
    body, reason = BROKEN[name]
    head = "import numpy as np\nfrom deep_faker.simulate.native.kernel.intrinsics import compiled\n"
    broken = f"standin.{name}"
    text = f"{head}\n@compiled\ndef run(n):\n    if n == 1:\n        {body}\n    return {'n' if name != 'floats' else '0.5'}\n\nENTRIES = (run,)\n"
    (source / "standin" / f"{name}.py").write_text(text)
    run = Takeover(broken)
    assert wait(run) is None
    assert reason in run.reason
    assert cache.failure(broken) == run.reason
    assert not cache.ready(broken)
    again = Takeover(broken)
    assert not again.waiting
    assert again.reason == run.reason
    assert compile_in_background(broken) is None


def test_switched_off(monkeypatch):
    """``DEEP_FAKER_NATIVE=off``, or no numba: no kernel and no compiler, and the reason is said."""
    monkeypatch.setenv(cache.SWITCH, "off")
    run = Takeover(MODULE)
    assert (run.kernel, run.waiting, run.reason) == (None, False, "DEEP_FAKER_NATIVE is off")
    monkeypatch.delenv(cache.SWITCH)
    monkeypatch.setattr(cache.importlib.util, "find_spec", lambda name: None)
    assert "numba is not installed" in cache.available()
    assert not takeover._children


def test_a_module_without_source(monkeypatch):
    """Where no source can be read, the run goes on without."""
    run = Takeover("standin.nothing")
    assert (run.kernel, run.waiting) == (None, False)
    assert "standin.nothing" in run.reason


def test_the_folder_of_the_user(monkeypatch, tmp_path):
    """As each system has it."""
    monkeypatch.delenv(cache.FOLDER)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for system, variable, below in (
        ("linux", "XDG_CACHE_HOME", (".cache",)),
        ("darwin", None, ("Library", "Caches")),
        ("win32", "LOCALAPPDATA", ("AppData", "Local")),
    ):
        monkeypatch.setattr(cache.sys, "platform", system)
        if variable:
            monkeypatch.setenv(variable, str(tmp_path / "given"))
            assert cache.folder() == tmp_path / "given" / "deep_faker" / "kernel"
            monkeypatch.delenv(variable)
        assert cache.folder() == tmp_path.joinpath(*below, "deep_faker", "kernel")


def test_warm_up(monkeypatch, warm, capsys):
    """`deepfaker warm-up` compiles, says how long it took and where the kernel is; what is there stays."""
    from deep_faker.cli import app

    monkeypatch.setattr(cache, "ready", lambda: False)
    monkeypatch.setattr(cache, "failure", lambda: "it was too hot")
    monkeypatch.setattr(takeover, "compile_now", lambda: takeover.Warmed(warm, 83_000, 1.25))
    app(["warm-up"], standalone_mode=False)
    said = capsys.readouterr().err
    for part in ("it was too hot", "compiling", "compiled in 1.2 s, 83 kB", str(warm)):
        assert part in said


def test_warm_up_without_numba():
    """Where there is no native engine, `deepfaker warm-up` fails and says why."""
    done = subprocess.run(
        [sys.executable, "-m", "deep_faker", "warm-up"],
        env=os.environ | {cache.SWITCH: "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no native engine" in done.stderr
    assert "DEEP_FAKER_NATIVE is off" in done.stderr
