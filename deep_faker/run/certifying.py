"""The certificate of a run that has just ended: who gets one, and what it promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.plan import Plan
from deep_faker.run.certified import facts_of
from deep_faker.write import ParquetOutput
from deep_faker.write.certificate.files import write_certificate
from deep_faker.write.files.manifest import read_manifest


@contextmanager
def certifying(outputs: Sequence[object], plan: Plan, *, wanted: bool, part: object) -> Iterator[None]:
    """A run, after which each data set of its outputs gets its certificate, if one is ``wanted``.

    Raises `SettingsError` before it where no output is a data set that DuckDB reads, or one part alone is
    made.
    """
    if wanted and part is not None:
        mend = "give it when all parts are one data set: Dataset.open(folder).certify(sim)"
        raise SettingsError(Diagnostic("certificate=True of one part", None, f"part={part!r}", mend))
    places = _places(outputs) if wanted else []
    if wanted and not places:
        label = "no output is a folder of Parquet files on this machine"
        mend = 'give such a folder: run("shop-data", certificate=True)'
        raise SettingsError(Diagnostic("certificate=True of no data set", None, label, mend))
    yield
    for place in places:
        write_certificate(place, read_manifest(place), facts_of(plan))


def _places(outputs: Sequence[object]) -> list[Path]:
    """The folders of the outputs that get one."""
    return [
        Path(output.path)
        for output in outputs
        if isinstance(output, ParquetOutput) and output.remote is None and output.format == "parquet"
    ]
