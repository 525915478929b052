"""Apache Kafka itself, one node, in a folder of its own on loopback ports; needs only Java.

Its jars (`data/kafka_jars.txt`: coordinates and SHA-256) are fetched once from Maven Central, or from the
mirror that MAVEN_REPOSITORY names, into the user's cache. Nothing else is installed.
"""

from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

_JARS = Path(__file__).parent / "data" / "kafka_jars.txt"
_MAVEN = os.environ.get("MAVEN_REPOSITORY", "https://repo1.maven.org/maven2").rstrip("/")
_CACHE = Path(os.environ.get("DEEP_FAKER_CACHE") or Path.home() / ".cache" / "deep_faker") / "kafka"


@functools.cache
def requirements() -> tuple[str, str]:
    """(java, class path); skips the test with the reason where they cannot be had."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java") if home is None else f"{home}/bin/java"
    if java is None:
        pytest.skip("Kafka needs Java 17 or newer, and there is no java")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = said.split('"')[1].split(".")[0] if '"' in said else "0"
    if not version.isdigit() or int(version) < 17:
        pytest.skip(f"Kafka needs Java 17 or newer; {java} is {said.splitlines()[0] if said else 'none'}")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        try:
            jars = list(pool.map(_jar, _JARS.read_text().split("\n")[:-1]))
        except OSError as error:
            pytest.skip(f"Kafka's jars cannot be fetched: {error}")
    return java, os.pathsep.join(map(str, jars))


def _jar(line: str) -> Path:
    coordinates, sha256 = line.split()
    group, name, version = coordinates.split(":")
    path = _CACHE / f"{name}-{version}.jar"
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
        return path
    url = f"{_MAVEN}/{group.replace('.', '/')}/{name}/{version}/{path.name}"
    with urllib.request.urlopen(url, timeout=120) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OSError(f"{path.name} has another checksum than {_JARS.name} says")
    made = path.with_suffix(f".{os.getpid()}")
    made.write_bytes(data)
    made.replace(path)
    return path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class KafkaBroker:
    """One broker that is its own controller. `start` may follow `kill`: its data stays."""

    def __init__(self, folder: Path) -> None:
        self.java, self.classes = requirements()
        self.folder = folder
        self.port, controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": folder / "data",
            "num.partitions": 3,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
        }
        self.properties = folder / "server.properties"
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        cluster = "MkU3OEVBNTcwNTJENDM2Qg"
        self.run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.properties))

    def run(self, main: str, *arguments: str, timeout: float = 60) -> str:
        """The output of one of Kafka's own tools."""
        command = [self.java, "-Xmx256m", "-cp", self.classes, main, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout)
        return done.stdout

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.java, "-Xmx512m", "-cp", self.classes, "kafka.Kafka", str(self.properties)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"Kafka did not start: {(self.folder / 'log').read_text()[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError("Kafka did not start in 60 s")

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(60)
            self.process = None
