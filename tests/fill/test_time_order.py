"""Events told apart by type: the kernel's loop gives what numpy gives without it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep_faker import loops
from deep_faker.draws.mix import Draws
from deep_faker.fill.time_order import arranged
from deep_faker.plan import SiteRows, Trace
from deep_faker.simulate.native.kernel.column_loops import in_types

SITES = [SimpleNamespace(event=name) for name in ("B", "A", "B", "C", "A")]


def trace_of(sites):
    """Events of these sites, one a microsecond."""
    sites = np.array(sites, np.int64)
    clock = np.arange(len(sites))
    rows = [
        SiteRows(
            int(site),
            clock[sites == site].astype(np.uint64),
            clock[sites == site],
            clock[sites == site],
            {},
            {},
            {},
        )
        for site in np.unique(sites)
    ]
    return Trace(len(sites), rows, [], [], [], sites)


def told(events):
    """All that an arrangement says."""
    return (
        events.names,
        events.order.tolist(),
        events.order.dtype,
        {name: part.sorted(part.clock).tolist() for name, part in events.parts.items()},
        {name: part.places.tolist() for name, part in events.parts.items()},
    )


@pytest.mark.parametrize("untold", [(), ("A",)])
@given(sites=st.lists(st.integers(0, 4), min_size=1, max_size=40), narrow=st.booleans())
def test_the_loop_arranges_as_numpy_does(sites, narrow, untold):
    """Rows, order and places of each type, also where some types have no place, or are not asked for."""
    names = ("A", "B") if narrow else ("A", "B", "C")
    found = []
    for loaded in ({}, {"in_types": in_types}):
        loops._loaded.clear()
        loops.use(loaded)
        events = arranged(trace_of(sites), SITES, names)
        if events.parts:
            events.place(100, Draws(7), untold)
        found.append(told(events))
    assert found[0] == found[1]
    for name, clocks in found[1][3].items():
        assert clocks == [i for i, site in enumerate(sites) if SITES[site].event == name]


@pytest.fixture(autouse=True)
def own_loops(monkeypatch):
    """Loops of this test alone."""
    monkeypatch.setattr(loops, "_loaded", {})
