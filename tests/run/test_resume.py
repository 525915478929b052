"""Runs that are killed, interrupted or fail, and go on from their checkpoints (R4)."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from deep_faker import AddDecay, FileOutput, NewEvent, Select, Simulation, StdOutOutput
from deep_faker.errors import CheckpointError, OutputError, RunInterrupted, SettingsError
from deep_faker.outputs import ParquetOutput
from deep_faker.run.checkpoints.arrays import read_state, write_state
from deep_faker.run.checkpoints.fingerprint import digest
from deep_faker.run.checkpoints.folder import CheckpointFolder
from tests.support.places import ROOT
from tests.support.worlds.resume_world import (
    ResumeBought,
    ResumeJoined,
    ResumeUser,
    killed,
    processes,
    run_shop,
    shop,
    tree,
)
from tests.support.worlds.stopped_runs import Dies, resumed, small_disk, stopped

__all__ = ["small_disk"]  # a fixture


def whole(folder: Path, form: str = "parquet", **settings) -> dict[str, str]:
    """The files of a run that nothing disturbs and that keeps no checkpoints."""
    sim = shop(**settings)
    sim.add_output(FileOutput(folder / "events.jsonl"))
    sim.run(folder / "out", format=form, history=True, progress=False)
    return tree(folder)


@pytest.mark.parametrize("n_flows", [20, 200])
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_checkpoints_do_not_show(tmp_path, form, n_flows):
    """The files are the same with and without; nothing else remains."""
    expected = whole(tmp_path / "a", form, n_flows=n_flows)
    run_shop(str(tmp_path / "b"), form, 500, resume=False, n_flows=n_flows)
    assert tree(tmp_path / "b") == expected


@pytest.mark.parametrize("n_flows", [20, 200])
def test_a_failure_at_every_call(tmp_path, n_flows):
    """Wherever an output fails, resuming ends with the same bytes."""
    settings = {"n_flows": n_flows, "duration": "1h"}
    expected = whole(tmp_path / "a", **settings)

    def run(resume: bool) -> None:
        sim = shop(**settings)
        sim.add_output(FileOutput(tmp_path / "b" / "events.jsonl"))
        sim.add_output(Dies(tmp_path / "b" / "out"))
        sim.run(
            history=True,
            checkpoint_every=50 * n_flows,
            checkpoint=tmp_path / "c",
            resume=resume,
            progress=False,
        )

    Dies.calls, Dies.last = 0, 10**9
    run(False)
    assert tree(tmp_path / "b") == expected
    total = Dies.calls
    assert total > 8
    for last in range(1, total + 1):
        shutil.rmtree(tmp_path / "b")
        Dies.calls, Dies.last = 0, last
        with pytest.raises(OutputError, match="resume=True"):
            run(False)
        assert not (tmp_path / "b" / "out").exists()
        assert not (tmp_path / "b" / "events.jsonl").exists()
        Dies.last = 10**9
        run(True)
        assert tree(tmp_path / "b") == expected, last
        assert not (tmp_path / "c").exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_kill_at_random_moments(tmp_path, form):
    """SIGKILL at a dozen random moments each, and the bytes of the run that nobody killed."""
    expected = whole(tmp_path / "a", form)
    context, rng, hits, rounds = processes(), random.Random(form), 0, 0
    while hits < 12:
        folder = tmp_path / f"b{rounds}"

        def start(resume, folder=folder):
            arguments = (str(folder), form, 700)
            return context.Process(target=run_shop, args=arguments, kwargs={"resume": resume})

        longest = 1.5 if rounds else 3.0
        hits += killed(rng, start, longest, (folder / "checkpoint" / "run.json").exists, 8)
        if (folder / "checkpoint").exists():  # killed while it removed them: the run is whole
            with pytest.raises(CheckpointError, match="no run to resume"):
                run_shop(str(folder), form, 700, resume=True)
        assert tree(folder) == expected
        assert not (folder / "checkpoint").exists()
        rounds += 1


def test_killed_while_its_checkpoints_go(tmp_path, monkeypatch):
    """After each removal in turn: the run is whole, and what is left goes when somebody would resume it."""
    expected = whole(tmp_path / "a", duration="1h")

    def run(resume: bool) -> None:
        sim = shop(duration="1h")
        sim.add_output(FileOutput(tmp_path / "b" / "events.jsonl"))
        sim.run(tmp_path / "b" / "out", history=True, checkpoint_every=1500, checkpoint=tmp_path / "c",
                resume=resume, progress=False)  # fmt: skip

    class Killed(BaseException):
        pass

    def dying(real, calls):
        def call(path, *args, **kwargs):
            if path.is_relative_to(tmp_path / "c") and going[0]:
                if calls[0] == 0:
                    raise Killed
                calls[0] -= 1
            return real(path, *args, **kwargs)

        return call

    remove, going, left = CheckpointFolder.remove, [False], []
    for number in range(100):
        shutil.rmtree(tmp_path / "b", ignore_errors=True)

        def removed(self, number=number):
            calls = [number]
            with monkeypatch.context() as patch:
                for name in ("unlink", "replace", "rmdir"):
                    patch.setattr(Path, name, dying(getattr(Path, name), calls))
                going[0] = True
                try:
                    remove(self)
                finally:
                    going[0] = False
                    self.release()  # as the end of a process does

        with monkeypatch.context() as patch:
            patch.setattr(CheckpointFolder, "remove", removed)
            try:
                run(False)
                break
            except Killed:
                pass
        left.append(sorted(path.name for path in (tmp_path / "c").iterdir()))
        assert tree(tmp_path / "b") == expected
        if number == 0:  # nothing is gone yet, and the run goes on from its last checkpoint
            run(True)
        else:
            with pytest.raises(CheckpointError, match="no run to resume"):
                run(True)
        assert not (tmp_path / "c").exists()
        assert tree(tmp_path / "b") == expected
    assert len(left) > 4
    assert left[-1] == []


def test_a_folder_that_lost_its_run_is_kept(tmp_path):
    """It is no run that has ended: somebody may find the file again."""
    stopped(tmp_path)
    run = (tmp_path / "c" / "run.json").read_bytes()
    (tmp_path / "c" / "run.json").unlink()
    with pytest.raises(CheckpointError, match="no run to resume"):
        resumed(tmp_path, shop())
    (tmp_path / "c" / "run.json").write_bytes(run)
    resumed(tmp_path, shop())


def test_without_what_was_pending_bytes_differ(tmp_path):
    """The negative control: a resumed output that forgets its pending rows is found out."""
    expected = whole(tmp_path / "a")

    class Forgets(Dies):
        def resume(self, info, state):
            streams = {
                n: {**s, "waiting": 0, "rows": s["rows"] - s["waiting"]} for n, s in state["streams"].items()
            }
            return super().resume(info, {**state, "streams": streams})

    def run(resume: bool) -> None:
        sim = shop()
        sim.add_output(FileOutput(tmp_path / "b" / "events.jsonl"))
        sim.add_output(Forgets(tmp_path / "b" / "out"))
        sim.run(history=True, checkpoint_every=1500, checkpoint=tmp_path / "c", resume=resume, progress=False)

    Forgets.calls, Forgets.last = 0, 12
    with pytest.raises(OutputError):
        run(False)
    Forgets.last = 10**9
    run(True)
    assert tree(tmp_path / "b") != expected


# ---------------------------------------------------------------- interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_makes_a_checkpoint(tmp_path, number):
    """A paced run stops in good order, in the middle of a chunk, and goes on to the same bytes."""
    expected = whole(tmp_path / "a", duration="20m")

    def run(**more):
        sim = shop(duration="20m")
        sim.add_output(FileOutput(tmp_path / "b" / "events.jsonl"))
        sim.run(tmp_path / "b" / "out", history=True, checkpoint=tmp_path / "c", progress=False, **more)

    def interrupt(written=lambda: (tmp_path / "b" / "events.jsonl.partial").stat().st_size):
        while not (tmp_path / "b" / "events.jsonl.partial").exists() or not written():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(RunInterrupted, match="go on by running the same with resume=True"):
        run(rate="200/s")
    thread.join()
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["events.jsonl.partial", "out.partial"]
    run(resume=True)
    assert tree(tmp_path / "b") == expected


PROGRAM = """
from tests.support.worlds.resume_world import shop
sim = shop()
"""


def test_the_command_goes_on(tmp_path):
    """`--checkpoint-every`, an interrupt, `--resume`: what it says, what it leaves, exit codes."""
    (tmp_path / "shop.py").write_text(PROGRAM)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }

    def start(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "deep_faker", "run", "shop.py", "--output", "out", "-q", *more]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)

    first = start("--checkpoint-every", "1k", "--rate", "2000/s")
    while not (tmp_path / "out.checkpoint" / "checkpoint.json").exists():
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate()
    assert first.returncode == 130
    assert "--resume" in said
    other = start("--resume", "--n-flows", "7")
    _, said = other.communicate()
    assert other.returncode == 1
    assert "setting n_flows was 200 and is 7" in said
    last = start("--resume")
    _, said = last.communicate()
    assert (last.returncode, said) == (0, "")
    shop().run(tmp_path / "plain", progress=False)
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")
    again = start("--resume")
    _, said = again.communicate()
    assert again.returncode == 1
    assert "no run to resume" in said


# ---------------------------------------------------------------- what is refused


def test_changed_settings_are_named(tmp_path):
    stopped(tmp_path)
    with pytest.raises(CheckpointError, match="setting n_flows was 200 and is 201"):
        resumed(tmp_path, shop(n_flows=201))
    with pytest.raises(CheckpointError, match="seed was 4 and is 5"):
        resumed(tmp_path, shop(seed=5))
    with pytest.raises(CheckpointError, match="setting history was False and is True"):
        resumed(tmp_path, shop(), history=True)
    other = shop()
    other.add_output(FileOutput(tmp_path / "more.jsonl"))
    with pytest.raises(CheckpointError, match="the outputs were ParquetOutput"):
        resumed(tmp_path, other)
    resumed(tmp_path, shop())  # nothing of this was lost


def changed_flow(rate: float) -> Simulation:
    sim = Simulation(
        duration="2h", start_time="2024-01-01", n_flows=200, random_seed=4, initial_entities={ResumeUser: 50}
    )

    @sim.flow(filter=Select(None, ResumeUser))
    def buy(ctx):
        yield NewEvent(ctx, ResumeBought)
        yield AddDecay(ctx, rate=rate, seconds=60)
        yield NewEvent(ctx, ResumeBought)

    return sim


def test_a_changed_flow_is_named(tmp_path):
    stopped(tmp_path, changed_flow(0.3))
    with pytest.raises(CheckpointError, match="flow buy has changed"):
        resumed(tmp_path, changed_flow(0.4))
    resumed(tmp_path, changed_flow(0.3))


def test_no_seed_and_now_are_those_of_the_first_part(tmp_path):
    """A run that drew its seed and took the clock goes on with both."""
    stopped(tmp_path, shop(seed=None))
    run = json.loads((tmp_path / "c" / "run.json").read_text())
    resumed(tmp_path, shop(seed=None))
    shop(seed=run["seed"]).run(tmp_path / "plain", progress=False)
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")


def test_a_new_run_does_not_drop_checkpoints(tmp_path):
    stopped(tmp_path)
    with pytest.raises(CheckpointError, match="has not ended"):
        shop().run(tmp_path / "out", checkpoint=tmp_path / "c", progress=False)
    shop().run(tmp_path / "out", checkpoint=tmp_path / "c", overwrite=True, progress=False)
    assert not (tmp_path / "c").exists()


def test_foreign_files_are_never_deleted(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="never deleted"):
        shop().run(tmp_path / "out", checkpoint=tmp_path / "c", overwrite=True, progress=False)
    assert (tmp_path / "c" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["checkpoint.json", "run.json", "state-"])
def test_damage_is_found(tmp_path, name):
    """One changed byte in any of its files, and the checkpoint is refused."""
    stopped(tmp_path)
    point = CheckpointFolder(tmp_path / "c").last()
    states = {entry["file"] for entry in point["states"].values()}
    paths = [path for path in (tmp_path / "c").iterdir() if path.name == name or path.name in states]
    assert paths
    for path in paths if name == "state-" else [tmp_path / "c" / name]:
        data = path.read_bytes()
        for place in np.linspace(0, len(data) - 1, 7).astype(int).tolist():
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.raises((CheckpointError, OutputError)):
                resumed(tmp_path, shop())
        path.write_bytes(data)
    resumed(tmp_path, shop())


def test_pending_rows_that_are_gone(tmp_path):
    stopped(tmp_path)
    spilled = next((tmp_path / "c").rglob("*.arrow"))
    data = spilled.read_bytes()
    spilled.write_bytes(data[: len(data) // 2])
    with pytest.raises(OutputError, match="cannot go on with"):
        resumed(tmp_path, shop())
    spilled.write_bytes(data)
    resumed(tmp_path, shop())


def test_a_second_process_is_locked_out(tmp_path):
    stopped(tmp_path)
    first = CheckpointFolder(tmp_path / "c")
    first.take_up()
    with pytest.raises(CheckpointError, match="is going on"):
        CheckpointFolder(tmp_path / "c").take_up()
    first.release()
    resumed(tmp_path, shop())


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv", "arrow"])
def test_a_disk_that_is_read_only(small_disk, form):
    """Said, with the mend, before anything has run; what was there stays."""
    place, _ = small_disk
    (place / "old").write_text("x")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    for output in (FileOutput(place / "events.jsonl"), ParquetOutput(place / "out", format=form)):
        sim = shop(duration="1h")
        sim.add_output(output)
        with pytest.raises(OutputError, match=r"Read-only file system(.|\n)*choose another place"):
            sim.run(progress=False)
    assert [path.name for path in place.iterdir()] == ["old"]


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv", "arrow"])
def test_a_full_disk(tmp_path, small_disk, form):
    """The run fails and says so, leaves nothing that reads as whole, and goes on when there is room."""
    place, grow = small_disk
    expected = whole(tmp_path / "a", form, duration="6h")

    def run(resume):
        sim = shop(duration="6h")
        sim.add_output(FileOutput(place / "b" / "events.jsonl"))
        sim.run(
            place / "b" / "out",
            format=form,
            history=True,
            checkpoint_every=2000,
            resume=resume,
            progress=False,
        )

    with pytest.raises(OutputError, match="No space left") as caught:
        run(resume=False)
    assert "resume=True" in str(caught.value)
    assert {path.name for path in (place / "b").iterdir()} <= {
        "events.jsonl.partial", "events.jsonl.checkpoint", "out.partial", "out.checkpoint"
    }  # fmt: skip
    grow()
    run(resume=True)
    assert tree(place / "b") == expected


def test_killed_between_its_name_and_its_end(tmp_path):
    """An output that had its final name already is known, and left as it is."""
    expected = whole(tmp_path / "a")

    class Last(FileOutput):
        fail = True

        def finish(self):
            if type(self).fail:
                raise OutputError("dies")
            return super().finish()

    def run(resume: bool) -> None:
        sim = shop()
        sim.add_output(ParquetOutput(tmp_path / "b" / "out"))
        sim.add_output(FileOutput(tmp_path / "b" / "first.jsonl"))
        sim.add_output(Last(tmp_path / "b" / "events.jsonl"))
        sim.run(history=True, checkpoint_every=1500, checkpoint=tmp_path / "c", resume=resume, progress=False)

    with pytest.raises(OutputError):
        run(False)
    assert (tmp_path / "b" / "out").is_dir()
    Last.fail = False
    run(True)
    found = tree(tmp_path / "b")
    assert found.pop("first.jsonl") == found["events.jsonl"]
    assert found == expected


def test_outputs_without_checkpoints_are_refused(tmp_path):
    sim = shop()
    sim.add_output(StdOutOutput())
    with pytest.raises(SettingsError, match="StdOutOutput keeps no checkpoints"):
        sim.run(tmp_path / "out", checkpoint_every=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_live_flow_is_named(tmp_path):
    sim = Simulation(duration="1m", n_flows=2, random_seed=1)

    @sim.flow()
    def odd(ctx):
        yield NewEvent(ctx, ResumeJoined)
        exec("1")

    with pytest.raises(SettingsError, match="flow 'odd' cannot be saved"):
        sim.run(tmp_path / "out", checkpoint_every=1000)


def test_a_program_error_leaves_nothing(tmp_path):
    """What would fail again is not kept for a resume."""
    sim = Simulation(duration="1h", start_time="2024-01-01", n_flows=200, random_seed=4)

    @sim.flow()
    def fails(ctx):
        yield NewEvent(ctx, ResumeJoined)
        yield AddDecay(ctx, rate=0.0, seconds=3000)
        yield NewEvent(ctx, ResumeJoined, name=1 // 0)

    with pytest.raises(Exception, match="zero"):
        sim.run(tmp_path / "out", checkpoint_every=100, progress=False)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- parts


def test_state_files_hold_every_kind_of_array(tmp_path):
    objects = np.empty(4, object)
    objects[:] = ["é", None, 7, 2.5]
    lists = np.empty(2, object)
    lists[0], lists[1] = ["a", "b"], {"x": [1]}
    arrays = {
        "i": np.arange(5),
        "b": np.array([True, False]),
        "t": np.array(["2024-01-01"], "M8[us]"),
        "m": np.arange(6.0).reshape(2, 3),
        "none": np.empty(0, np.int32),
        "o": objects,
        "l": lists,
    }
    sha = write_state(tmp_path / "s", arrays)
    found = read_state(tmp_path / "s", sha)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].tolist() == array.tolist()
        found[name][:0] = 0  # its own memory
    with pytest.raises(CheckpointError, match="its SHA-256 is"):
        read_state(tmp_path / "s", "0" * 64)


def test_state_files_run_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "evil"),))

    objects = np.empty(1, object)
    objects[0] = Evil()
    with pytest.raises(CheckpointError, match="odd cannot be saved"):
        write_state(tmp_path / "s", {"odd": objects})
    assert not (tmp_path / "evil").exists()


def test_digests_see_code_and_constants():
    def one(rate):
        return lambda: rate

    assert digest(one(1)) == digest(one(1))
    assert digest(one(1)) != digest(one(2))
    assert digest(np.arange(3)) != digest(np.arange(4))
    assert digest({1, 2, 3}) == digest({3, 2, 1})


@pytest.mark.parametrize("form", ["parquet", "lines"])
@pytest.mark.parametrize("again", [True, False])
def test_what_a_run_may_replace_it_may_replace_when_it_is_resumed(form, again, tmp_path):
    """`--overwrite` of the run that was killed holds for its second half, said again or not."""
    place = tmp_path / ("out" if form == "parquet" else "out.jsonl")
    shop(seed=5).run(place, progress=False)
    shop(seed=4).run(tmp_path / ("new" if form == "parquet" else "new.jsonl"), progress=False)

    class Ends:
        def __repr__(self):
            return "Ends()"

        def resume(self, info, state): ...
        def open(self, info): ...
        def write(self, chunk):
            if Ends.alive:
                raise OutputError("ends")

        def checkpoint(self):
            return {}

        def suspend(self): ...
        def abort(self): ...
        def finish(self):
            return []

    sim = shop(seed=4)
    sim.add_output(Ends())
    Ends.alive = True
    keep = {"checkpoint": tmp_path / "c", "checkpoint_every": 1000, "progress": False}
    with pytest.raises(OutputError, match="ends"):
        sim.run(place, overwrite=True, **keep)
    Ends.alive = False
    shop_again = shop(seed=4)
    shop_again.add_output(Ends())
    shop_again.run(place, resume=True, overwrite=again, **keep)
    new = tree(tmp_path)
    assert {n.replace("new", "out"): h for n, h in new.items() if n.startswith("new")} == {
        n: h for n, h in new.items() if n.startswith("out")
    }


def test_overwrite_and_resume_begin_where_nothing_was_begun(tmp_path):
    """A run that was killed before it had a checkpoint's folder: the same command works all the same."""
    shop(seed=5).run(tmp_path / "out", progress=False)
    keep = {"checkpoint_every": 1000, "progress": False, "resume": True}
    with pytest.raises(CheckpointError, match="no run to resume"):
        shop().run(tmp_path / "out", **keep)
    assert shop().run(tmp_path / "out", overwrite=True, **keep).seed == 4
