"""A run of all parts: what lies at the place, who makes what is missing, one data set at the end."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from deep_faker.errors import DatasetError, Diagnostic, EmptyWorldWarning, OutputError, warn
from deep_faker.run.parted.assembly import Sums
from deep_faker.run.parted.commit import committed_at, receipt_at, receipts_at
from deep_faker.run.parted.job import PartsJob
from deep_faker.run.parted.progress import PartsProgress
from deep_faker.run.parted.workers import Made, Makers
from deep_faker.run.pumping import rare_collections
from deep_faker.run.report import Counts, RunReport
from deep_faker.run.runner import peak_memory
from deep_faker.run.utc import in_utc
from deep_faker.write.files.manifest import CERTIFICATE, NAME, parsed_manifest
from deep_faker.write.files.part_names import is_list, is_of_parts, read_name, receipt_part
from deep_faker.write.parted.places import exists

# simulation → place → the manifest that it put there, so that it may replace that and only that (R6)
_WRITTEN: weakref.WeakKeyDictionary[object, dict[str, bytes]] = weakref.WeakKeyDictionary()


@in_utc()
def run_parts(
    job: PartsJob,
    makers: Makers,
    *,
    resume: bool,
    overwrite: bool,
    progress: bool | None,
) -> RunReport:
    """Make all parts, and one data set of them.

    With ``resume`` the parts that are there are kept. Raises `OutputExistsError` for another run's output
    unless ``overwrite``; `RunError` where a part fails: those that are whole stay, and a resumed run makes
    the rest.
    """
    began = time.perf_counter()
    done = _prepare(job, resume=resume, overwrite=overwrite)
    missing = [number for number in range(job.partitions) if number not in done]
    engines, peak, warnings = set(), 0, Warnings()
    with PartsProgress(job.partitions, len(done), wanted=progress) as bar, rare_collections():

        def note(made: Made) -> None:
            nonlocal peak
            engines.add(made.engine)
            peak = max(peak, made.peak_memory)
            bar.update(made.part, made.events)
            warnings.add(made.warnings)

        try:
            makers.make_all(missing, note, bar.under_way)
        finally:
            makers.close()
    try:
        first, sums = committed_at(job.place)
    except DatasetError as error:
        raise OutputError(*error.diagnostics) from None
    job.require_same(first)
    manifest = _remember(job)
    for warning in warnings.of_all:
        warn(warning, EmptyWorldWarning)
    report = report_of(job, sums, engine=", ".join(sorted(engines)) or "none", began=began, peak=peak)
    # of many parts, the lists have them: a million would be more than the run itself takes
    return replace(report, files=tuple(parsed_manifest(manifest, NAME)["files"]))


class Warnings:
    """What would be said of parts: only what all of them have, as in a small part much does not happen.

    >>> warnings = Warnings()
    >>> warnings.add([Diagnostic("flow 'a' never started"), Diagnostic("flow 'b' never started")])
    >>> warnings.add([Diagnostic("flow 'b' never started")])
    >>> [warning.title for warning in warnings.of_all]
    ["flow 'b' never started"]
    """

    def __init__(self) -> None:
        self._seen: dict[str, Diagnostic] | None = None

    def add(self, warnings: Iterable[Diagnostic]) -> None:
        """Take those of one more part."""
        found = {warning.title: warning for warning in warnings}
        if self._seen is None:
            self._seen = found
        self._seen = {title: warning for title, warning in self._seen.items() if title in found}

    @property
    def of_all(self) -> list[Diagnostic]:
        """Those that all parts have."""
        return list((self._seen or {}).values())


def make_alone(job: PartsJob, number: int, *, progress: bool | None) -> RunReport:
    """Make one part for a data set whose other parts others make; nothing is done where it is there.

    Raises `OutputExistsError` where another run's output, or a part of another program, lies there.
    """
    began = time.perf_counter()
    receipt = job.receipt(number)
    if receipt is not None:
        sums = Sums()
        sums.add(receipt.counts)
        return report_of(job, sums, engine="none: the part is there", began=began, peak=0)
    if job.place.read(NAME) is not None:
        what = "it holds a data set without this part"
        raise exists(job.place.shown, what, "choose another place")
    return job.make(number, progress=progress)


def _prepare(job: PartsJob, *, resume: bool, overwrite: bool) -> set[int]:
    """Look at what lies at the place, and remove what is to be replaced; the parts that stay."""
    place = job.place
    sizes = place.sizes()
    names = receipts_at(sizes)
    if not sizes:
        return set()
    foreign = sorted(name for name in sizes if not _is_ours(name))
    if foreign:
        listed = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        label = f"it holds files that are no data set's, and they are never deleted: {listed}"
        raise OutputError(Diagnostic(f"cannot write {place.shown}", None, label, "choose another place"))
    if resume and (names or NAME not in sizes):
        for name in names.values():
            job.require_same(receipt_at(place, name))
        return set(names)
    if not (overwrite or job.folder.overwrite or _is_own(job)):
        if names and NAME not in sizes:
            what = f"it holds {len(names):,} parts of a run that did not end"
            mend = "pass resume=True (--resume) to make the rest, or overwrite=True (--overwrite)"
        else:
            what = "it holds the output of another run, which is left as it was"
            mend = "pass overwrite=True (--overwrite) to replace it, or choose another place"
        raise exists(place.shown, what, mend)
    # what reads as whole goes first, then what reads as a part
    place.remove([name for name in (NAME,) if name in sizes])
    place.remove(list(names.values()))
    place.remove([name for name in sizes if name != NAME and receipt_part(name) is None])
    place.tidy()
    return set()


def _is_ours(name: str) -> bool:
    """Whether a file at the place may be a data set's."""
    folder, _, last = name.rpartition("/")
    if name == NAME or name in CERTIFICATE or is_of_parts(name) or is_list(name):
        return True
    return folder.partition("/")[0] in ("events", "entities", "history", "sessions", "truth") and bool(
        read_name(last)
    )


def _is_own(job: PartsJob) -> bool:
    with suppress(TypeError):  # an owner that cannot be referred to weakly owns nothing
        written = _WRITTEN.get(job.owner, {}).get(job.place.shown)
        return written is not None and written == job.place.read(NAME)
    return False


def _remember(job: PartsJob) -> bytes:
    """The manifest that was put, which is the owner's to replace."""
    manifest = job.place.read(NAME) or b""
    with suppress(TypeError):
        _WRITTEN.setdefault(job.owner, {})[job.place.shown] = manifest
    return manifest


def report_of(job: PartsJob, sums: Sums, *, engine: str, began: float, peak: int) -> RunReport:
    """What all parts did together."""
    counts: dict[str, Any] = {name: {} for name in Counts.__annotations__}
    settings = job.plan.settings
    return RunReport(
        seed=job.seed,
        start_micros=settings.start,
        end_micros=settings.end,
        **{"skipped": 0, **counts, **sums.counts},
        engine=engine,
        seconds=time.perf_counter() - began,
        peak_memory=max(peak, peak_memory()),
        files=(),
        where=(job.folder.place,),
    )
