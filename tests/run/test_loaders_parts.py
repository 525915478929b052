"""Training from batches without a file; loaders of parts, whose workers simulate their own alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deep_faker.errors import SettingsError
from deep_faker.loaders import Shards
from tests.support.places import ROOT
from tests.support.worlds.batched import Bought, Met, batches, rows, sim

P = 3
parts = [sim.batches(Bought, 40, partitions=P, part=part) for part in range(P)]


@pytest.fixture(scope="module")
def of_parts():
    """The ids of all parts, part after part."""
    return [name for part in parts for frame in part for name in frame["sys__eid"]]


# ---------------------------------------------------------------- a model


def trained(weights, frames, rate=0.3):
    """A step of gradient descent for each frame: what is paid by price and quantity; and the losses."""
    losses = []
    for frame in frames:
        price, quantity = frame["price"].to_numpy() / 100, frame["quantity"].to_numpy() / 9
        x = np.column_stack([np.ones(frame.height), price, quantity])
        error = x @ weights - price * quantity
        losses.append(float(np.mean(error**2)))
        weights = weights - rate * 2 * x.T @ error / len(error)
    return weights, losses


def test_a_model_is_trained_without_a_file(tmp_path, monkeypatch):
    """Epoch by epoch it gets better; again it ends with the same weights, and so does one that was taken up
    again in the middle of an epoch. Nothing is written."""
    monkeypatch.chdir(tmp_path)
    weights, losses, halfway = np.zeros(3), [], np.zeros(3)
    for epoch in range(4):
        weights, some = trained(weights, batches)
        losses.append(sum(some) / len(some))
        halfway = weights if epoch == 2 else halfway
    assert losses[-1] < losses[0] / 2
    again = np.zeros(3)
    for _ in range(4):
        again, _ = trained(again, batches)
    assert np.array_equal(again, weights)
    begun, _ = trained(halfway, [frame for frame, _ in zip(batches, range(3))])
    resumed, _ = trained(begun, batches.skip(3))
    assert np.array_equal(resumed, weights)
    forgotten, _ = trained(begun, batches)
    assert not np.array_equal(forgotten, weights)  # the negative control
    assert list(tmp_path.iterdir()) == []


def test_the_second_epoch_is_the_first():
    """Frame for frame, also of parts, and of another process's copy."""
    import pickle

    for each in (batches, *parts, pickle.loads(pickle.dumps(parts[1]))):
        first, second = list(each), list(each)
        assert len(first) > 1
        assert all(one.equals(two) for one, two in zip(first, second, strict=True))
    assert not any(one.equals(two) for one, two in zip(parts[0], parts[1]))


# ---------------------------------------------------------------- workers


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_workers_share_parts(workers, of_parts):
    """Each part is one worker's, whole; of one world each batch is."""
    shards = Shards(parts)
    given = [shards.of_worker(k, workers) for k in range(workers)]
    assert max(len(shard) for shard in given) == -(-P // workers)
    ids = [name for shard in given for part in shard for frame in part for name in frame["sys__eid"]]
    assert sorted(ids) == sorted(of_parts)
    one = [
        name
        for k in range(workers)
        for b in Shards(batches).of_worker(k, workers)
        for f in b
        for name in f["sys__eid"]
    ]
    assert sorted(one) == sorted(rows["sys__eid"])


def test_what_is_no_list_of_parts_is_refused():
    """With the mend."""
    for wrong in ([], [1], [parts[0], sim.batches(Met, 40, partitions=P, part=1)]):
        with pytest.raises(SettingsError, match="partitions=8"):
            Shards(wrong)
    several: Any = sim.batches(partitions=P, part=0)
    with pytest.raises(SettingsError, match="several event types"):
        Shards([several])


# ---------------------------------------------------------------- torch


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


def ids_of(loader):
    return [name for batch in loader for name in batch["sys__eid"]]


def test_torch_goes_on_in_the_middle_of_a_part(torch, of_parts):
    """After any number of batches, the rest is what is left; the next epoch is whole."""
    from deep_faker.loaders.torch import TorchBatches

    data = TorchBatches(parts)
    assert ids_of(data) == of_parts
    count = sum(1 for _ in data)
    for taken in range(count + 1):
        going, first = iter(data), []
        for _ in range(taken):
            first += next(going)["sys__eid"]
        again = TorchBatches(parts)
        again.load_state_dict(data.state_dict())
        assert first + ids_of(again) == of_parts
        assert ids_of(again) == of_parts
        going.close()
    with pytest.raises(SettingsError, match="take as many workers"):
        data.load_state_dict({"part": 1, "batches": 2, "worker": [1, 4]})
        next(iter(data))


@pytest.mark.slow
def test_two_torch_workers_of_parts(torch, of_parts):
    """Each row once; each worker has parts of its own."""
    from torch.utils.data import DataLoader

    from deep_faker.loaders.torch import TorchBatches

    loader = DataLoader(TorchBatches(parts), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert sorted(ids_of(loader)) == sorted(of_parts)


@pytest.mark.slow
def test_a_torch_model_is_trained(torch):
    """By `DataLoader` and an optimizer, twice with the same weights."""
    from deep_faker.loaders.torch import TorchBatches

    def fitted():
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1, dtype=torch.float64)
        steps, losses = torch.optim.SGD(model.parameters(), lr=0.3), []
        for _ in range(3):
            for batch in torch.utils.data.DataLoader(TorchBatches(parts), batch_size=None):
                x = torch.stack([batch["price"] / 100, batch["quantity"] / 9], dim=1)
                loss = torch.nn.functional.mse_loss(model(x).squeeze(1), x.prod(dim=1))
                steps.zero_grad()
                loss.backward()
                steps.step()
                losses.append(loss.item())
        return model.weight.tolist(), losses

    weight, losses = fitted()
    assert sum(losses[-3:]) < sum(losses[:3]) / 2
    assert fitted() == (weight, losses)


# ---------------------------------------------------------------- Hugging Face and Ray


def test_hugging_face_shards_are_parts(of_parts):
    """As many as there are parts, or fewer with several in each; a state goes on within one."""
    pytest.importorskip("datasets", reason="datasets is not installed")
    from deep_faker.loaders.huggingface import huggingface_dataset

    data = huggingface_dataset(parts)
    assert data.num_shards == P
    assert [row["sys__eid"] for row in data] == of_parts
    two = huggingface_dataset(parts, shards=2)
    assert two.num_shards == 2
    assert sorted(row["sys__eid"] for row in two) == sorted(of_parts)
    going = iter(data)
    for _ in range(50):
        next(going)
    state = data.state_dict()
    data.load_state_dict(state)
    assert [row["sys__eid"] for row in data] == of_parts[50:]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_reads_a_part_a_task(of_parts):
    """Columns that are selected reach each part."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    from deep_faker.loaders.ray import BatchSource, ray_dataset

    tasks = BatchSource(parts).get_read_tasks(64)
    assert [name for task in tasks for table in task() for name in table["sys__eid"].to_pylist()] == of_parts
    assert len(tasks) == P
    [task, *_] = BatchSource(parts).apply_projection({"item": "item"}).get_read_tasks(2)
    assert {name for table in task() for name in table.column_names} == {"item"}
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False,
             runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}})  # fmt: skip
    try:
        assert sorted(row["sys__eid"] for row in ray_dataset(parts).take_all()) == sorted(of_parts)
    finally:
        ray.shutdown()
