"""`preview` shows what flows make and some initial events; first traces are short, so the first event comes at once."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from deep_faker import AddDecay, BaseEvent, Entity, Field, FileOutput, NewEvent, Select, Sequence, Simulation
from deep_faker.run.pacing import Pace, TraceSizes
from tests.support.engines import every_engine


class Opened(BaseEvent):
    shop_id: str = Field(faker="shortuuid", length=8)
    number: int = Field(dist=Sequence(1))


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    number: int = Field(dist=Sequence(1))


class Shop(Entity):
    source_event = Opened
    primary_key = "shop_id"


class User(Entity):
    source_event = Joined
    primary_key = "user_id"


class Visited(BaseEvent):
    user_id: str


def world(n_flows: int = 3, *, visits: bool = True, duration: str = "1h") -> Simulation:
    sim = Simulation(
        duration,
        start_time="2024-01-01",
        n_flows=n_flows,
        random_seed=4,
        initial_entities={User: 300, Shop: 2},
    )

    @sim.flow(filter=Select(User))
    def visit(ctx):
        if visits:
            yield NewEvent(ctx, Visited)
        yield AddDecay(ctx, seconds=5)

    @sim.flow()
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)
        yield AddDecay(ctx, seconds=5)

    return sim


def kinds(lines: list[str]) -> Counter[str]:
    return Counter(json.loads(line)["event_type"] for line in lines)


@pytest.mark.parametrize("n", [1, 2, 7, 20, 1_500])
@pytest.mark.parametrize("n_flows", [3, 400])
def test_every_previewed_line_is_one_of_the_run_in_its_order(tmp_path, n, n_flows):
    """With and without initial events, what is shown is a part of the stream, byte for byte, in order."""
    sim = world(n_flows)
    sim.add_output(FileOutput(tmp_path / "events.jsonl"))
    sim.run()
    written = {line: at for at, line in enumerate((tmp_path / "events.jsonl").read_text().splitlines())}
    for initial in (True, False):
        lines = sim.preview(n, initial=initial)
        places = [written[line] for line in lines]
        assert len(lines) == n
        assert places == sorted(places)
        assert sum(place < 302 for place in places) == (min(n // 2, 302) if initial else 0)
        made = [place for place in places if place >= 302]
        assert made == list(range(302, 302 + len(made)))  # of what flows make none is left out


def test_initial_events_are_shared_out_evenly():
    """Each entity type shows its first ones; what a small type cannot fill, the others do."""
    lines = world().preview(20)
    initial = [json.loads(line) for line in lines if json.loads(line)["sys__ets"] == 1704067200000]
    assert Counter(line["event_type"] for line in initial) == {"Joined": 8, "Opened": 2}
    assert [line["number"] for line in initial] == [*range(1, 9), 1, 2]


def test_initial_events_fill_up_where_flows_make_few():
    """A world that ends early shows what it has, first of all what its flows made."""
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=4, initial_entities={User: 30})

    @sim.flow(filter=Select(User))
    def visit(ctx):
        yield NewEvent(ctx, Visited)

    assert kinds(sim.preview(20)) == {"Joined": 19, "Visited": 1}
    assert kinds(sim.preview(99)) == {"Joined": 30, "Visited": 1}
    assert kinds(sim.preview(20, initial=False)) == {"Visited": 1}


class Recording:
    """Keeps how many events came in each batch, and what the flows had made by then."""

    def __init__(self, started: list[int]) -> None:
        self.started, self.seen = started, []

    def write_batch(self, _event_type, frame):
        self.seen.append((frame.height, len(self.started)))


@every_engine
@pytest.mark.parametrize("pace", [{}, {"speed": 1e6}, {"rate": 1e6}], ids=["free", "speed", "rate"])
def test_the_first_events_do_not_wait_for_many_others(engine, pace):
    """The first batch is of one step or a few hundred events, whatever the run is; later ones grow."""
    sim = Simulation("20m", start_time="2024-01-01", n_flows=5, random_seed=4)
    output = Recording([])
    sim.add_output(output)

    @sim.flow()
    def join(ctx):
        yield NewEvent(ctx, Joined)

    sim.run(engine=engine, **pace)
    sizes = [rows for rows, _ in output.seen]
    assert sum(sizes) == 6_000
    assert sizes[0] <= (5 if pace else 300)
    assert max(sizes) > 4 * sizes[0]


def test_paced_traces_last_about_a_second():
    """They grow while they leave in less than a quarter of a second, and shrink where one takes more than one."""
    by_rate = TraceSizes(Pace(rate=1_000.0))
    sizes = [by_rate.rows] + [by_rate.after(by_rate.rows, 0) for _ in range(20)]
    assert sizes[:4] == [1, 2, 4, 8]
    assert sizes[-1] == 256  # 0.256 seconds
    assert by_rate.after(5_000, 0) == 128

    by_speed = TraceSizes(Pace(speed=60.0))
    until, sizes = 0, []
    for _ in range(20):  # an event each simulated second
        until += by_speed.rows * 1_000_000
        sizes.append(by_speed.after(by_speed.rows, until))
    assert sizes[-1] / 60 >= 0.25
    assert sizes[-1] / 60 <= 1.0


def test_a_checkpoint_every_few_events_bounds_the_traces():
    """``most`` is never passed, else a checkpoint would be late."""
    sizes = TraceSizes(None, most=100)
    assert [sizes.rows, sizes.after(100, 1), sizes.after(100, 2)] == [100, 100, 100]
