"""Programs in the first deep_faker's spelling load, run by `deepfaker FILE` and by the API, and make sense."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable

import pytest
import typer

from deep_faker import Dataset, Simulation, cli
from deep_faker.loader import load_simulation
from tests.support.engine_agreement import compiled, differences, tables
from tests.support.engines import engines_for
from tests.support.places import DATA

FOLDER = DATA / "first"
PROGRAMS = sorted(file.stem for file in FOLDER.glob("*.py"))
# what a program looks at through a list, which its flow does row by row
LIVE = {"shop": ["filling"], "guide": ["counting"]}
EVENTS = {
    "quick_start": {"TicketScanned"},
    "shop": {"MemberJoined", "PlantOffered", "PlantSeen", "PutIntoBasket", "PayingStarted", "Paid", "PageFailed"},
    "trading": {"TraderAdmitted", "GrainQuoted", "PriceMoved", "TraderCame", "OfferMade", "DealClosed", "RiskNoted"},
    "addresses": {"PersonKnown", "PersonMoved"},
    "lending": {"ReaderEnrolled", "BookBought", "BookLent"},
    "guide": {"MemberEntered", "MemberSignedIn", "RoomBooked", "BookingPaid"},
}  # fmt: skip


def loaded(name: str) -> Simulation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sim = load_simulation(str(FOLDER / f"{name}.py"))
    sim.change(random_seed=5, start_time="2024-01-01")
    return sim


def command(*arguments: str) -> int:
    app = typer.main.get_command(cli.app)
    return cli._guarded(lambda: app.main(list(arguments), standalone_mode=False))


def test_there_are_programs_of_each_kind():
    """A quick start, a shop, a trade, two more, and a walk through everything."""
    assert set(PROGRAMS) == set(EVENTS)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore:warning. key field not on the source event")
def test_it_runs_as_a_file_alone(name, tmp_path, monkeypatch, capsys):
    """``deepfaker FILE`` runs it into its own outputs: every line is an event of the kinds that it names."""
    monkeypatch.chdir(tmp_path)
    assert command(str(FOLDER / f"{name}.py"), "--seed", "5", "--start-time", "2024-01-01") == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    files = [file.read_text().splitlines() for file in tmp_path.rglob("*.jsonl")]
    assert printed or files
    for lines in [*files, *([printed] if printed else [])]:
        events = [json.loads(line) for line in lines]
        assert {event["event_type"] for event in events} == EVENTS[name]
        assert [event["sys__ets"] for event in events] == sorted(event["sys__ets"] for event in events)


@pytest.mark.parametrize("name", PROGRAMS)
def test_engines_agree_on_it(name):
    """E2: what is compiled and what runs as a generator gives the same; only looks at lists run as such."""
    sim = loaded(name)
    plan = compiled(sim)
    assert [flow.name for flow in plan.flows if flow.live] == LIVE.get(name, [])
    made = {engine: tables(plan, 5, engine) for engine in engines_for(plan)}
    for engine, result in made.items():
        assert not differences(result, made["reference"]), engine


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs_with_the_first_ones_meaning_of_n_flows(name):
    """``starts_per_step`` starts so many flows in each second, which is more than a ceiling lets through."""
    sim = loaded(name)
    sim.change(duration="20s", starts_per_step=2)
    sessions = sim.collect().sessions
    assert sessions.height <= 40
    sim.change(n_flows=1)
    assert sim.collect().sessions.height <= sessions.height


# ------------------------------------------------ what comes out


def _quick_start(data: Dataset) -> None:
    scanned = data["TicketScanned"]
    assert set(scanned["gate"]) == {"north", "south", "garden"}
    assert set(data.entities["Visitor"]["last_gate"]) == {None}
    assert data.entities["Visitor"].height == scanned.height


def _shop(data: Dataset) -> None:
    prices = dict(data["PlantOffered"].select("plant_id", "price").iter_rows())
    assert all(
        prices[plant] == price for plant, price in data["PlantSeen"].select("plant_id", "price").iter_rows()
    )
    postage = data["PayingStarted"]["postage"]
    assert 0 < postage.min() <= postage.max() <= 9.9
    assert set(data["PayingStarted"]["voucher"]) == {None, "SPRING", "FRIEND"}
    assert set(data["PageFailed"]["member_id"]) == {None}
    spent = data.entities["Member"]["spent"].sum()
    assert spent == pytest.approx(data["Paid"]["total"].sum())
    assert set(data.entities["Payment"]["state"]) == {"open", "paid"}
    assert all(visit.startswith("visit_") for visit in data["PlantSeen"]["visit_id"])


def _trading(data: Dataset) -> None:
    assert data.manifest["settings"]["duration_us"] == 3_600_000_000
    assert data.manifest["settings"]["n_flows"] == 10
    traders = data.entities["Trader"]
    assert traders["offers"].sum() == data["OfferMade"].height - data["DealClosed"].height
    first = dict(data["TraderAdmitted"].select("trader_id", "credit").iter_rows())
    deals = dict(data["DealClosed"]["trader_id"].value_counts().iter_rows())
    for trader, credit in traders.select("trader_id", "credit").iter_rows():
        assert credit == pytest.approx(first[trader] - 1195.0 * deals.get(trader, 0))


def _addresses(data: Dataset) -> None:
    assert (data.entities["Person"]["moves"] <= 2).all()
    cities = dict(data["PersonKnown"].select("person_id", "city").iter_rows())
    for person, city in data["PersonMoved"].select("person_id", "from_city").iter_rows():
        assert cities[person] == city


def _lending(data: Dataset) -> None:
    bought = data["BookBought"]["copies"].sum()
    assert data.entities["Book"]["copies"].sum() == bought - data["BookLent"].height
    assert data.entities["Reader"]["loans"].sum() == data["BookLent"].height
    assert data.entities["Reader"].height == 6


def _guide(data: Dataset) -> None:
    rooms = data.entities["Room"]
    assert set(rooms["name"]) == set(rooms["price"]) == {None}
    assert rooms["free_hours"].sum() == 5 * 90 - data["RoomBooked"]["hours"].sum()
    assert data.entities["Member"]["paid"].sum() == pytest.approx(24.5 * data["BookingPaid"].height)
    assert data["BookingPaid"]["booking"].is_in(data["RoomBooked"]["booking"].to_list()).all()


CHECKS: dict[str, Callable[[Dataset], None]] = {
    "quick_start": _quick_start, "shop": _shop, "trading": _trading,
    "addresses": _addresses, "lending": _lending, "guide": _guide,
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_it_makes_fits_together(name, tmp_path):
    """State adds up to the events that changed it, and events carry what state says."""
    sim = loaded(name)
    sim.outputs.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sim.run(tmp_path / "out", progress=False)
    CHECKS[name](Dataset.open(tmp_path / "out"))
