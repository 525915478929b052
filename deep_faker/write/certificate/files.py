"""The two files of a certificate beside a data set, and whether they are still what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deep_faker.errors import DatasetError
from deep_faker.write.certificate.document import FACTS, sql_text
from deep_faker.write.files.manifest import CERTIFICATE
from deep_faker.write.whole.confined import why_outside

_SQL, _SCRIPT = CERTIFICATE


def script_text() -> str:
    """The script that is written beside the data: a module of its own, which shares nothing with us."""
    return Path(__file__).with_name("script.py").read_text(encoding="utf-8")


def write_certificate(folder: Path, manifest: Mapping[str, Any], facts: Mapping[str, Any] | None) -> None:
    """Write ``verify.sql`` and ``verify.py`` into a data set's folder, each whole or not at all."""
    for name, text in {_SQL: sql_text(manifest, facts), _SCRIPT: script_text()}.items():
        partial = folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)


def certificate_problems(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a data set's certificate: it must say of the manifest what we would say.

    What a plan promised stands in the certificate alone; a promise that was taken out is not missed here.
    """
    there = [name for name in CERTIFICATE if (folder / name).is_file() and not why_outside(folder, name)]
    if not there:
        return
    texts = {name: (folder / name).read_bytes().decode(errors="replace") for name in there}
    if _SQL in texts:
        try:
            made = sql_text(manifest, facts_in(texts[_SQL]))
        except (DatasetError, ValueError, KeyError, TypeError, AttributeError):
            made = ""
        if made != texts[_SQL]:
            yield f"{_SQL}: it is not the certificate of this manifest"
    if _SCRIPT in texts and texts[_SCRIPT] != script_text():
        yield f"{_SCRIPT}: it is not the script that is written beside a certificate"


def certificate_faults(folder: Path) -> list[str] | None:
    """What of a certificate does not hold; None where there is none, or no DuckDB to run it."""
    if not (folder / _SQL).is_file():
        return None
    try:
        import duckdb  # noqa: F401 - whether it is there
    except ImportError:
        return None
    from deep_faker.write.certificate.script import faults

    return faults(folder)[0]


def facts_in(text: str) -> Mapping[str, Any] | None:
    """The promises that stand in a certificate. Raises `ValueError` where there are none."""
    line = next((line for line in text.splitlines() if line.startswith(FACTS)), "")
    facts: Mapping[str, Any] | None = json.loads(line.removeprefix(FACTS))
    return facts
