"""A full or read-only disk under each kind of output, alone and among others: said, never whole, resumed."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest
from deltalake import DeltaTable

from deep_faker import FileOutput
from deep_faker.errors import OutputError
from deep_faker.outputs import DeltaOutput, ParquetOutput
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, shop, tree
from tests.support.worlds.stopped_runs import small_disk

__all__ = ["small_disk"]
LONG = {"duration": "2h"}


def nearly_full(disk):
    """The disk with some 100 KB left."""
    place, grow = disk
    (place / ".filler").write_bytes(bytes(940_000))
    return place, grow


def rows(lake) -> Counter[str]:
    names = ("ResumeJoined", "ResumeBought")
    return Counter(i for n in names for i in DeltaTable(lake / n).to_pyarrow_table()["sys__eid"].to_pylist())


def test_a_full_disk_under_delta_tables(tmp_path, small_disk):
    """What was committed stays and is known: when there is room, each event is there once."""
    place, grow = nearly_full(small_disk)
    more = {"checkpoint": tmp_path / "c", "progress": False}

    def run(**how):
        sim = shop(**LONG)
        sim.add_output(DeltaOutput(place / "lake"))
        sim.run(checkpoint_every=2000, **more, **how)

    with pytest.raises(OutputError, match=r"cannot append to(.|\n)*No space left(.|\n)*resume=True"):
        run()
    grow()
    run(resume=True)
    assert rows(place / "lake") == Counter(shop(**LONG).collect().events["sys__eid"].to_list())


def test_a_read_only_disk_under_delta_tables(small_disk):
    place, _ = small_disk
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    sim = shop(duration="10m")
    sim.add_output(DeltaOutput(place / "lake"))
    with pytest.raises(OutputError, match="Read-only file system"):
        sim.run(progress=False)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["events.jsonl.gz", "events.jsonl.zst"])
def test_a_full_disk_under_compressed_lines(tmp_path, small_disk, name):
    place, grow = nearly_full(small_disk)
    whole = shop(**LONG)
    whole.add_output(FileOutput(tmp_path / "whole" / name))
    whole.run(progress=False)

    def run(**how):
        sim = shop(**LONG)
        sim.add_output(FileOutput(place / "b" / name))
        sim.run(checkpoint_every=1000, checkpoint=tmp_path / "c", progress=False, **how)

    with pytest.raises(OutputError, match=r"No space left(.|\n)*resume=True"):
        run()
    assert not (place / "b" / name).exists()
    grow()
    run(resume=True)
    assert tree(place / "b") == tree(tmp_path / "whole")


def test_a_full_disk_under_what_is_to_be_copied_to_an_object_store(small_disk, monkeypatch):
    """It is made on the local disk first; the store sees nothing of it."""
    from deep_faker.write.files.object_store import ObjectPlace

    place, _ = nearly_full(small_disk)
    asked = []

    def empty(self, **_):
        asked.append(self.url)
        return []

    monkeypatch.setattr(ObjectPlace, "check_folder", empty)
    monkeypatch.setattr(ObjectPlace, "upload_folder", lambda *_, **__: asked.append("upload"))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    sim = shop(**LONG)
    sim.add_output(ParquetOutput("s3://bucket/shop", format="csv"))
    with pytest.raises(OutputError, match="No space left"):
        sim.run(progress=False)
    assert asked == ["s3://bucket/shop"]
    assert [path.name for path in place.iterdir()] == [".filler"]


@pytest.mark.parametrize("first", [True, False])
def test_one_full_disk_among_several_outputs(tmp_path, small_disk, first):
    """Each with its filter: the one that fails fails the run, and nothing of the others reads as whole."""
    place, grow = nearly_full(small_disk)

    def run(folder, small, **how):
        sim = shop(**LONG)
        outputs = [
            (ParquetOutput(small / "all"), None),
            (FileOutput(folder / "joined.jsonl"), [ResumeJoined]),
            (ParquetOutput(folder / "bought", format="csv"), [ResumeBought]),
        ]
        for output, only in outputs if first else outputs[::-1]:
            sim.add_output(output, events=only)
        sim.run(progress=False, **how)

    run(tmp_path / "whole", tmp_path / "whole")
    often = {"checkpoint_every": 2000, "checkpoint": tmp_path / "c"}
    with pytest.raises(OutputError, match="No space left"):
        run(tmp_path / "a", place)
    # also where one had been given everything before the last one failed
    assert not (tmp_path / "a").exists() or list((tmp_path / "a").iterdir()) == []
    assert [p.name for p in place.iterdir() if not p.name.startswith(".")] == []
    with pytest.raises(OutputError, match=r"No space left(.|\n)*resume=True"):
        run(tmp_path / "a", place, overwrite=True, **often)
    grow()
    run(tmp_path / "a", place, resume=True, **often)
    found = {
        **tree(tmp_path / "a"),
        **{f"all/{name}": digest for name, digest in tree(place / "all").items()},
    }
    assert found == tree(tmp_path / "whole")


def test_a_full_disk_under_a_part(tmp_path, small_disk):
    """The part has no receipt; those that were whole stay, and a resumed run makes the rest."""
    place, grow = nearly_full(small_disk)
    shop(**LONG).run(tmp_path / "whole", partitions=3)
    with pytest.raises(OutputError, match="No space left"):
        shop(**LONG).run(place / "out", partitions=3)
    done = {path.name for path in (place / "out" / "_parts").iterdir()}
    assert not (place / "out" / "manifest.json").exists()
    assert len(done) < 3
    assert not [name for name in done if name.startswith("making")]
    grow()
    shop(**LONG).run(place / "out", partitions=3, resume=True)
    assert tree(place / "out") == tree(tmp_path / "whole")
