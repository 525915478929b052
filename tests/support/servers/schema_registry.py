"""A schema registry in this process: the few REST calls by which clients register and fetch schemas.

No registry is published where tests could fetch it; Confluent's own client and deserializers, which speak to
this one, are what the bytes are tested against.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class SchemaRegistry:
    """What it holds: ``schemas`` by number, ``subjects`` with the numbers of their versions."""

    def __init__(self, *, user: str = "", frozen: bool = False) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.user, self.frozen = user, frozen
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match method, [unquote(part) for part in path.strip("/").split("/")]:
            case "POST", ["subjects", subject, "versions"]:
                return self._register(subject, body)
            case "POST", ["subjects", subject]:
                number = self._known(body)
                if number in self.subjects.get(subject, []):
                    version = self.subjects[subject].index(number) + 1
                    return 200, {"subject": subject, "id": number, "version": version, **self.schemas[number]}
                return 404, {"error_code": 40403, "message": "Schema not found"}
            case "GET", ["schemas", "ids", number] if int(number) in self.schemas:
                return 200, self.schemas[int(number)]
            case "GET", ["subjects", subject, "versions", "latest"] if subject in self.subjects:
                number = self.subjects[subject][-1]
                return 200, {"subject": subject, "id": number, "version": 1, **self.schemas[number]}
            case _:
                return 404, {"error_code": 40401, "message": f"{method} {path} not found"}

    def _known(self, body: Any) -> int:
        schema = {"schema": body["schema"], "schemaType": body.get("schemaType", "AVRO")}
        for number, known in self.schemas.items():
            if known == schema:
                return number
        number = len(self.schemas) + 1
        self.schemas[number] = schema
        return number

    def _register(self, subject: str, body: Any) -> tuple[int, Any]:
        number = self._known(body)
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            if self.frozen and versions:
                return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
            versions.append(number)
        return 200, {"id": number}


@contextmanager
def schema_registry(*, user: str = "", frozen: bool = False) -> Iterator[SchemaRegistry]:
    """A registry that serves. ``user``: "name:password" that it asks for; ``frozen``: takes no second version."""
    registry = SchemaRegistry(user=user, frozen=frozen)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            given = self.headers.get("Authorization", "")
            wanted = "Basic " + base64.b64encode(registry.user.encode()).decode()
            if registry.user and given != wanted:
                status, said = 401, {"error_code": 401, "message": f"Unauthorized: {given}"}
            else:
                status, said = registry.answer(self.command, urlsplit(self.path).path, body)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
