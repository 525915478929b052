"""Standard streams that are closed, full, broken off or without é: a run does not depend on them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deep_faker import BaseEvent, NewEvent, Simulation, StdOutOutput
from deep_faker.dataset import verify
from deep_faker.errors import OutputError

PROGRAM = """
from deep_faker import BaseEvent, NewEvent, Simulation
class Été(BaseEvent):
    text: str = "é→"
sim = Simulation("2000s", start_time="2024-01-01", n_flows=10, random_seed=1)
@sim.flow()
def go(ctx):
    yield NewEvent(ctx, Été)
"""
COMMANDS = {
    "run": ["run", "sim.py", "--output", "-", "-q"],
    "preview": ["preview", "sim.py", "-n", "20000"],
    "explain": ["explain", "sim.py"],
    "help": ["--help"],
    "json": ["run", "sim.py", "--output", "out", "--json", "--overwrite"],
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "sim.py").write_text(PROGRAM)
    return tmp_path


def shell(place: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which $df is the command."""
    return subprocess.run(
        ["bash", "-c", f'df="$0 -m deep_faker"; {script}', sys.executable, *arguments],
        cwd=place,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )


@pytest.mark.parametrize("name", ["run", "preview", "explain", "help"])
def test_a_reader_that_goes_away_ends_every_command_alike(name, place):
    """`| head -c0`: exit code 141 and not a word, whatever the command and whenever it notices."""
    script = 'mkfifo p; (exec 8<p) & exec 9>p; wait; $df "$@" >&9; echo "code $?" >&2'
    ran = shell(place, script, *COMMANDS[name])
    assert ran.stderr == "code 141\n"


@pytest.mark.parametrize("name", ["run", "preview"])
def test_a_full_disk_behind_standard_output_is_said(name, place):
    """`> full-disk`: one short message, exit code 1, no traceback."""
    ran = shell(place, '$df "$@" > /dev/full', *COMMANDS[name])
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: cannot write standard output: No space left on device\n")


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_stop_a_run(closed, place):
    """And no file gets the number of a closed one: what a library says there would be in the data."""
    ran = shell(place, f"$df run sim.py --output out {closed}")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert verify(place / "out") == []


@pytest.mark.parametrize("name", ["run", "explain"])
def test_without_a_standard_output_what_goes_there_is_refused(name, place):
    """Silence would look like a run without events."""
    ran = shell(place, '$df "$@" >&-', *COMMANDS[name])
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: there is no standard output")


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
)
@pytest.mark.parametrize("name", ["preview", "explain"])
def test_data_are_utf_8_whatever_the_terminal_is(name, environment, place):
    """JSON is UTF-8; the rest has escapes where a letter is missing; nothing fails."""
    usual = shell(place, '$df "$@"', *COMMANDS[name])
    ran = shell(place, '$df "$@"', *COMMANDS[name], **environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == usual.stdout
    assert "Été" in ran.stdout


def test_messages_of_other_letters(place):
    """An error and a summary that a terminal has no letters for are shown with escapes."""
    ran = shell(place, "$df run sim.py --output été; $df verify été/no", PYTHONIOENCODING="ascii")
    assert "\\xc9t\\xe9" in ran.stderr
    assert "Traceback" not in ran.stderr


def simulation() -> Simulation:
    class Ping(BaseEvent):
        n: int = 1

    sim = Simulation("5s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Ping)

    return sim


class Dead(io.StringIO):
    """A log viewer that has gone."""

    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Dead(), io.TextIOWrapper(io.BytesIO(), "ascii")])
@pytest.mark.parametrize("progress", [None, True, False])
def test_standard_error_is_not_needed(stream, progress, tmp_path, monkeypatch):
    """None (pythonw, services), closed, broken off, of another encoding: the run is the same."""
    monkeypatch.setattr("deep_faker.run.progress.Progress._SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(sys, "stderr", stream)
    assert simulation().run(tmp_path / "out", progress=progress).total == 5
    monkeypatch.setattr(sys, "stdout", stream)
    assert simulation().run(tmp_path / "other", progress=progress).total == 5
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert simulation().run(tmp_path / "third", progress=progress).total == 5


def test_printing_without_a_standard_output(monkeypatch):
    """It is refused before the first event."""
    sim = simulation()
    sim.add_output(StdOutOutput())
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="there is no standard output"):
        sim.run()
