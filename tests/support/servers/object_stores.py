"""A server that speaks S3, in a process of its own, and a proxy that fails as it is told."""

import base64
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from tests.support.servers.ports import free_port

OPTIONS = {
    "aws_access_key_id": "tester-id",
    "aws_secret_access_key": "hidden-key-4711",
    "region": "us-east-1",
}


class S3Server:
    """Moto's server: objects in memory, gone with it."""

    program = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", self.program, str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 300  # for a busy machine
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(self.url + "/moto-api/", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("moto's server does not answer")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def options(self, **more: Any) -> dict[str, Any]:
        return {**OPTIONS, "endpoint": self.url, "allow_http": "true", "max_retries": 2, **more}

    def make_bucket(self, name: str) -> str:
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT"), timeout=10).close()
        return name

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


# Google's XML API is S3's but for who asks: a bearer of a token, which moto would take for a signature.
_GOOGLE = """
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)

def app(environ, start_response):
    if environ.get("HTTP_AUTHORIZATION", "Bearer").startswith("Bearer"):
        scope = "AWS4-HMAC-SHA256 Credential=tester/20240101/us-east-1/s3/aws4_request"
        return moto({**environ, "HTTP_AUTHORIZATION": scope}, start_response)
    start_response("401 Unauthorized", [])
    return [b"<Code>Unauthorized</Code>"]

run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
"""


class GoogleServer(S3Server):
    """What speaks Google Cloud Storage's XML API: moto again, behind what checks and changes who signs."""

    program = _GOOGLE

    def options(self, *, port: int | None = None, **more: Any) -> dict[str, Any]:
        """Where the store is, Google's clients read in the key of a service account."""
        key = {"gcs_base_url": f"http://127.0.0.1:{port or self.port}", "disable_oauth": True}
        key |= {"client_email": "tester@example", "private_key": "hidden-key-4711", "private_key_id": "1"}
        own = {"google_service_account_key": json.dumps(key), "allow_http": "true", "max_retries": 2}
        return {**own, **more}


class Proxy:
    """Lets connections through to a port until ``allow(request line)`` says no: then it cuts them.

    ``allow`` is asked at each request's first bytes, ``after`` how many bytes of it may still pass.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.allow = lambda line: True
        self.after = 0
        self.cuts = 0
        self.seen: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, asking: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                line = data.split(b"\r\n", 1)[0].decode("latin-1")
                if asking and line.endswith(" HTTP/1.1"):
                    self.seen.append(line)
                    if not self.allow(line):
                        self.cuts += 1
                        target.sendall(data[: self.after])
                        break
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


# The account that Azurite, like Azure's own emulator before it, has from the start; no secret.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def azurite() -> str | None:
    """Azurite's command for blobs, where it is installed: DEEP_FAKER_AZURITE, or on the path."""
    return os.environ.get("DEEP_FAKER_AZURITE") or shutil.which("azurite-blob")


class AzureServer:
    """Azurite, Microsoft's own emulator of Azure's blob storage; objects in memory."""

    def __init__(self, command: str) -> None:
        self.port = free_port()
        arguments = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        self.process = subprocess.Popen(
            [command, *arguments, "--blobHost", "127.0.0.1", "--blobPort", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 300  # for a busy machine
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{_ACCOUNT}"

    def options(self, **more: Any) -> dict[str, Any]:
        own = {"azure_storage_account_name": _ACCOUNT, "azure_storage_account_key": _KEY}
        return {**own, "azure_endpoint": self.url, "allow_http": "true", "max_retries": 2, **more}

    def make_bucket(self, name: str) -> str:
        """A container, by a request signed as Azure's "Shared Key" asks for."""
        date = formatdate(usegmt=True)
        head = f"x-ms-date:{date}\nx-ms-version:2021-08-06"
        resource = f"/{_ACCOUNT}/{_ACCOUNT}/{name}\nrestype:container"
        text = "PUT" + "\n" * 12 + f"{head}\n{resource}"
        mac = hmac.new(base64.b64decode(_KEY), text.encode(), "sha256").digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": "2021-08-06",
            "Authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(mac).decode()}",
        }
        target = f"{self.url}/{name}?restype=container"
        request = urllib.request.Request(target, method="PUT", headers=headers)
        urllib.request.urlopen(request, timeout=10).close()
        return name

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
