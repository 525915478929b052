"""Each export, opened by the tool that it is for; skipped where nobody has the tool (see tests/support/readers)."""

from __future__ import annotations

import polars as pl
import pytest

from deep_faker import Dataset, ParquetOutput
from deep_faker.features import Every, Happens
from tests.support.readers import read_by
from tests.support.worlds.export_world import TASKS, ExportOrder, ExportPaid, ExportUser, export_shop


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The shop with its history, in files of 100 rows, so that tables are of several."""
    folder = tmp_path_factory.mktemp("read") / "shop"
    sim = export_shop()
    sim.add_output(ParquetOutput(folder, rows_per_file=100))
    sim.run(history=True, progress=False)
    return Dataset.open(folder)


def test_relbench_makes_the_same_labels(whole, tmp_path):
    """Labels that RelBench makes anew by the SQL are ours, row for row."""
    whole.export("relbench", tmp_path / "shop", tasks=TASKS)
    said = read_by("relbench", "read_relbench.py", tmp_path / "shop", home=tmp_path)
    assert said["tables"]["ExportVisited"] == whole["ExportVisited"].height
    assert set(said["labels"]) == {f"{name}/{split}" for name in TASKS for split in ("train", "val", "test")}
    assert min(said["labels"].values()) > 0


@pytest.mark.parametrize("form", ["log.json", "log.sqlite"])
def test_pm4py_reads_the_log(whole, tmp_path, form):
    """Events, objects, relations and changes are all there, and no constraint of the standard is broken."""
    whole.export("ocel", tmp_path / form)
    said = read_by("pm4py", "read_ocel.py", tmp_path / form, home=tmp_path)
    assert said["events"] == {name: whole[name].height for name in whole}
    assert said["objects"] == {name: whole.entities[name].height for name in whole.entities}
    assert said["links"] == whole.entities[ExportOrder].height
    changes = whole.changes(ExportUser).filter(pl.col("op") == "u")
    fields = [changes[side].struct.field("plan") for side in ("before", "after")]
    assert said["changes"]["plan"] == (fields[0] != fields[1]).sum()
    assert said["unsatisfied"] == []


def test_pm4py_finds_the_flow(whole, tmp_path):
    """The directly-follows graph of the sessions is the flow."""
    whole.export("xes", tmp_path / "log.parquet")
    said = read_by("pm4py", "read_xes.py", tmp_path / "log.parquet", home=tmp_path)
    paid = whole[ExportPaid].height
    assert said["edges"] == [["ExportOpened", "ExportPaid", paid], ["ExportVisited", "ExportOpened", paid]]
    assert said["starts"] == {
        "ExportJoined": whole["ExportJoined"].height,
        "ExportVisited": whole["ExportVisited"].height,
    }


def test_easytpp_loads_the_sequences(whole, tmp_path):
    """Its loader gives every sequence, in batches, with the types that are named."""
    whole.export("easytpp", tmp_path / "shop", entity=ExportUser)
    said = read_by("easy_tpp", "read_easytpp.py", tmp_path / "shop", home=tmp_path)
    assert sum(part["sequences"] for part in said.values()) == whole.entities[ExportUser].height
    assert sum(part["events"] for part in said.values()) == whole.events["user_id"].drop_nulls().len()
    assert all(part["first"] == [0.0] and set(part["types"]) <= {0, 1, 2, 3} for part in said.values())


def test_hotpp_iterates_over_the_sequences(whole, tmp_path):
    """Its data set gives every sequence, with times that rise."""
    whole.export("hotpp", tmp_path / "shop", entity=ExportUser, values={"ExportOpened": "total"})
    said = read_by("hotpp", "read_hotpp.py", tmp_path / "shop", home=tmp_path)
    assert sum(part["events"] for part in said.values()) == whole.events["user_id"].drop_nulls().len()
    assert all(
        part["rising"] and part["columns"] == ["id", "labels", "timestamps", "values"]
        for part in said.values()
    )


def test_meds_validates(whole, tmp_path):
    """Every file meets the schemas of the MEDS package."""
    frame = whole.training_frame(
        ExportUser, at=Every("30m"), features={}, label=Happens(ExportPaid, within="10m")
    )
    whole.export(
        "meds", tmp_path / "shop", entity=ExportUser, values={"ExportOpened": "total"}, labels={"pays": frame}
    )
    said = read_by("meds", "read_meds.py", tmp_path / "shop", home=tmp_path)
    assert said["splits"] == ["held_out", "train", "tuning"]
    assert sum(said[part]["rows"] for part in said["splits"]) == whole.events["user_id"].drop_nulls().len()
    assert said["pays"] == frame.collect()["label"].drop_nulls().len()


def test_mlcroissant_validates_and_reads(whole, tmp_path):
    """No error and no warning, and as many records as rows; a hash that is wrong is an error."""
    whole.export("huggingface", tmp_path / "hub", name="shop")
    said = read_by("mlcroissant", "read_croissant.py", tmp_path / "hub" / "croissant.json", home=tmp_path)
    assert (said["errors"], said["warnings"]) == ([], [])
    tables = whole.manifest["tables"]
    assert said["records"] == {f"records/{name}": table["rows"] for name, table in tables.items()}


def test_datasets_loads_every_configuration(whole, tmp_path):
    """`load_dataset` finds each table by the card."""
    whole.export("huggingface", tmp_path / "hub", name="shop")
    said = read_by("datasets", "read_datasets.py", tmp_path / "hub", home=tmp_path)
    assert said["ExportVisited"]["rows"] == whole["ExportVisited"].height
    assert len(said) == len(whole.manifest["tables"])


def test_a_reader_notices_what_is_wrong(whole, tmp_path):
    """The control: labels of which one was changed are not those that RelBench makes."""
    whole.export("relbench", tmp_path / "shop", tasks=TASKS)
    file = tmp_path / "shop" / "tasks" / "visits" / "val.parquet"
    labels = pl.read_parquet(file)
    labels.with_columns(
        pl.when(pl.int_range(pl.len()) == 3).then(99.0).otherwise("visits").alias("visits")
    ).write_parquet(file)
    with pytest.raises(AssertionError, match=r"visits"):
        read_by("relbench", "read_relbench.py", tmp_path / "shop", home=tmp_path)
