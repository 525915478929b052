"""What lies in a data set's folder, held against what its manifest lists."""

from __future__ import annotations

import re
import stat
from collections import Counter, defaultdict
from pathlib import Path

from deep_faker.write.files.manifest import CERTIFICATE, NAME, Manifest, partition_of, table_of, walk
from deep_faker.write.files.part_names import is_of_parts, read_name
from deep_faker.write.files.partitions import partition_keys
from deep_faker.write.names import folder_of
from deep_faker.write.whole.confined import why_outside

_ENDINGS = {
    "parquet": (".parquet",),
    "jsonl": (".parquet",),
    "csv": (".csv", ".csv.gz", ".csv.zst"),
    "arrow": (".arrow",),
}
_LINES = re.compile(r"events\.jsonl(\.gz|\.zst)?")


def listing_problems(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Path → what is wrong with its entry, its place, or that it lies there."""
    listed = [str(file["path"]) for file in manifest["files"]]
    out: dict[str, str] = {}
    times = Counter(listed)
    for name in sorted(times):
        why = why_outside(folder, name) or _why_linked(folder / name) or _why_unnamed(name, manifest)
        if times[name] > 1:
            why = "the manifest lists it twice"
        if why:
            out[name] = why
    out |= _missing(listed, manifest)
    if why := _why_linked(folder / NAME):
        out[NAME] = why
    second = {entry["path"] for entry in manifest.get("lists", [])}
    parents = {parent.as_posix() for name in listed for parent in Path(name).parents}
    for name, is_folder in walk(folder):
        if (
            name in times
            or name == NAME
            or (name in CERTIFICATE and not is_folder and not _why_linked(folder / name))
            or ("parts" in manifest and (is_of_parts(name) or name in second))
            or (is_folder and name in parents and not (folder / name).is_symlink())
        ):
            continue
        out.setdefault(name, "not in the manifest")
    return out


def _why_linked(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError:
        return ""  # missing: said when it is read
    if stat.S_ISLNK(status.st_mode):
        return "it is a link"
    return "it has a second name (a hard link), by which it can be changed" if status.st_nlink > 1 else ""


def _why_unnamed(name: str, manifest: Manifest) -> str:
    """Why a data set of this layout has no file of this name."""
    layout, tables = manifest["layout"], manifest["tables"]
    table = table_of(name, tables)
    if not table:
        return "" if layout == "jsonl" and _LINES.fullmatch(name) else "it is no table's"
    part = read_name(name.rpartition("/")[2])
    if part is None or part.ending not in _ENDINGS.get(layout, ()):
        return "no file of a table has such a name"
    whole = "parts" not in manifest or table in manifest["parts"]["replicated"]
    if (part.part is None) != whole:
        return (
            "it is no file of a part" if part.part is None else "it is a file of a part, and there are none"
        )
    if partition_keys(partition_of(name)) != tables[table].get("partitioned_by", []):
        return "its folder is none of the table's partitions"
    return ""


def _missing(listed: list[str], manifest: Manifest) -> dict[str, str]:
    """Parts that cannot but be there: they are numbered, and a table has one at least."""
    parts: defaultdict[tuple[str, int | None], list[int]] = defaultdict(list)
    for name in listed:
        folder, _, last = name.rpartition("/")
        if part := read_name(last):
            parts[folder, part.part].append(part.number)
    out = {}
    for (folder, _), numbers in parts.items():
        if numbers != list(range(len(numbers))):
            out[folder] = "its parts are not numbered in order: one is missing, twice there or of elsewhere"
    lines = manifest["layout"] == "jsonl"
    if lines and sum(bool(_LINES.fullmatch(name)) for name in listed) != 1:
        out["events.jsonl"] = "the manifest must list it once"
    numbers_of = range(manifest["partitions"]) if "parts" in manifest else (None,)
    for name, table in manifest["tables"].items():
        in_lines = lines and name.startswith("events/")
        if in_lines or table.get("partitioned_by"):
            continue
        joint = "parts" in manifest and name in manifest["parts"]["replicated"]
        for number in (None,) if joint else numbers_of:
            if (folder_of(name), number) not in parts:
                of = "" if number is None else f" of part {number}"
                out[name] = f"the manifest lists no file of this table{of}"
    return out
