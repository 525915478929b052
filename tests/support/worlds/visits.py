"""A simulation of visits, files of a folder, and cuts of a proxy: for the tests of object stores."""

from pathlib import Path

from deep_faker import BaseEvent, Field, NewEvent, Simulation


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def cut_at(proxy, number, after=0):
    """Cut every upload of data from the ``number``-th on."""
    puts = []

    def allow(line):
        if line.startswith("PUT"):
            puts.append(line)
        return len(puts) < number

    proxy.allow, proxy.after = allow, after


class Visit(BaseEvent):
    page: int = Field(faker="random_int", min=1, max=9)
    name: str = Field(faker="name")


def simulation():
    sim = Simulation(duration="20m", start_time="2024-01-01", n_flows=20, random_seed=3)

    @sim.flow()
    def visit(ctx):
        yield NewEvent(ctx, Visit)

    return sim
