"""The certificate of a run that has just ended: who gets one, and what it promises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.plan import Plan
from deep_faker.run.certified import facts_of
from deep_faker.write import ParquetOutput
from deep_faker.write.certificate.files import write_certificate
from deep_faker.write.files.manifest import read_manifest


def require_certifiable(outputs: Sequence[object], *, part: object) -> None:
    """Raise `SettingsError` where no output is a data set that DuckDB reads, or one part alone is made."""
    if part is not None:
        mend = "give it when all parts are one data set: Dataset.open(folder).certify(sim)"
        raise SettingsError(Diagnostic("certificate=True of one part", None, f"part={part!r}", mend))
    if not _places(outputs):
        label = "no output is a folder of Parquet files on this machine"
        mend = 'give such a folder: run("shop-data", certificate=True)'
        raise SettingsError(Diagnostic("certificate=True of no data set", None, label, mend))


def certify_outputs(outputs: Sequence[object], plan: Plan) -> None:
    """Write the certificate beside each data set of a run."""
    for place in _places(outputs):
        write_certificate(place, read_manifest(place), facts_of(plan))


def _places(outputs: Sequence[object]) -> list[Path]:
    """The folders of the outputs that get one."""
    return [
        Path(output.path)
        for output in outputs
        if isinstance(output, ParquetOutput) and output.remote is None and output.format == "parquet"
    ]
