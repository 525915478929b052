"""Whole or visibly not: an export lies beside its final name until it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deep_faker.errors import Diagnostic, OutputError, OutputExistsError
from deep_faker.write.paths import output_path


@contextmanager
def staged(path: object, *, overwrite: bool, folder: bool, marker: str = "") -> Iterator[Path]:
    """The place to write to, which is renamed to ``path`` when the block ends, and removed when it fails.

    What lies at ``path`` is replaced with ``overwrite`` only, and a folder only where it holds ``marker``,
    the file by which such an export is known. Raises `OutputExistsError`, and `OutputError` where nothing
    can be written.
    """
    place = output_path(path)
    _check(place, overwrite=overwrite, marker=marker)
    partial = place.with_name(f"{place.name}.partial")
    try:
        _remove(partial)
        place.parent.mkdir(parents=True, exist_ok=True)
        if folder:
            partial.mkdir()
        yield partial
        _remove(place)
        partial.rename(place)
    except OSError as error:
        label = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(Diagnostic(f"cannot write {place}", None, label, "nothing was written")) from error
    finally:
        _remove(partial)


def _check(place: Path, *, overwrite: bool, marker: str) -> None:
    if not os.path.lexists(place) or (place.is_dir() and not any(place.iterdir())):
        return
    if not overwrite:
        mend = "pass overwrite=True (--overwrite) to replace it, or choose another place"
        raise OutputExistsError(Diagnostic(f"{place} exists", None, "it is left as it was", mend))
    if place.is_dir() and not (marker and (place / marker).is_file()):
        label = f"it has no {marker}" if marker else "a file is to be written"
        mend = "choose another place"
        raise OutputExistsError(Diagnostic(f"{place} is no such export", None, label, mend))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
