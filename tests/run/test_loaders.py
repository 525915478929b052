"""Loaders for training loops: each row once, resumed exactly. Skipped where the package is not installed."""

from __future__ import annotations

import builtins
import importlib
import sys

import numpy as np
import pytest

from tests.support.places import ROOT
from tests.support.worlds.batched import Bought, batches, rows, sim

LOADERS = {"torch": "torch", "huggingface": "datasets", "ray": "ray"}


@pytest.mark.parametrize("name", LOADERS)
def test_a_package_that_is_missing_is_named_with_the_command(name, monkeypatch):
    found = builtins.__import__

    def without(module, *args, **named):
        if module.partition(".")[0] == LOADERS[name]:
            raise ImportError(f"No module named {module!r}")
        return found(module, *args, **named)

    monkeypatch.delitem(sys.modules, f"deep_faker.loaders.{name}", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=rf'pip install "deep-faker\[{name}\]"'):
        importlib.import_module(f"deep_faker.loaders.{name}")
    monkeypatch.undo()
    sys.modules.pop(f"deep_faker.loaders.{name}", None)


# ---------------------------------------------------------------- torch


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


def same(torch, ours, theirs) -> bool:
    """Whether two lists of batches are equal."""
    return len(ours) == len(theirs) and all(
        a.keys() == b.keys()
        and all(
            np.array_equal(a[n], b[n], equal_nan=a[n].is_floating_point())
            if torch.is_tensor(a[n])
            else a[n] == b[n]
            for n in a
        )
        for a, b in zip(ours, theirs, strict=True)
    )


def test_columns_are_tensors_of_their_types(torch):
    from deep_faker.loaders.torch import TorchBatches

    [batch] = TorchBatches(sim.batches(Bought, columns=[n for n in rows.columns if n != "sys__sid"]))
    types = {name: value.dtype if torch.is_tensor(value) else list for name, value in batch.items()}
    assert types == {
        "sys__eid": list, "sys__ets": torch.int64, "sys__time": torch.int64, "sys__order": torch.int64, "user_id": list, "price": torch.float64, "quantity": torch.int64,
        "item": list, "gift": torch.bool, "at": torch.int64, "day": torch.int32, "rated": torch.float64,
    }  # fmt: skip
    assert batch["price"].tolist() == rows["price"].to_list()
    assert batch["gift"].tolist() == rows["gift"].to_list()
    assert batch["at"].tolist() == rows["at"].dt.timestamp("us").to_list()
    assert batch["day"].tolist() == rows["day"].to_physical().to_list()
    assert torch.isnan(batch["rated"]).tolist() == rows["rated"].is_null().to_list()


def test_a_second_epoch_equals_the_first_and_a_state_goes_on(torch):
    from deep_faker.loaders.torch import TorchBatches

    data = TorchBatches(batches)
    first = list(data)
    assert same(torch, first, list(data))
    assert not same(torch, first, first[1:])
    going = iter(data)
    for _ in range(3):
        next(going)
    again = TorchBatches(batches)
    again.load_state_dict(data.state_dict())
    assert same(torch, list(again), first[3:])
    assert same(torch, list(again), first)  # the epoch after that is whole


@pytest.mark.slow
def test_two_workers_give_each_row_once_and_in_order(torch):
    from torch.utils.data import DataLoader

    from deep_faker.loaders.torch import TorchBatches

    loader = DataLoader(
        TorchBatches(batches), batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    ids = [name for batch in loader for name in batch["sys__eid"]]
    assert ids == rows["sys__eid"].to_list()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
def test_workers_that_are_resumed_go_on_exactly(torch):
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    from deep_faker.loaders.torch import TorchBatches

    def loader():
        return stateful.StatefulDataLoader(
            TorchBatches(batches), batch_size=None, num_workers=2, multiprocessing_context="spawn"
        )

    going = loader()
    way = iter(going)
    for _ in range(3):
        next(way)
    state = going.state_dict()
    rest = list(way)
    again = loader()
    again.load_state_dict(state)
    assert same(torch, list(again), rest)


def test_a_state_of_other_workers_is_refused(torch):
    from deep_faker.errors import SettingsError
    from deep_faker.loaders.torch import TorchBatches

    data = TorchBatches(batches)
    data.load_state_dict({"batches": 2, "worker": [1, 4]})
    with pytest.raises(SettingsError, match=r"batches\.skip\(8\)"):
        next(iter(data))


# ---------------------------------------------------------------- Hugging Face


def test_hugging_face_has_each_row_once_and_goes_on():
    pytest.importorskip("datasets", reason="datasets is not installed")
    from deep_faker.loaders.huggingface import huggingface_dataset

    data = huggingface_dataset(batches, shards=3)
    assert data.num_shards == 3
    made = list(data)
    assert sorted(row["sys__eid"] for row in made) == sorted(rows["sys__eid"])
    assert list(huggingface_dataset(batches)) == rows.to_dicts()
    going = iter(data)
    for _ in range(100):
        next(going)
    state = data.state_dict()
    data.load_state_dict(state)
    assert list(data) == made[100:]


# ---------------------------------------------------------------- Ray


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_has_each_row_once_and_draws_what_is_selected():
    ray = pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    from deep_faker.loaders.ray import BatchSource, ray_dataset

    # the columns that are left reach the source, so that nothing else is drawn
    [task, _] = BatchSource(batches).apply_projection({"item": "item"}).get_read_tasks(2)
    assert {name for table in task() for name in table.column_names} == {"item"}
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
    )  # fmt: skip
    try:
        data = ray_dataset(batches, shards=2)
        assert sorted(row["sys__eid"] for row in data.take_all()) == sorted(rows["sys__eid"])
        chosen = data.select_columns(["quantity"])
        assert "quantity" in chosen.schema().names
        assert chosen.sum("quantity") == rows["quantity"].sum()
    finally:
        ray.shutdown()
