"""Anomalies, labels that come late and are partly wrong, drifts and incidents (T12, R11)."""

from __future__ import annotations

import datetime as dt
import math
import random

import polars as pl
import pytest

from deep_faker import AddDecay, BaseEvent, Dataset, Entity, Exponential, Field, NewEvent, Select, Simulation
from deep_faker.defects import Defects, Labels, Null
from deep_faker.errors import DatasetError, DeclarationError, SettingsError
from deep_faker.features import Count, Verdict
from deep_faker.seasons import Drift, Incident
from deep_faker.write.files.verify import verify
from tests.support.engines import ENGINES, every_engine
from tests.support.worlds.stopped_runs import resumed, stopped

START = dt.datetime(2024, 1, 1)


class CardOpened(BaseEvent):
    card: str = Field(faker="shortuuid", length=8)


class CardPaid(BaseEvent):
    card: str
    amount: float = Field(faker="pyfloat", min_value=1, max_value=90)


class Card(Entity):
    source_event = CardOpened
    primary_key = "card"


RING = Labels({"ring": "fraud"}, events=[CardPaid], delay=Exponential(hours=6), capacity=24, missed=0.1,
              false_alarms=0.01, wrong=0.05)  # fmt: skip


def bank(labels: Labels | None = RING, season: object = None, **settings) -> Simulation:
    usual = {"duration": "5d", "start_time": START, "random_seed": 11, "time_step": "10m"}
    sim = Simulation(**{**usual, **settings}, initial_entities={Card: 50}, labels=labels)

    @sim.flow(filter=Select(Card), rate="20/h", season=season)
    def pay(ctx):
        yield NewEvent(ctx, CardPaid, card=ctx.selected_entities[Card].card)

    @sim.flow(filter=Select(Card), rate="8/day")
    def ring(ctx):
        for _ in range(random.randint(1, 4)):
            yield NewEvent(ctx, CardPaid, card=ctx.selected_entities[Card].card)
            yield AddDecay(ctx, seconds=60)

    return sim


@pytest.fixture(scope="module")
def known() -> Dataset:
    return bank().collect(engine=ENGINES[0])


@every_engine
def test_all_engines_label_alike(known, engine):
    again = bank().collect(engine=engine)
    assert again.labels.equals(known.labels)
    assert again.anomalies.equals(known.anomalies)
    assert not bank(random_seed=12).collect(engine=engine).labels.equals(known.labels)


def test_each_event_of_the_flow_is_an_anomaly(known):
    """And no other; sessions say from when to when."""
    rings = known.sessions.filter(pl.col("flow") == "ring")
    truth = known.anomalies
    assert truth.height == rings["events"].sum()
    assert set(truth["sys__sid"]) == set(rings["sys__sid"])
    assert set(truth["kind"]) == {"fraud"}
    assert truth["sys__order"].is_sorted()


def test_labels_are_late_partly_missing_and_partly_wrong(known):
    """Shares are those that were said, and the delays have their mean."""
    truth, labels, paid = known.anomalies, known.labels, known["CardPaid"]
    mine = labels.with_columns(true=pl.col("sys__eid").is_in(truth["sys__eid"].implode()))
    hits, false = mine.filter("true").height, mine.filter(~pl.col("true")).height
    n, others = truth.height, paid.height - truth.height
    assert abs(hits - 0.9 * n) < 4 * math.sqrt(n * 0.09)
    assert abs(false - 0.01 * others) < 4 * math.sqrt(others * 0.01)
    wrong = mine.filter(pl.col("anomaly") != pl.col("true")).height
    assert 0 < wrong < 0.05 * mine.height + 4 * math.sqrt(mine.height * 0.05)
    lag = mine.join(paid.select("sys__eid", "sys__time"), on="sys__eid")
    hours = (lag["reported_at"] - lag["sys__time"]).dt.total_seconds() / 3600
    assert abs(hours.mean() - 6) < 4 * 6 / math.sqrt(len(hours))


def test_at_most_so_many_verdicts_a_day(known):
    """First come, first served, and never before the report; without a ceiling at once."""
    labels = known.labels
    days = labels.group_by(pl.col("known_at").dt.date()).len()["len"]
    assert days.max() <= 24
    assert labels["reported_at"].is_sorted()
    assert labels["known_at"].is_sorted()
    assert (labels["known_at"] >= labels["reported_at"]).all()
    few = bank(Labels(RING.anomalies, events=[CardPaid], capacity=3)).collect().labels
    assert few.group_by(pl.col("known_at").dt.date()).len()["len"].max() == 3
    assert (few["known_at"] - few["reported_at"]).max() > dt.timedelta(days=3)  # the backlog
    free = bank(Labels(RING.anomalies, events=[CardPaid])).collect()
    assert (free.labels["known_at"] == free.labels["reported_at"]).all()
    assert free.labels.height == free.anomalies.height


def test_a_stopped_run_and_parts_have_their_labels(tmp_path):
    """Reports that wait survive a checkpoint; parts share the capacity."""
    bank(duration="20d").run(tmp_path / "whole", progress=False)
    stopped(tmp_path, bank(duration="20d"))
    assert list((tmp_path / "c").glob("state-*-cases"))
    resumed(tmp_path, bank(duration="20d"))
    files = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file())
    assert any("labels" in str(file) for file in files)
    for file in files:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    bank().run(tmp_path / "parts", partitions=2, progress=False)
    assert verify(tmp_path / "parts") == []
    labels = Dataset.open(tmp_path / "parts").labels
    assert labels.group_by(pl.col("known_at").dt.date()).len()["len"].max() <= 24


def test_a_frame_has_the_verdicts_that_were_known(known):
    """Of each payment: what was said by then, False where nothing was, null where it is too early."""
    at = "2024-01-04"
    frame = known.training_frame(
        Card, at=CardPaid, features={"n": Count(CardPaid)}, label=Verdict(), as_known_at=at, label_delay="1d"
    ).collect()
    limit = dt.datetime(2024, 1, 4)
    said = known.labels.filter(pl.col("known_at") <= limit)
    want = frame.join(said.select("sys__eid", "anomaly"), on="sys__eid", how="left", maintain_order="left")
    late = pl.col("at") + dt.timedelta(days=1) > limit
    expected = want.select(pl.when(~late).then(pl.col("anomaly").fill_null(value=False)))["anomaly"]
    assert frame["label"].to_list() == expected.to_list()
    assert frame["label"].sum() > 5
    assert frame["label"].null_count() > 5
    later = known.training_frame(
        Card, at=CardPaid, features={"n": Count(CardPaid)}, label=Verdict(), label_delay="1d"
    ).collect()
    assert later["label"].sum() > frame["label"].sum()


# ---------------------------------------------------------------- drifts and incidents


def starts(season: object, **more) -> pl.DataFrame:
    ds = bank(None, season, **more).collect()
    return ds.sessions.filter(pl.col("flow") == "pay").with_columns(day=pl.col("started").dt.date())


def test_drifts_change_the_rate():
    """Abrupt, gradual and recurring, each where it was said, by as much."""

    def count(sessions: pl.DataFrame, first: int, last: int) -> int:
        day = pl.col("started")
        after, before = START + dt.timedelta(days=first), START + dt.timedelta(days=last)
        return sessions.filter((day >= after) & (day < before)).height

    def near(found: int, expected: float) -> bool:
        return abs(found - expected) < 4 * math.sqrt(expected)

    usual = 480
    abrupt = starts(Drift("2024-01-03", 3))
    assert near(count(abrupt, 0, 2), 2 * usual)
    assert near(count(abrupt, 2, 5), 9 * usual)
    gradual = starts(Drift("2024-01-02", 3, kind="gradual", width="2d"))
    assert near(count(gradual, 0, 1), usual)
    assert near(count(gradual, 1, 2), 1.5 * usual)
    assert near(count(gradual, 2, 3), 2.5 * usual)
    assert near(count(gradual, 3, 5), 6 * usual)
    again = starts(Drift("2024-01-01T12:00", 0, kind="recurring", width="12h", every="1d"))
    assert near(count(again, 0, 5), 2.5 * usual)
    assert again.filter(pl.col("started").dt.hour() >= 12).height == 0


def test_an_incident_comes_goes_and_is_told(tmp_path):
    """What it touches, how much is lost, and that defects may hang on it."""
    outage = Incident("psp down", "2024-01-02", "1d", factor=0.1, onset="6h", recovery="12h", cause="release")
    during = Defects(null=Null(0.5, "amount", during=outage))
    sim = bank(None, outage, defects=during)
    assert "psp down touches pay" in sim.explain()
    sim.run(tmp_path / "out", progress=False)
    ds = Dataset.open(tmp_path / "out")
    rows = ds.incidents
    assert rows["kind"].to_list() == ["defect", "flow"]
    assert set(rows["cause"]) == {"release"}
    flow = rows.row(1, named=True)
    assert flow["target"] == "pay"
    assert (flow["sys__time"], flow["end"]) == (dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 3, 18))
    assert flow["usual"] == pytest.approx(20 * 42)
    assert flow["expected"] == pytest.approx(20 * (24 * 0.1 + 18 * 0.55), rel=1e-3)
    started = ds.sessions.filter(pl.col("flow") == "pay")["started"]
    found = started.is_between(flow["sys__time"], flow["end"], closed="left").sum()
    assert abs(found - flow["expected"]) < 4 * math.sqrt(flow["expected"])
    times = ds.defects["sys__time"]
    assert times.len() > 20
    assert times.is_between(flow["sys__time"], flow["end"], closed="left").all()
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Labels({}), "anomalies"),
        (lambda: Labels({"ring": "fraud"}, capacity=0), "capacity=0"),
        (lambda: Labels({"ring": "fraud"}, wrong=2), "wrong=2"),
        (lambda: bank(Labels({"rings": "fraud"})).compile(), "did you mean 'ring'"),
        (lambda: bank("all"), "Labels"),
        (lambda: Drift("2024-01-01", 2, kind="slow"), "slow"),
        (lambda: Drift("2024-01-01", 2, kind="gradual"), "give width="),
        (lambda: Drift("2024-01-01", 2, width="1d"), "leave width= out"),
        (lambda: Drift("2024-01-01", 2, kind="recurring", width="2d", every="1d"), "longer than every"),
        (lambda: Incident(3, "2024-01-01", "1d"), "name=3"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, says):
    with pytest.raises((DeclarationError, SettingsError), match=says):
        make()


def test_no_labels_where_none_were_asked_for():
    ds = bank(None, None, duration="2h").collect()
    with pytest.raises(DatasetError, match="labels=Labels"):
        _ = ds.labels
    with pytest.raises(DatasetError, match="Incident"):
        _ = ds.incidents
