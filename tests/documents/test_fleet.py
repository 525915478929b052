"""The fleet does what its docstring says: seasons, outages, queues, skew, late data, and a key to undo it all."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from deep_faker import Dataset
from deep_faker.loader import load_simulation
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

TIME = pl.col("sys__time")
MAST = (datetime(2024, 12, 4, 9), datetime(2024, 12, 4, 15))


@pytest.fixture(scope="module")
def fleet() -> Dataset:
    """The whole of it: two weeks."""
    return load_simulation(str(ROOT / "examples" / "fleet.py")).collect()


@pytest.fixture(scope="module")
def both(fleet: Dataset) -> pl.DataFrame:
    """Each message that arrived, beside what was sent."""
    sent = fleet["Measured"].select("sys__eid", "sys__time", "sys__ets", "van_id", "kmh", "celsius")
    came = fleet.dirty["Measured"].with_columns(heat=pl.coalesce("celsius", "engine_celsius"))
    came = came.select("sys__eid", "available_time", dirty_ets="sys__ets", dirty_kmh="kmh", heat="heat")
    return came.unique("sys__eid", keep="first", maintain_order=True).join(sent, on="sys__eid")


def test_vans_leave_by_the_hour_and_the_day(fleet: Dataset):
    """Sundays are quiet, nights too; before Christmas there are 1.3 times as many."""
    local = TIME.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    trips = fleet["TripStarted"].select(day=local.dt.date(), hour=local.dt.hour(), weekday=local.dt.weekday())
    assert trips.filter(pl.col("hour") < 4).is_empty()
    days = trips.group_by("day", "weekday").len().sort("day")["len"]
    assert days[6] < days[0] / 3
    usual = [0, 1, 3, 4]  # without the day of the power cut
    assert 1.15 < sum(days[7 + n] for n in usual) / sum(days[n] for n in usual) < 1.45


def test_batteries_empty_faster_in_the_cold(fleet: Dataset):
    """From one message to the next, by the distance: 1.4 times as fast as on the day before."""
    rows = fleet["Measured"].with_columns(used=-pl.col("battery").diff().over("sys__sid")).drop_nulls("used")
    rate = rows.group_by(TIME.dt.day()).agg(rate=pl.col("used").sum() / pl.col("kmh").sum()).sort("sys__time")
    thursday, friday, saturday = rate["rate"][3:6]
    assert 1.3 < saturday / thursday < 1.5
    assert 1.3 < friday / thursday < 1.5


def test_few_leave_while_the_power_is_off(fleet: Dataset):
    """A fifth of what would have left; the table of incidents says how many to expect."""
    off = fleet.incidents.filter(incident="power cut").row(0, named=True)
    left = fleet["TripStarted"].filter(TIME.is_between(off["sys__time"], off["end"])).height
    assert abs(left - off["expected"]) < 4 * off["expected"] ** 0.5
    assert left < off["usual"] / 2


def test_nobody_waits_longer_than_half_an_hour_for_a_charger(fleet: Dataset):
    """Some do not wait at all; each charger has one van at a time."""
    assert fleet.sessions["waited"].max() == 1_800
    assert (fleet.sessions["waited"] == 0).mean() > 0.3
    power = pl.col("charger_id").replace_strict(
        dict(fleet.entities["Charger"].select("charger_id", "kilowatts").rows()), return_dtype=pl.Int64
    )
    begun = TIME - pl.duration(microseconds=pl.col("kwh") / power * 3_600_000_000)
    used = fleet["Charged"].with_columns(begun=begun).sort("charger_id", "sys__time")
    gap = used.select(gap=pl.col("begun") - TIME.shift(1).over("charger_id"))["gap"].drop_nulls()
    assert used.height > 1_000
    assert gap.min() > timedelta(seconds=-30)  # kWh are rounded


def test_engines_stay_a_little_as_they_were(fleet: Dataset):
    """The next message is close to the last one of the trip; that of any other van is not."""
    heat = fleet["Measured"].select("celsius", after=pl.col("celsius").shift(-1).over("sys__sid"))
    heat = heat.with_columns(other=pl.col("celsius").shuffle(seed=1)).drop_nulls()
    assert heat.select(pl.corr("celsius", "after")).item() > 0.9
    assert abs(heat.select(pl.corr("other", "after")).item()) < 0.05


def test_messages_are_late_while_the_mast_is_down(both: pl.DataFrame):
    """Nine in ten wait for hours then, one in fifty does else; the usual way takes four seconds."""
    took = both.with_columns(seconds=(pl.col("available_time") - TIME).dt.total_seconds(fractional=True))
    down = took.filter(TIME.is_between(*MAST))
    usual = took.filter(TIME.dt.date() != MAST[0].date())["seconds"]
    assert 3.5 < usual.median() < 4.5
    assert 0.005 < (usual > 600).mean() < 0.03
    assert 0.75 < (down["seconds"] > 600).mean() < 0.93


def test_wrong_clocks_are_wrong_by_the_same_all_the_time(both: pl.DataFrame):
    """Some vans, each by its own seconds."""
    wrong = (pl.col("dirty_ets") - pl.col("sys__ets")).alias("wrong")
    vans = both.group_by("van_id").agg(wrong.n_unique().alias("clocks"), wrong.first())
    assert vans["clocks"].max() == 1
    assert 0.05 < (vans["wrong"] != 0).mean() < 0.3
    assert vans.filter(pl.col("wrong") != 0)["wrong"].n_unique() > 5


def test_miles_and_broken_sensors(both: pl.DataFrame):
    """Miles an hour from the seventh on, of some vans alone; heat is missing only where there was some."""
    other = both.filter((pl.col("dirty_kmh") - pl.col("kmh")).abs() > 1e-9)
    assert other["sys__time"].min() >= datetime(2024, 12, 7)
    assert 0 < other["van_id"].n_unique() < 30
    assert ((other["dirty_kmh"] / other["kmh"]) - 0.6214).abs().max() < 1e-6
    gone = both.filter(pl.col("heat").is_null())
    assert gone.height > 100
    assert gone["celsius"].min() > 60


def test_the_key_undoes_it_all(fleet: Dataset, both: pl.DataFrame):
    """What is lost, twice or another value is what `truth/defects` says, no more and no less."""
    key = fleet.defects.filter(event_type="Measured")
    lost = set(fleet["Measured"]["sys__eid"]) - set(both["sys__eid"])
    assert lost == set(key.filter(kind="drop")["sys__eid"])
    assert len(lost) > 1_000
    twice = fleet.dirty["Measured"].height - both.height
    assert twice == key.filter(kind="duplicate").height > 2_000
    units = key.filter(kind="unit", field="kmh")
    then = units.select("sys__eid", was=pl.col("original").cast(pl.Float64)).unique("sys__eid")
    mended = both.join(then, on="sys__eid", how="left").select(
        kmh_then=pl.coalesce("was", "dirty_kmh"), kmh="kmh"
    )
    assert (mended["kmh_then"] == mended["kmh"]).all()
    assert (both["dirty_kmh"] != both["kmh"]).any()
