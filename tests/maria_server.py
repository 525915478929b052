"""A private MariaDB, in a folder of its own on a loopback port, and a proxy that cuts connections."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class MariaServer:
    """`start` may follow `kill`: its data stays. Skips the test where there is no server program."""

    user, password = "deep_faker", "deep_faker"

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        install = shutil.which("mariadb-install-db")
        if binary is None or install is None:
            pytest.skip("there is no mariadbd on this machine")
        self.binary = binary
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.run_as = []
        folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            self.run_as = ["--user=mysql"]
            shutil.chown(folder, "mysql")
            for parent in [folder, *folder.parents]:
                if getattr(parent.stat(), "st_uid", 0) == 0 and parent != Path("/"):
                    with contextlib.suppress(OSError):
                        parent.chmod(parent.stat().st_mode | 0o011)
        subprocess.run(
            [install, "--no-defaults", *self.run_as, f"--datadir={folder}/data", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            capture_output=True, check=True, cwd=folder,
        )  # fmt: skip
        self.start()
        self.sql(
            f"CREATE USER '{self.user}'@'127.0.0.1' IDENTIFIED BY '{self.password}';"
            f"GRANT ALL ON *.* TO '{self.user}'@'127.0.0.1';"
        )

    def start(self) -> None:
        for _ in range(20):  # the files of a server that was killed can stay locked for a moment
            if self._started():
                return
            time.sleep(0.5)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def _started(self) -> bool:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "--no-defaults", *self.run_as, f"--datadir={self.folder}/data",
                 f"--socket={self.folder}/sock", f"--pid-file={self.folder}/pid", "--bind-address=127.0.0.1",
                 f"--port={self.port}", "--local-infile=1", "--innodb-flush-log-at-trx-commit=1"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        for _ in range(300):
            if self.process.poll() is not None:
                return False
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            time.sleep(0.1)
        raise RuntimeError("MariaDB did not start in 30 s")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def sql(self, text: str, database: str = "") -> str:
        """What the server's own client prints."""
        client = [
            "mariadb",
            "--no-defaults",
            f"--socket={self.folder}/sock",
            "-u",
            "root",
            "--batch",
            "--raw",
        ]
        done = subprocess.run(
            [*client, "--default-character-set=utf8mb4", "-e", text, *([database] if database else [])],
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout.decode()


class CuttingProxy:
    """Forwards to a port; ``cut(data)`` sees what the client sends and says "before" or "after" to cut there.

    "before": what was sent never arrives. "after": it arrives, and the answer does not.
    """

    def __init__(self, port: int, cut: Callable[[bytes], str | None]) -> None:
        self.target, self.cut, self.cuts = port, cut, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                where = self.cut(data)
                self.cuts += where is not None
                if where == "after":
                    # nothing comes back any more: the client sees a connection that ends
                    client.shutdown(socket.SHUT_WR)
                    server.sendall(data)
                    time.sleep(0.3)
                if where:
                    break
                server.sendall(data)
        self._close(client, server)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        self._close(client, server)

    @staticmethod
    def _close(*sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self.listener.close()
