"""Outputs that must stay the folders that they are: mount points, the working directory, closed parents."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deep_faker import AddDecay, BaseEvent, NewEvent, Simulation
from deep_faker.dataset import verify
from deep_faker.errors import OutputError, OutputExistsError
from deep_faker.outputs import ParquetOutput
from deep_faker.write.whole import in_place as inplace
from deep_faker.write.whole.staging import Staging, checkpoint_place
from tests.support.worlds.output_world import World, listed

WORLD, OTHER = World(300), World(200)
PROGRAM = """
import os, signal, threading, time
from deep_faker import AddDecay, BaseEvent, NewEvent, Simulation
class Ping(BaseEvent):
    n: int = 1
sim = Simulation("2000s", start_time="2024-01-01", n_flows=200, random_seed=1)
@sim.flow()
def go(ctx):
    yield NewEvent(ctx, Ping)
    yield AddDecay(ctx, seconds=1)
def kill():
    while not os.path.exists(os.environ["KILL_AT"]):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)
if "KILL_AT" in os.environ:
    threading.Thread(target=kill, daemon=True).start()
"""


class Ping(BaseEvent):
    n: int = 1


def pings() -> Simulation:
    sim = Simulation("20s", start_time="2024-01-01", n_flows=2, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Ping)
        yield AddDecay(ctx, seconds=1)

    return sim


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder, and the working directory in it."""
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
@pytest.mark.parametrize("path", [".", "../out", "absolute"])
def test_the_working_directory_is_filled_and_not_exchanged(layout, path, inside):
    """A shell that stands in the output stands there still, with the bytes of a run elsewhere."""
    number = inside.stat().st_ino
    sim = pings()
    sim.run(inside if path == "absolute" else path, format=layout)
    assert Path.cwd().stat().st_ino == number
    assert verify(path if path != "absolute" else inside) == []
    pings().run(inside.parent / "elsewhere", format=layout)
    assert files(inside) == files(inside.parent / "elsewhere")
    # a second run replaces what the same simulation wrote, another one is refused, overwrite replaces
    sim.run(".", format=layout)
    with pytest.raises(OutputExistsError):
        pings().run(".", format=layout)
    pings().run(".", format=layout, overwrite=True)
    assert files(inside) == files(inside.parent / "elsewhere")
    assert Path.cwd().stat().st_ino == number
    assert listed(inside.parent) == ["elsewhere", "out"]


def test_nobody_elses_files_are_touched(inside):
    """Files of others refuse the run, overwrite or not; a file system's own folder does not."""
    (inside / "lost+found").mkdir()
    (inside / "lost+found" / "#1").write_text("rescued")
    pings().run(".")
    (inside / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"never deleted: thesis\.txt"):
        pings().run(".", overwrite=True)
    (inside / "thesis.txt").unlink()
    pings().run(".", overwrite=True)
    assert (inside / "lost+found" / "#1").read_text() == "rescued"


def test_a_run_that_fails_leaves_nothing(inside):
    """What lay there before stays, and nothing else."""
    WORLD.run(ParquetOutput("."))
    before = files(inside)
    sim = pings()

    class Failing:
        def write_batch(self, event_type, frame):
            raise RuntimeError("no more")

    sim.add_output(Failing())
    with pytest.raises(Exception, match="no more"):
        sim.run(".", overwrite=True)
    assert files(inside) == before


def test_two_runs_into_it_at_once(inside):
    """The second one is refused, and the first one is not disturbed."""
    first = Staging(Path(), marker="manifest.json")
    first.claim(owner=None, overwrite=False, refusal=lambda _: None)
    with pytest.raises(OutputError, match="is being written"):
        pings().run(".")
    first.discard()
    assert listed(inside) == []


def test_a_folder_whose_parent_is_closed(tmp_path, monkeypatch):
    """Nothing can be made beside it: all is made inside."""
    (tmp_path / "out").mkdir()
    number = (tmp_path / "out").stat().st_ino
    usual = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path and usual(path, mode))
    WORLD.run(ParquetOutput(tmp_path / "out"))
    assert (tmp_path / "out").stat().st_ino == number
    assert verify(tmp_path / "out") == []


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours may catch it."""


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True], ids=["empty", "replaced"])
def test_killed_at_any_moment_of_the_exchange(old, inside, monkeypatch):
    """It is as before or as it was to be, never a mixture that reads as whole; the next run puts it in order."""
    usual = Path.rename
    WORLD.run(ParquetOutput("../new"))
    new = files(inside.parent / "new")
    moment, ended = 0, False
    while not ended:
        for path in inside.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if old:
            OTHER.run(ParquetOutput("."))
        before = files(inside)
        left = moment

        def rename(self, target):
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return usual(self, target)

        monkeypatch.setattr(Path, "rename", rename)
        try:
            WORLD.run(ParquetOutput(".", overwrite=True))
            ended = True
        except Killed:
            pass
        monkeypatch.setattr(Path, "rename", usual)
        if (inside / "manifest.json").exists():  # it reads as whole: then it is
            found = {n: data for n, data in files(inside).items() if not n.startswith(".deep_faker.")}
            assert found in (before, new)
        # a run that is killed in its repair, too
        for again in range(5):
            left = again
            monkeypatch.setattr(Path, "rename", rename)
            with contextlib.suppress(Killed):
                inplace.undo(inside, inside / inplace.PARTIAL, "manifest.json")
            monkeypatch.setattr(Path, "rename", usual)
        inplace.undo(inside, inside / inplace.PARTIAL, "manifest.json")
        found = {n: data for n, data in files(inside).items() if not n.startswith(".deep_faker.")}
        assert found in (before, new)
        WORLD.run(ParquetOutput(".", overwrite=True))
        assert files(inside) == new
        moment += 1
    assert moment > 5


def test_checkpoints_lie_in_it(inside):
    """Beside it they would lie on another disk, or be called nothing; a resumed run may stand elsewhere."""
    assert checkpoint_place(Path()) == inside / ".deep_faker.checkpoint"
    assert checkpoint_place(Path("sub")) == Path("sub.checkpoint")


def command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deep_faker", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--overwrite"]], ids=["new", "overwrite"])
@pytest.mark.parametrize("stands", ["inside", "outside"])
def test_a_killed_run_goes_on_wherever_it_is_resumed(stands, more, tmp_path):
    """Killed while it stood in its output or beside it, and taken up again from both."""
    (tmp_path / "sim.py").write_text(PROGRAM)
    out = tmp_path / "out"
    out.mkdir()
    run = ["run", str(tmp_path / "sim.py"), "-q", "--checkpoint-every", "5000", *more]
    assert command("run", "sim.py", "-q", "--output", "whole", cwd=tmp_path).returncode == 0
    if more:
        pings().run(out)
    place = ".deep_faker.checkpoint" if stands == "inside" else "../out.checkpoint"
    (tmp_path / "beside").mkdir()
    cwd = out if stands == "inside" else tmp_path / "beside"
    killed = command(*run, "--output", str(out), cwd=cwd, KILL_AT=str(cwd / place / "checkpoint.json"))
    assert killed.returncode == -signal.SIGKILL
    cwd = out if stands == "outside" else tmp_path / "beside"
    again = command(*run, "--output", str(out), "--resume", cwd=cwd)
    assert (again.returncode, again.stderr) == (0, "")
    assert files(out) == files(tmp_path / "whole")
    assert listed(tmp_path) == ["beside", "out", "sim.py", "whole"]


MOUNTED = """
set -e
mkdir "$1/data" "$1/bound" "$1/source"
mount -t tmpfs none "$1/data" || exit 77
mount --bind "$1/source" "$1/bound" || exit 77
touch "$1/lines.jsonl" "$1/other.jsonl"
mount --bind "$1/other.jsonl" "$1/lines.jsonl" || exit 77
cd /
for place in data bound; do
    "$0" -m deep_faker run "$1/sim.py" -q --output "$1/$place"
    "$0" -m deep_faker run "$1/sim.py" -q --output "$1/$place" --overwrite
    KILL_AT="$1/$place/.deep_faker.checkpoint/checkpoint.json" "$0" -m deep_faker run "$1/sim.py" -q \
        --output "$1/$place" --overwrite --checkpoint-every 5000 || echo "killed $?"
    "$0" -m deep_faker run "$1/sim.py" -q --output "$1/$place" --overwrite --checkpoint-every 5000 --resume
    "$0" -m deep_faker verify "$1/$place"
    find "$1/$place" -type f -printf '%P\n' | sort
done
"$0" -m deep_faker run "$1/sim.py" -q --output "$1/lines.jsonl" || echo "refused $?"
"""
LISTED = ["events/Ping/part-00000.parquet", "manifest.json", "sessions/part-00000.parquet"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="mounting needs unshare")
def test_mount_points(tmp_path):
    """A mounted folder is filled, of another disk or of the same; a mounted file is refused at once."""
    (tmp_path / "sim.py").write_text(PROGRAM)
    ran = subprocess.run(
        ["unshare", "-m", "bash", "-c", MOUNTED, sys.executable, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("mounting is not allowed here")
    assert ran.stdout.splitlines() == [*["killed 137", *LISTED] * 2, "refused 1"]
    assert "a file that is mounted cannot be replaced" in ran.stderr
    assert ran.stderr.count(": whole") == 2
    assert listed(tmp_path) == ["bound", "data", "lines.jsonl", "other.jsonl", "sim.py", "source"]
