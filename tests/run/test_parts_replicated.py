"""Entities that each part has whole: the same in all, told once, their changes put together at the end."""

from __future__ import annotations

import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.dataset import verify
from deep_faker.errors import DatasetError, DeclarationError
from deep_faker.run.parted.commit import commit
from deep_faker.run.parted.job import PartsJob
from deep_faker.write import ParquetOutput
from tests.support.engine_agreement import differences
from tests.support.engine_agreement import tables as whole_tables
from tests.support.engines import every_engine
from tests.support.worlds.part_world import PartJoined, PartUser, tree


class PartListed(BaseEvent):
    sku: str = Field(faker="bothify", text="??-####")
    title: str = Field(faker="catch_phrase")
    price: float = Field(faker="pyfloat", min_value=1, max_value=99, right_digits=2)
    stock: int = Field(faker="random_int", min=1000, max=9000)


class PartProduct(Entity):
    source_event = PartListed
    primary_key = "sku"
    replicated = True
    price: float = StateField(from_field="price")
    stock: int = StateField(from_field="stock")
    sold: int = StateField(default=0)
    dearest: float = StateField(default=0.0)
    cheapest: float = StateField(default=1e9)


class PartRegion(Entity):
    source_event = None
    primary_key = "region"
    replicated = True
    orders: int = StateField(default=5)


class PartOrdered(BaseEvent):
    user_id: str = ""
    sku: str = ""
    region: str = ""
    paid: float = Field(faker="pyfloat", min_value=1, max_value=99)


P = 3


def shop(*, on_end="cut", change=None, history=False, makes=False, live=False):
    sim = Simulation(
        duration="10m",
        start_time="2024-01-01",
        time_step="10s",
        n_flows=20,
        random_seed=9,
        on_end=on_end,
        initial_entities={PartUser: 10, PartProduct: 4, PartRegion: 2},
    )
    changes = change or [("stock", "subtract", 2), ("sold", "add", 2)]

    @sim.flow(
        filter=[
            Select(None, PartUser),
            Select(None, PartProduct, shared=True),
            Select(None, PartRegion, shared=True),
        ]
    )
    def order(ctx):
        yield NewEvent(
            ctx,
            PartOrdered,
            mutate=[SetState(PartProduct, changes), SetState(PartRegion, [("orders", "add", 1)])],
        )
        yield AddDecay(ctx, rate=1, seconds=Exponential(30))

    if makes:

        @sim.flow()
        def lists(ctx):
            yield NewEvent(ctx, PartListed, save_entity=PartProduct)

    if live:

        @sim.flow()
        def generator(ctx):
            try:
                yield NewEvent(ctx, PartJoined)
            finally:
                pass

    return sim


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicated") / "out"
    shop().run(folder, partitions=P)
    return folder


def test_all_parts_have_them_and_their_changes_are_summed(data):
    """Each is there once, told by one event; sums are those of the orders of all parts."""
    assert verify(data) == []
    found = Dataset.open(data)
    orders, products = found["PartOrdered"], found.entities[PartProduct]
    assert found["PartListed"].height == products.height == 4
    assert found.entities[PartUser].height == 10
    assert set(orders["sku"]) == set(products["sku"])
    sold = dict(orders.group_by("sku").len().iter_rows())
    listed = dict(zip(found["PartListed"]["sku"], found["PartListed"]["stock"]))
    for sku, stock, count in products.select("sku", "stock", "sold").iter_rows():
        assert count == 2 * sold[sku]
        assert stock == listed[sku] - 2 * sold[sku]
    regions = dict(orders.group_by("region").len().iter_rows())
    assert {r: 5 + n for r, n in regions.items()} == dict(
        found.entities[PartRegion].select("region", "orders").iter_rows()
    )


def test_the_report_counts_them_once(tmp_path):
    """As the files do."""
    report = shop().run(tmp_path / "out", partitions=P)
    assert report.entities == {"PartUser": 10, "PartProduct": 4, "PartRegion": 2}
    assert report.events["PartListed"] == 4


@every_engine
@pytest.mark.parametrize("number", [0, 2])
def test_engines_agree(engine, number, tmp_path):
    """Each makes the same files of a part."""
    made = []
    for name in (engine, "reference"):
        plan = shop().compile()
        PartsJob(plan, 9, name, P, ParquetOutput(tmp_path / name)).make(number)
        made.append(tree(tmp_path / name))
    assert made[0] == made[1]
    assert f"_parts/replicated/PartProduct/part-0000{number}-00000.parquet" in made[0]


def test_without_parts_they_are_entities_as_others():
    """On every engine."""
    plan = shop().compile()
    made = whole_tables(plan, 9, "vectorized")
    assert made["entities/PartProduct"].num_rows == 4
    assert not differences(made, whole_tables(plan, 9, "reference"))


def test_minima_and_maxima_are_those_of_all_parts(tmp_path):
    """Of what every part has seen."""
    changes = [("dearest", "max", 7.5), ("cheapest", "min", 3.25)]
    shop(change=changes).run(tmp_path / "out", partitions=P, format="csv")
    assert verify(tmp_path / "out") == []
    products = Dataset.open(tmp_path / "out").entities[PartProduct]
    assert products["dearest"].to_list() == [7.5] * 4
    assert products["cheapest"].to_list() == [3.25] * 4


def test_a_part_that_has_others_is_found(tmp_path, data):
    """A damaged file of one part's replicated entities."""
    from shutil import copytree

    copytree(data, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    path = tmp_path / "out" / "_parts/replicated/PartProduct/part-00001-00000.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"part 1 (.|\n)*SHA-256"):
        commit(tmp_path / "out")


@pytest.mark.parametrize(
    ("how", "why"),
    [({"change": [("price", "is", 2.0)]}, "price is changed by 'is'"),
     ({"change": [("sold", "add", 1), ("sold", "max", 3)]}, "sold is changed by 'max'"),
     ({"change": [("sold", "multiply", 2)]}, "'multiply'"), ({"makes": True}, "flow 'lists' emits PartListed"),
     ({"live": True}, "flow 'generator' runs as a generator")],
    ids=str,
)  # fmt: skip
def test_what_no_part_can_know_is_refused(how, why, tmp_path):
    """With the line and the mend; a run without parts does it."""
    sim = shop(**how)
    with pytest.raises(DeclarationError, match=rf"cannot be replicated(.|\n)*{why}") as refused:
        sim.run(tmp_path / "out", partitions=P)
    assert "help:" in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    sim.run(tmp_path / "out")


def test_history_of_replicated_entities_is_refused(tmp_path):
    """Versions would be those of every part."""
    with pytest.raises(DeclarationError, match="history=True"):
        shop().run(tmp_path / "out", partitions=P, history=True)


def test_explain_says_how_they_are_put_together():
    """By field; and where nothing changes them."""
    text = shop().explain()
    assert "each part has all; put together: stock by sum, sold by sum" in " ".join(text.split())
    assert "each part has all; put together: orders by sum" in " ".join(text.split())


def test_replicated_is_a_flag():
    """Anything else is refused where the class is made."""
    with pytest.raises(DeclarationError, match="replicated is no flag"):

        class Wrong(Entity):
            source_event = PartListed
            primary_key = "sku"
            replicated = "yes"
