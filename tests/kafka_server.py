"""A real Apache Kafka for tests: one KRaft node on loopback ports, in a folder of its own.

Its jars are fetched by Maven, once, into ``$DEEP_FAKER_CACHE`` (``~/.cache/deep_faker``); what they are stands
in ``tests/kafka/pom.xml``. Java 17 or newer runs them. Where one of these is missing, tests that need the broker
are skipped and say why.

    python tests/kafka_server.py                     # fetch the jars
    python tests/kafka_server.py -- COMMAND ARG …    # run a command with KAFKA_BOOTSTRAP set to a fresh broker
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
POM = HERE / "kafka" / "pom.xml"

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=3
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
"""


class KafkaMissing(Exception):
    """Why there is no Kafka here."""


def java() -> str:
    """The Java of this machine, 17 or newer."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        raise KafkaMissing("Kafka needs Java 17 or newer, and there is no java")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < 17:
        raise KafkaMissing(f"Kafka needs Java 17 or newer; {found} says {said.splitlines()[:1]}")
    return found


@functools.cache
def jars() -> Path:
    """The folder with Kafka's jars, fetched if need be; `KafkaMissing` where Maven cannot."""
    cache = Path(os.environ.get("DEEP_FAKER_CACHE") or Path.home() / ".cache" / "deep_faker")
    # another pom, another folder: an old one is never mixed with new jars
    folder = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    if shutil.which("mvn") is None:
        raise KafkaMissing("Kafka's jars are fetched by Maven, and there is no mvn")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        command = ["mvn", "-B", "-q", "-C", "-f", str(POM), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={scratch}/jars"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=600
        )
        if done.returncode:
            raise KafkaMissing(f"Maven could not fetch Kafka's jars: {(done.stdout + done.stderr)[-500:]}")
        try:
            Path(scratch, "jars").rename(folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise
    return folder


def free_ports(n: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class KafkaServer:
    """One broker. ``settings`` are lines of its properties that win over ours."""

    def __init__(self, folder: Path, *, heap: str = "512m", settings: str = "") -> None:
        self.java, self.jars = java(), jars()
        self.folder, self.heap = folder, heap
        self.port, controller = free_ports(2)
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "server.properties"
        text = _PROPERTIES.format(port=self.port, controller=controller, data=folder / "data")
        self.config.write_text(f"{text}\n{settings}\n")
        self.tool("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(self.config))

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def tool(self, name: str, *arguments: str, timeout: float = 60) -> str:
        """Run a class of Kafka's own, such as the console consumer; returns what it printed."""
        command = [self.java, "-XX:TieredStopAtLevel=1", "-cp", f"{self.jars}/*", name, *arguments]
        done = subprocess.run(command, capture_output=True, check=False, timeout=timeout)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {(done.stdout + done.stderr).decode()[-2000:]}")
        return done.stdout.decode()

    def start(self) -> None:
        """Start, or start again on the same data, and wait until it serves."""
        command = [self.java, f"-Xmx{self.heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["-cp", f"{self.jars}/*", "kafka.Kafka", str(self.config)]
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.wait_until_it_serves()

    def wait_until_it_serves(self, seconds: float = 60) -> None:
        from confluent_kafka import KafkaException, Producer

        client = Producer(
            {"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 300}
        )
        for _ in range(int(seconds / 0.5)):
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"Kafka ended: {(self.folder / 'log.txt').read_text()[-2000:]}")
            try:
                client.list_topics(timeout=0.5)
            except KafkaException:
                continue
            return
        raise RuntimeError(f"Kafka does not serve: {(self.folder / 'log.txt').read_text()[-2000:]}")

    def kill(self) -> None:
        """kill -9: what it had acknowledged is in the page cache, its memory is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def kafka_server(*, heap: str = "512m", settings: str = "") -> Iterator[KafkaServer]:
    """A broker that serves, ended and removed on leaving."""
    with tempfile.TemporaryDirectory(prefix="deep_faker-kafka-", ignore_cleanup_errors=True) as folder:
        server = KafkaServer(Path(folder), heap=heap, settings=settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@functools.cache
def shared_server() -> KafkaServer:
    """The broker that test modules share, which ends with the process; skips the test where there is none."""
    import pytest

    context = kafka_server()
    try:
        server = context.__enter__()
    except KafkaMissing as error:
        pytest.skip(str(error))
    atexit.register(context.__exit__, None, None, None)
    return server


def main() -> int:
    command = sys.argv[2:] if sys.argv[1:2] == ["--"] else []
    began = time.monotonic()
    try:
        java()
        print(f"Kafka's jars are in {jars()} ({time.monotonic() - began:.0f} s)")
    except KafkaMissing as error:
        print(error)
        return 1
    if not command:
        return 0
    with kafka_server(heap="1g") as server:
        environment = {**os.environ, "KAFKA_BOOTSTRAP": server.bootstrap}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
