"""Object stores (S3, Google Cloud Storage, Azure) as the place of an output, through obstore.

What is written there is made whole on the local disk first and then copied up: an object appears under its
name only when it is whole, and the manifest of a data set comes last. While a data set is copied, an object
`MARKER` lists its files, so that what a killed upload left is known as ours.
"""

from __future__ import annotations

import hashlib
import json
import re
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_faker.errors import Diagnostic, OutputError, OutputExistsError, SettingsError, near
from deep_faker.masking import masked, shown_url
from deep_faker.write.files.manifest import NAME
from deep_faker.write.secrets import check_url, scrubbed
from deep_faker.write.whole.seal import parsed

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
MARKER = "_upload.json"
_UPLOADS = 4  # files at a time; obstore sends the parts of a large one side by side
_PART = 8 << 20
_CLIENT = {
    "allow_http", "allow_invalid_certificates", "connect_timeout", "default_content_type", "default_headers",
    "http1_only", "http2_keep_alive_interval", "http2_keep_alive_timeout", "http2_keep_alive_while_idle",
    "http2_only", "pool_idle_timeout", "pool_max_idle_per_host", "proxy_ca_certificate", "proxy_excludes",
    "proxy_url", "timeout", "user_agent",
}  # fmt: skip
_RETRIES = ("max_retries", "retry_timeout")
_MENDS = {
    "NotFoundError": "create the bucket (container), or mend its name",
    "PermissionDeniedError": "check the credentials, in storage_options or the environment, and their rights",
    "UnauthenticatedError": "check the credentials, in storage_options or the environment",
}

# simulation → URL → the tag of what it put there, so that it may replace that and only that (R6)
_WRITTEN: weakref.WeakKeyDictionary[object, dict[str, str]] = weakref.WeakKeyDictionary()


def is_url(path: object) -> bool:
    """Whether ``path`` names a place in an object store.

    Raises `SettingsError` for a URL of another kind.

    >>> is_url("s3://bucket/shop"), is_url("shop")
    (True, False)
    """
    if not isinstance(path, str) or "://" not in path:
        return False
    scheme = path.partition("://")[0]
    if scheme not in SCHEMES:
        mend = near(masked(scheme), SCHEMES, "URLs") + "; other paths are local"
        raise SettingsError(Diagnostic("wrong path", None, f"path={shown_url(path)!r}", mend))
    check_url(path)
    return True


def local_only(storage_options: object, path: object) -> None:
    """Raise `SettingsError` for options of a place that has none."""
    if storage_options:
        label = f"path={str(path)!r} is on the local disk"
        raise SettingsError(Diagnostic("storage_options have no meaning here", None, label, "leave them out"))


def _missing() -> tuple[type[Exception], ...]:
    """What the library raises where there is no such object."""
    from obstore.exceptions import NotFoundError

    return FileNotFoundError, NotFoundError


class ObjectPlace:
    """One object, or a prefix with a data set, by its URL.

    ``options`` are the store's own settings (``aws_access_key_id``, ``endpoint``, ``region`` …), the
    client's (``allow_http``, ``timeout`` …) and ``max_retries`` and ``retry_timeout`` (seconds).
    """

    def __init__(self, url: str, options: Mapping[str, object] | None = None) -> None:
        self.url = url.rstrip("/")
        self.options = dict(options or {})

    def __getstate__(self) -> dict[str, object]:
        """For pickle: another process makes connections of its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_store"}

    @cached_property
    def _store(self) -> ObjectStore:
        return self._store_at(self.url)

    def _store_at(self, url: str) -> ObjectStore:
        try:
            from obstore.store import from_url
        except ImportError as error:
            mend = 'pip install "deep-faker[remote]"'
            raise OutputError(Diagnostic(f"{url} needs obstore", None, str(error), mend)) from None
        options: Any = dict(self.options)
        retry: Any = {}
        if "max_retries" in options:
            retry["max_retries"] = int(options.pop("max_retries"))
        if "retry_timeout" in options:
            retry["retry_timeout"] = timedelta(seconds=float(options.pop("retry_timeout")))
        client: Any = {name: options.pop(name) for name in [*options] if name in _CLIENT}
        try:
            return from_url(
                url, config=options or None, client_options=client or None, retry_config=retry or None
            )
        except BaseException as error:
            # of a name that it does not know, the library panics, which is no Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            label = f"{url} with {', '.join(self.options) or 'none'}: {self._said(error)}"
            mend = "see the names of obstore's settings for this store"
            raise SettingsError(Diagnostic("wrong storage_options", None, label, mend)) from None

    def reader_options(self) -> dict[str, str]:
        """The options as Polars takes them."""
        return {name: str(value) for name, value in self.options.items() if name not in _RETRIES}

    def _said(self, error: BaseException) -> str:
        text = str(error).partition("\n\nDebug source")[0].strip()
        text, _, answer = text.partition("<?xml")
        text += ": ".join(re.findall("<(?:Code|Message)>(.*?)</", answer))
        return scrubbed(" ".join(text.split()) or type(error).__name__, self.options)

    @contextmanager
    def guarded(self, doing: str, left: str = "nothing was written") -> Iterator[None]:
        """Turn the store's errors into `OutputError`: what was being done, why it failed, the mend."""
        self._store  # noqa: B018 - without the library or with wrong options, that is the error
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            said = self._said(error)
            kind = "NotFoundError" if "404 Not Found" in said else type(error).__name__
            mend = _MENDS.get(kind, "check the address and the network, then run it again")
            label = f"{said}\n{left}"
            raise OutputError(Diagnostic(f"cannot {doing} {self.url}", None, label, mend)) from None

    # ------------------------------------------------ reading

    def names(self) -> list[str]:
        """The objects below the prefix, by path."""
        import obstore

        return sorted(one["path"] for batch in obstore.list(self._store) for one in batch)

    def read(self, name: str) -> bytes | None:
        """An object below the prefix; None where there is none."""
        import obstore

        try:
            return bytes(obstore.get(self._store, name).bytes())
        except _missing():
            return None

    def fetch(self, name: str, path: Path) -> None:
        """Copy an object below the prefix to the local disk."""
        import obstore

        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for block in obstore.get(self._store, name).stream(min_chunk_size=_PART):
                file.write(block)

    def sizes(self) -> dict[str, int]:
        """The objects below the prefix with their sizes."""
        import obstore

        return {one["path"]: one["size"] for batch in obstore.list(self._store) for one in batch}

    # ------------------------------------------------ objects that are put once

    def create(self, name: str, path: Path) -> bool:
        """Copy a file up unless there is an object of that name; whether there was none.

        A conditional put; where the store has none, the name is looked for first.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        left = f"{name} is not there"
        with self.guarded("write", left):
            try:
                obstore.put(self._store, name, path, mode="create")
            except (AlreadyExistsError, PreconditionError, FileExistsError):
                return False
            except (NotSupportedError, NotImplementedError):
                if self._there(name):
                    return False
                self._put(name, path)
        return True

    def _there(self, name: str) -> bool:
        import obstore

        try:
            obstore.head(self._store, name)
        except _missing():
            return False
        return True

    def hashed(self, name: str) -> tuple[int, str]:
        """Size and SHA-256 of an object."""
        import obstore

        digest, size = hashlib.sha256(), 0
        with self.guarded("read"):
            for block in obstore.get(self._store, name).stream(min_chunk_size=_PART):
                digest.update(block)
                size += len(block)
        return size, digest.hexdigest()

    def delete(self, names: list[str]) -> None:
        """Remove these objects."""
        import obstore

        with self.guarded("write", "some of what lay there may be gone"):
            if names:
                obstore.delete(self._store, names)

    # ------------------------------------------------ a data set

    def check_folder(self, *, owner: object, overwrite: bool, run_id: str = "") -> list[str]:
        """The data set's objects that lie there, to be replaced.

        Raises `OutputError` where there are others than a data set's, `OutputExistsError` for a data set
        of another run.
        """
        with self.guarded("look into"):
            there = self.names()
            listed = self._listed(NAME) | self._listed(MARKER)
            marker = self._document(MARKER) if MARKER in there else {}
        foreign = [name for name in there if name not in listed and name not in (NAME, MARKER)]
        if foreign:
            more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
            label = f"it holds objects of others, which are never deleted: {', '.join(foreign[:3])}{more}"
            raise OutputError(Diagnostic(f"cannot write {self.url}", None, label, "choose another place"))
        own = self._is_own(owner, NAME) or (run_id and marker.get("run") == run_id)
        if there and not overwrite and not own:
            what = "an upload that did not end" if marker else "the output of another run"
            mend = "pass overwrite=True (--overwrite) to replace it, or choose another place"
            label = f"it holds {what}, which is left as it was"
            raise OutputExistsError(Diagnostic(f"{self.url} exists", None, label, mend))
        return there

    def _listed(self, name: str) -> set[str]:
        try:
            return {str(file["path"]) for file in self._document(name).get("files", [])}
        except (TypeError, KeyError):  # no manifest of ours: nothing is known
            return set()

    def _document(self, name: str) -> dict[str, Any]:
        """A JSON object below the prefix; an empty one where there is none, or it is damaged."""
        try:
            document = parsed(self.read(name) or b"{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def upload_folder(
        self, folder: Path, *, owner: object, overwrite: bool, run_id: str, resumed: bool
    ) -> None:
        """Copy a whole data set up, its manifest last. A resumed run may have done so already, or in part."""
        manifest = (folder / NAME).read_bytes()
        with self.guarded("read"):
            done = resumed and self.read(NAME) == manifest and self.read(MARKER) is None
        if not done:
            old = self.check_folder(owner=owner, overwrite=overwrite, run_id=run_id)
            self._replace_folder(folder, manifest, old, run_id)
        self._remember(owner, NAME)

    def _replace_folder(self, folder: Path, manifest: bytes, old: list[str], run_id: str) -> None:
        import obstore

        files = [str(file["path"]) for file in json.loads(manifest)["files"]]
        gone = [name for name in old if name not in files and name not in (NAME, MARKER)]
        marker = {"run": run_id, "files": [{"path": path} for path in [*files, *gone]]}
        left = f"some files may be there, without {NAME}: no reader takes them for whole"
        with self.guarded("write", left):
            obstore.put(self._store, MARKER, json.dumps(marker).encode())
            if NAME in old:
                obstore.delete(self._store, NAME)
            with ThreadPoolExecutor(_UPLOADS, thread_name_prefix="deep_faker-upload") as pool:
                tasks = [pool.submit(self._put, name, folder / name) for name in files]
                try:
                    for task in tasks:
                        task.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            if gone:
                obstore.delete(self._store, gone)
            obstore.put(self._store, NAME, manifest)
            obstore.delete(self._store, MARKER)

    def _put(self, name: str, path: Path) -> None:
        import obstore

        with path.open("rb") as file:
            obstore.put(self._store, name, file, chunk_size=_PART)

    # ------------------------------------------------ one object

    def check_object(self, *, owner: object, overwrite: bool) -> None:
        """Raise `OutputExistsError` where an object lies that this run must not replace."""
        import obstore

        folder, _, name = self.url.rpartition("/")
        with self.guarded("look for"):
            store = self._store_at(folder)
            try:
                obstore.head(store, name)
            except _missing():
                # a bucket that is not there is told from an empty one by listing it
                for _ in obstore.list(store, prefix=name):
                    break
                return
        if not overwrite and not self._is_own(owner, ""):
            mend = "pass overwrite=True (--overwrite) to replace it, or choose another place"
            label = "it is the output of another run, which is left as it was"
            raise OutputExistsError(Diagnostic(f"{self.url} exists", None, label, mend))

    def upload_object(self, path: Path, *, owner: object, overwrite: bool, resumed: bool) -> None:
        """Copy a whole file up. A resumed run may have done so already."""
        import obstore

        folder, _, name = self.url.rpartition("/")
        if not (resumed and self._holds(path)):
            self.check_object(owner=owner, overwrite=overwrite)
            with self.guarded("write"), path.open("rb") as file:
                obstore.put(self._store_at(folder), name, file, chunk_size=_PART)
        self._remember(owner, "")

    def _holds(self, path: Path) -> bool:
        import obstore

        folder, _, name = self.url.rpartition("/")
        stored = hashlib.sha256()
        with self.guarded("read"):
            try:
                for block in obstore.get(self._store_at(folder), name).stream(min_chunk_size=_PART):
                    stored.update(block)
            except _missing():
                return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == stored.digest()

    # ------------------------------------------------ whose it is

    def _tag(self, name: str) -> str | None:
        import obstore

        folder, _, last = self.url.rpartition("/")
        store, name = (self._store, name) if name else (self._store_at(folder), last)
        try:
            meta = obstore.head(store, name)
        except _missing():
            return None
        return f"{meta['e_tag']} {meta['last_modified']}"

    def _is_own(self, owner: object, name: str) -> bool:
        try:
            known = _WRITTEN.get(owner, {}).get(self.url)
        except TypeError:  # an owner that cannot be referred to weakly owns nothing
            return False
        with self.guarded("look for"):
            return known is not None and known == self._tag(name)

    def _remember(self, owner: object, name: str) -> None:
        with self.guarded("look for", "the output is whole"):
            tag = self._tag(name)
        with suppress(TypeError):
            _WRITTEN.setdefault(owner, {})[self.url] = tag or ""
