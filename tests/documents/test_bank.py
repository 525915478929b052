"""The bank does what its docstring says: rings, bursts, takeovers, drift, and labels that come ever later."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from deep_faker import Dataset
from deep_faker.loader import load_simulation
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

TIME = pl.col("sys__time")


@pytest.fixture(scope="module")
def bank() -> Dataset:
    """The whole of it: four months."""
    return load_simulation(str(ROOT / "examples" / "bank.py")).collect()


def test_accounts_pay_at_rates_and_sums_of_their_own(bank: Dataset):
    """Counts go with the trait, and so do sums; nobody sees who lends an account to a ring."""
    paid = bank["Paid"].group_by("account_id").agg(n=pl.len(), median=pl.col("amount").median())
    rows = bank.entities["Account"].join(paid, on="account_id")
    assert rows.select(pl.corr("payments", "n")).item() > 0.9
    assert rows.select(pl.corr("usual", "median", method="spearman")).item() > 0.9
    assert 0.3 < rows.select(pl.corr("payments", "usual", method="spearman")).item() < 0.5
    assert "mule" not in bank.entities["Account"].columns


def test_rings_are_circles(bank: Dataset):
    """Who gets money sends it on, 3 % less, and the last gives it to the first; honest transfers are no circles."""
    rows = bank["Transferred"].sort("sys__sid", "sys__order").group_by("sys__sid", maintain_order=True)
    found = rows.agg("account_id", "to_account", "amount").with_columns(hops=pl.col("account_id").list.len())
    rings = found.join(bank.anomalies.filter(kind="ring").select("sys__sid").unique(), on="sys__sid")
    assert rings.height > 150
    whole = rings.filter(hops=4)
    assert whole.height == rings.height
    for senders, receivers, amounts in whole.select("account_id", "to_account", "amount").rows():
        assert senders == receivers[3:] + receivers[:3]
        assert np.allclose(np.divide(amounts[1:], amounts[:-1]), 0.97, atol=1e-3)
    honest = found.join(rings, on="sys__sid", how="anti")
    assert honest["hops"].max() == 1
    assert not (honest["account_id"].list.first() == honest["to_account"].list.first()).any()


def test_every_event_of_the_three_flows_is_an_anomaly(bank: Dataset):
    """And no other one is."""
    flows = bank.sessions.filter(pl.col("flow").is_in(["ring", "bot", "takeover"])).select("sys__sid")
    events = bank.events.join(flows, on="sys__sid").filter(pl.col("event_type") != "Declined")
    assert sorted(events["sys__eid"]) == sorted(bank.anomalies["sys__eid"])


def test_bots_come_in_bursts_and_takeovers_by_night(bank: Dataset):
    """Most stolen cards follow another within minutes, which seven a day at random would not."""
    started = bank.sessions.filter(flow="bot").sort("started")["started"]
    assert (started.diff().dt.total_minutes() < 30).mean() > 0.6
    hours = bank.sessions.filter(flow="takeover")["started"].dt.hour()
    payers = bank.sessions.filter(flow="pay")["started"].dt.hour()
    assert (hours < 5).mean() > 0.35
    assert (payers < 5).mean() < 0.1


def test_payments_move_to_the_net_and_takeovers_treble(bank: Dataset):
    """One drift takes a month, the other is there at once."""
    net = (
        bank["Paid"]
        .group_by(month=TIME.dt.month())
        .agg(net=(pl.col("channel") == "net").mean())
        .sort("month")
    )
    january, february, march, april = net["net"]
    assert abs(january - 0.25) < 0.03
    assert abs(february - january) < 0.02
    assert january + 0.08 < march < april - 0.08
    assert abs(april - 0.5) < 0.03
    taken = (
        bank.sessions.filter(flow="takeover")["started"].dt.month().value_counts().sort("started")["count"]
    )
    assert 2.3 < taken[3] / taken[:3].mean() < 4


def test_labels_come_late_and_ever_later(bank: Dataset):
    """85 % are reported, 97 % of these judged rightly; 25 a day, from April on after days in the queue."""
    labels = bank.labels
    assert labels.group_by(pl.col("known_at").dt.date()).len()["len"].max() == 25
    found = bank.anomalies.join(labels, on="sys__eid", how="left")
    right = (found["anomaly"].fill_null(value=False)).mean()
    assert abs(right - 0.85 * 0.97) < 4 * (0.82 * 0.18 / found.height) ** 0.5
    queue = (pl.col("known_at") - pl.col("reported_at")).dt.total_hours()
    waits = labels.group_by(month=pl.col("reported_at").dt.month()).agg(hours=queue.median()).sort("month")
    assert waits["hours"][0] == 0
    assert waits["hours"][3] > 24
    false = labels.join(bank.anomalies, on="sys__eid", how="anti")
    assert 40 < false.height < 250
    assert false["anomaly"].mean() < 0.2
