"""Apache Kafka itself, one node, in a folder of its own on loopback ports.

Java runs it. Maven fetches its jars, once, into the user's cache (``$DEEP_FAKER_CACHE``); which ones stands in
`kafka/pom.xml`. Where one of these is missing, tests that need the broker are skipped and say why.

    python -m tests.support.servers.kafka_broker    # fetch the jars
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.servers.ports import free_port

_POM = Path(__file__).parent / "kafka" / "pom.xml"
_CACHE = Path(os.environ.get("DEEP_FAKER_CACHE") or Path.home() / ".cache" / "deep_faker")


class KafkaMissingError(Exception):
    """Why there is no Kafka here."""


@functools.cache
def requirements() -> tuple[str, str]:
    """(java, class path). Raises `KafkaMissingError` where they cannot be had."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java") if home is None else f"{home}/bin/java"
    if java is None:
        raise KafkaMissingError("Kafka needs Java 17 or newer, and there is no java")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = said.split('"')[1].split(".")[0] if '"' in said else "0"
    if not version.isdigit() or int(version) < 17:
        raise KafkaMissingError(
            f"Kafka needs Java 17 or newer; {java} is {said.splitlines()[0] if said else 'none'}"
        )
    # another pom, another folder: an old one is never mixed with new jars
    folder = _CACHE / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        _fetch(folder)
    return java, f"{folder}/*"


def _fetch(folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise KafkaMissingError("Kafka's jars are fetched by Maven, and there is no mvn")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
        # -C: a jar whose checksum is wrong fails the build
        command = ["mvn", "-B", "-q", "-C", "-f", str(_POM), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={scratch}/jars"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900
        )
        if done.returncode:
            raise KafkaMissingError(
                f"Maven could not fetch Kafka's jars: {(done.stdout + done.stderr)[-500:]}"
            )
        try:
            Path(scratch, "jars").rename(folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise


# A broker of a test lives for seconds: the second compiler and threads that collect in parallel cost it 5 CPU s for 3.
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class KafkaBroker:
    """One broker that is its own controller. `start` may follow `kill`: its data stays."""

    def __init__(self, folder: Path, *, certificate: tuple[Path, Path] | None = None) -> None:
        """With a certificate and its key it listens at ``secure`` too, by TLS."""
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
            # a broker that was killed may come back as soon as its session has ended
            "broker.session.timeout.ms": 2500,
            "broker.heartbeat.interval.ms": 500,
        }
        if certificate is not None:
            self.secure = f"127.0.0.1:{free_port()}"
            store = folder / "keystore.pem"
            store.write_bytes(certificate[1].read_bytes() + certificate[0].read_bytes())
            settings |= {
                "listeners": f"{settings['listeners']},SSL://{self.secure}",
                "advertised.listeners": f"{settings['advertised.listeners']},SSL://{self.secure}",
                "listener.security.protocol.map": f"{settings['listener.security.protocol.map']},SSL:SSL",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": store,
            }
        self.properties = folder / "server.properties"
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        cluster = "MkU3OEVBNTcwNTJENDM2Qg"
        self.run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.properties))

    def run(self, main: str, *arguments: str, timeout: float = 300) -> str:
        """The output of one of Kafka's own tools."""
        command = [self.java, "-Xmx256m", *QUICK, "-cp", self.classes, main, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout)
        return done.stdout

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.java, "-Xmx512m", *QUICK, "-cp", self.classes, "kafka.Kafka", str(self.properties)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        for _ in range(3_000):
            if self.process.poll() is not None:
                raise RuntimeError(f"Kafka did not start: {(self.folder / 'log').read_text()[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError("Kafka did not start in 300 s")

    def settle(self) -> None:
        """Wait until its coordinators have loaded, which a broker does not wait for before it listens.

        A busy one (Kafka 4) acknowledged the first batch of a new partition meanwhile and did not have it: the
        partition's log began with the producer's sequence 4, and the client had been told that all is well.
        """
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.address, "enable.idempotence": True, "log_level": 0})
        producer.produce("settled", b"")
        if producer.flush(300):
            raise RuntimeError("Kafka took no message in 300 s")

    def pause(self) -> None:
        """SIGSTOP: connections stay, answers do not come."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """The end of `pause`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


def main() -> int:
    try:
        _, jars = requirements()
    except KafkaMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Kafka's jars are in {Path(jars).parent}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
