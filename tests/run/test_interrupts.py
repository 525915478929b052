"""Ctrl-C at any phase of a run with checkpoints: it ends soon, with 130, says how to go on, and that works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.servers.kafka_broker import KafkaBroker, KafkaMissingError, requirements
from tests.support.servers.sql_servers import DATABASE, PASSWORD, USER, MariaDB, NoServerError
from tests.support.worlds.resume_world import shop, tree

# Says where it is by files in the working directory, and waits there to be interrupted.
PROGRAM = """
import os, time
from pathlib import Path
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, shop
from deep_faker import FileOutput, KafkaOutput, MySQLOutput
from deep_faker.outputs import ParquetOutput
from deep_faker.run.checkpoints.saver import Saver

PHASE = os.environ.get("PHASE", "")

def at(phase):
    if phase == PHASE:
        Path("there").touch()
        while not Path("free").exists():
            time.sleep(0.01)

class Slow(ParquetOutput):
    calls = 0

    def open(self, info):
        at("opening")
        super().open(info)

    def write(self, chunk):
        super().write(chunk)
        self.calls += 1
        if self.calls == 1:
            at("before the first checkpoint")
        if Path("out.checkpoint/checkpoint.json").exists():
            at("writing")

    def checkpoint(self):
        at("making a checkpoint")
        return super().checkpoint()

    def finish(self):
        at("finishing")
        return super().finish()

sim = shop(duration="15m")
"""


# The command, in a process that hears interrupts: whoever runs the tests in the background may have them ignored,
# and Python then leaves it at that.
COMMAND = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("deep_faker", run_name="__main__", alter_sys=True)
"""


def start(folder: Path, program: str, phase: str = "", *more: str) -> subprocess.Popen[str]:
    (folder / "shop.py").write_text(PROGRAM + textwrap.dedent(program))
    path = os.pathsep.join([str(ROOT), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "PHASE": phase}
    command = [sys.executable, "-W", "ignore", "-c", COMMAND, "run", "shop.py", "-q", *more]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


FILES = 'sim.add_output(Slow("out"))\n'
EVERY = ("--checkpoint-every", "300")
PHASES = ["opening", "before the first checkpoint", "making a checkpoint", "writing", "finishing"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What a run makes that nobody interrupts."""
    out = tmp_path_factory.mktemp("plain") / "out"
    shop(duration="15m").run(out, progress=False)
    return tree(out)


@pytest.mark.parametrize(
    ("phase", "times"), [*((phase, 1) for phase in PHASES), ("opening", 2), ("finishing", 2)]
)
def test_an_interrupt_at_any_phase(tmp_path, plain, phase, times):
    process = start(tmp_path, FILES, phase, *EVERY)
    wait_for(tmp_path / "there", process)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    (tmp_path / "free").touch()
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "go on by running the same with resume=True (--resume)" in said
    assert "nothing that reads as whole" not in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
    again = start(tmp_path, FILES, "", *EVERY, "--resume")
    assert (again.communicate()[1], again.returncode) == ("", 0)
    assert tree(tmp_path / "out") == plain


def test_without_checkpoints_there_is_no_word_of_going_on(tmp_path):
    """The negative control."""
    process = start(tmp_path, FILES, "before the first checkpoint")
    wait_for(tmp_path / "there", process)
    process.send_signal(signal.SIGINT)
    (tmp_path / "free").touch()
    _, said = process.communicate()
    assert (process.returncode, "--resume" in said) == (130, False)
    assert "interrupted: nothing that reads as whole was left" in said
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- servers that are away


def test_an_interrupt_while_the_database_is_away(tmp_path):
    """The run waits for it for up to an hour, but not once it is told to stop; then every row is there once."""
    pytest.importorskip("pymysql")
    try:
        server = MariaDB()
        server.__enter__()
    except NoServerError as error:
        pytest.skip(f"no MariaDB to test on: {error}")
    program = f"""
    there = dict(host="127.0.0.1", port={server.port}, user={USER!r}, password={PASSWORD!r}, database={DATABASE!r})
    tables = {{ResumeJoined: "joined", ResumeBought: "bought"}}
    class Noting(MySQLOutput):
        def write(self, chunk):
            for piece in chunk.slices(100):
                super().write(piece)
            Path("there").touch()
    sim.add_output(Noting(**there, table_mapping=tables, timeout=3600))
    """
    more = ("--checkpoint-every", "300", "--checkpoint", "c")
    try:
        process = start(tmp_path, program, "", *more, "--rate", "500/s")
        wait_for(tmp_path / "there", process)
        server.kill()
        time.sleep(1.0)  # it is found out, and waited for
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        assert process.returncode == 130, said
        assert "go on by running the same with resume=True (--resume)" in said
        assert PASSWORD not in said.replace(f"{USER}@", "")
        server.start()
        again = start(tmp_path, program, "", *more, "--resume")
        assert (again.communicate()[1], again.returncode) == ("", 0)
        rows = [r[0] for table in ("joined", "bought") for r in server.rows(f"SELECT sys__eid FROM {table}")]
        assert Counter(rows) == Counter(shop(duration="15m").collect().events["sys__eid"].to_list())
    finally:
        server.__exit__(None, None, None)


@pytest.mark.parametrize(("exactly_once", "times"), [(True, 2), (False, 1)])
def test_an_interrupt_while_the_broker_is_away(tmp_path, exactly_once, times):
    """Messages wait for up to an hour, but not once the run is told to stop."""
    kafka = pytest.importorskip("confluent_kafka")
    try:
        requirements()
    except KafkaMissingError as error:
        pytest.skip(str(error))
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    program = f"""
    class Noting(KafkaOutput):
        def write(self, chunk):
            super().write(chunk)
            if Path("c/checkpoint.json").exists():
                Path("there").touch()
    sim.add_output(Noting({{ResumeJoined: "t", ResumeBought: "t"}}, {broker.address!r}, create_topics=True,
                          exactly_once={exactly_once}, timeout={600 if exactly_once else 3600},
                          config={{"queue.buffering.max.messages": 400}}))
    """
    more = ("--checkpoint-every", "300", "--checkpoint", "c")
    try:
        process = start(tmp_path, program, "", *more, "--rate", "500/s")
        wait_for(tmp_path / "there", process)
        broker.kill()
        time.sleep(2.0)
        assert process.poll() is None
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        _, said = process.communicate()
        assert process.returncode == 130, said
        assert "go on by running the same with resume=True (--resume)" in said
        broker.start()
        again = start(tmp_path, program, "", *more, "--resume")
        assert (again.communicate()[1], again.returncode) == ("", 0)
        consumer = kafka.Consumer({
            "bootstrap.servers": broker.address, "group.id": "g",
            "isolation.level": "read_committed", "enable.partition.eof": True,
        })  # fmt: skip
        # not by `subscribe`: a group that is balanced again reads again what it has not marked as read
        consumer.assign([kafka.TopicPartition("t", 0, kafka.OFFSET_BEGINNING)])
        found: Counter[str] = Counter()
        while True:
            message = consumer.poll(30)
            assert message is not None
            if message.error() is not None:
                assert message.error().code() == kafka.KafkaError._PARTITION_EOF
                break
            found[message.value().decode().split('"')[3]] += 1
        consumer.close()
        wanted = Counter(shop(duration="15m").collect().events["sys__eid"].to_list())
        assert found.keys() == wanted.keys()
        if exactly_once:
            assert found == wanted
    finally:
        broker.kill()
