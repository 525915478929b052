"""Private database servers for the tests: started, stopped, killed and restarted here, on the loopback interface.

Each has a folder and a port of its own; only processes that were started here are ended. Where a
server cannot be had, `start` raises `NoServerError` with the reason, and the tests skip with it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.support.servers.ports import free_port

USER, PASSWORD, DATABASE = "deep_faker", "hunter2 'quoted'", "deep_faker"
_START_SECONDS = 300  # for a busy machine


class NoServerError(Exception):
    """A server that is not there, or did not start."""


def program(name: str, *folders: str) -> str:
    """The path of a server's program; Debian keeps some outside of PATH."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        raise NoServerError(f"{name} is not installed")
    return found


class Server:
    """One server: `start` makes its data where there are none yet."""

    name = ""
    account = ""  # who runs it where the tests are root's

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"deep_faker_{self.name}_"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        fresh = not self.data.exists()
        if fresh:
            self.data.mkdir(mode=0o700)
            if self._as():
                shutil.chown(self.folder, self.account)
                shutil.chown(self.data, self.account)
            self._make()
        for attempt in range(20):
            try:
                self._launch()
                break
            except NoServerError:
                # the files of a server that was killed can stay locked for a moment
                if fresh or attempt == 19:
                    raise
                time.sleep(0.5)
        if fresh:
            self._prepare()

    def _launch(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as(),
            )
        self._wait(self._ready)

    def kill(self) -> None:
        """As a power cut does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; connections are cut."""
        self._end(signal.SIGINT if self.name == "postgres" else signal.SIGTERM)

    def restart(self, *, kill: bool = False, down: float = 0.0) -> None:
        """Kill or stop it, leave it down for so many seconds, start it again on the same port and data."""
        self.kill() if kill else self.stop()
        time.sleep(down)
        self.start()

    def _end(self, number: int) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        process.wait(_START_SECONDS)

    def _as(self) -> dict[str, Any]:
        """Popen's arguments to run as the server's own account, where the tests run as root."""
        if os.getuid() != 0:
            return {}
        try:
            entry = pwd.getpwnam(self.account)
        except KeyError:
            raise NoServerError(f"there is no account {self.account!r} to run it as") from None
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, **self._as()
        )
        if done.returncode:
            raise NoServerError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")

    def _wait(self, ready: Callable[[], object]) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                ready()
            except Exception as error:
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > until:
                    tail = (self.folder / "server.log").read_text(errors="replace")[-600:]
                    raise NoServerError(
                        f"{self.name} did not start ({error}); its log ends: {tail}"
                    ) from error
                time.sleep(0.05)
            else:
                return

    def _make(self) -> None:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _ready(self) -> None:
        raise NotImplementedError

    def _prepare(self) -> None:
        raise NotImplementedError


class MariaDB(Server):
    """A MariaDB server; ``options`` go to mariadbd."""

    name, account = "mariadb", "mysql"
    user, password = USER, PASSWORD

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options = options

    def _make(self) -> None:
        self._run(
            program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def _command(self) -> list[str]:
        return [
            program("mariadbd", "/usr/sbin"),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.folder}/sock",
            f"--pid-file={self.folder}/pid",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--local-infile=1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2",  # a commit outlives the server, not the machine
            *self.options,
        ]

    def connect(self, **options: Any) -> Any:
        """A connection of PyMySQL's, as the tests' user."""
        import pymysql

        mine = {"user": USER, "password": PASSWORD, "database": DATABASE, "autocommit": True}
        return pymysql.connect(host="127.0.0.1", port=self.port, connect_timeout=60, **{**mine, **options})

    def rows(self, statement: str, **options: Any) -> list[Any]:
        """What a query gives, on a connection of its own."""
        with self.connect(**options) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def sql(self, statement: str, database: str = DATABASE) -> str:
        """What the command-line client prints, a line of names first."""
        command = [program("mariadb"), "--no-defaults", "-h127.0.0.1", f"-P{self.port}", f"-u{USER}"]
        command += [
            f"-p{PASSWORD}",
            "--default-character-set=utf8mb4",
            "-B",
            "-D",
            database,
            "-e",
            statement,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def _ready(self) -> None:
        # A bare connection: the driver leaves a socket of its own open where there is no server yet.
        socket.create_connection(("127.0.0.1", self.port), 5).close()

    def _prepare(self) -> None:
        root = {"user": "root", "password": "", "database": None, "unix_socket": f"{self.folder}/sock"}
        with self.connect(**root) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
            cursor.execute(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute(f"GRANT ALL ON *.* TO {USER}@'127.0.0.1'")


class PostgreSQL(Server):
    """A PostgreSQL server; ``options`` are settings ``name=value``."""

    name, account = "postgres", "postgres"

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options = options

    def _folders(self) -> list[str]:
        return sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)

    def _make(self) -> None:
        initdb = program("initdb", *self._folders())
        words = ["-E", "UTF8", "--locale=C", "-A", "trust", "-U", "postgres", "-N"]
        self._run(initdb, "-D", str(self.data), *words)
        hba = "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(hba)

    def _command(self) -> list[str]:
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            "fsync=off",  # a commit outlives the server, not the machine
        ]
        words = [word for setting in [*settings, *self.options] for word in ("-c", setting)]
        # The server itself, not Debian's wrapper of the same name.
        return [program("postgres", *self._folders()), "-D", str(self.data), *words]

    def connect(self, **options: Any) -> Any:
        """A connection of psycopg's, as the tests' user."""
        import psycopg

        mine = {"user": USER, "password": PASSWORD, "dbname": DATABASE, "autocommit": True}
        return psycopg.connect(host="127.0.0.1", port=self.port, connect_timeout=60, **{**mine, **options})

    def rows(self, statement: str, **options: Any) -> list[Any]:
        """What a query gives, on a connection of its own."""
        with self.connect(**options) as connection:
            return list(connection.execute(statement).fetchall())

    def client(self, statement: str) -> str:
        """What psql prints."""
        command = [program("psql"), "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        env = {**os.environ, "PGPASSWORD": PASSWORD, "PGCLIENTENCODING": "UTF8"}
        done = subprocess.run(
            [*command, "-d", DATABASE, "-c", statement], capture_output=True, text=True, check=True, env=env
        )
        return done.stdout

    def _ready(self) -> None:
        self.connect(user="postgres", password=None, dbname="postgres").close()

    def _prepare(self) -> None:
        from psycopg import sql

        with self.connect(user="postgres", password=None, dbname="postgres") as connection:
            secret = sql.Literal(PASSWORD)
            connection.execute(sql.SQL("CREATE ROLE deep_faker LOGIN PASSWORD {}").format(secret))
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")


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
