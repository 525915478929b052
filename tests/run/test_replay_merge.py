"""Merges of sorted lanes: the order of one sort, rows held that do not grow with the lanes, files where needed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from deep_faker.run.replay import merge, spill
from deep_faker.run.replay.merge import Lane, merged
from deep_faker.run.replay.spill import Opener, merged_by_files

NAMES = ("a", "b", "none")


def lanes(rng, count, rows):
    """Sorted rows of ``count`` lanes: times with many ties, places that are all different."""
    made = []
    place = iter(rng.permutation(10_000_000)[: count * rows].tolist())
    for lane in range(count):
        n = int(rng.integers(0, rows))
        keys = sorted((int(time), next(place)) for time in rng.integers(0, 40, n))
        table = pa.table({
            "sys__time": pa.array([time for time, _ in keys], pa.timestamp("us")),
            "sys__order": pa.array([place for _, place in keys], pa.int64()),
            "text": [f"{lane}-{place}" for _, place in keys],
        })  # fmt: skip
        made.append((NAMES[int(rng.integers(2))], table))
    return made


def cut(rng, table):
    """The table in pieces of any size, some empty."""
    places = sorted(rng.integers(0, table.num_rows + 1, 5).tolist())
    for first, last in zip([0, *places], [*places, table.num_rows]):
        yield table.slice(first, last - first)


def flat(stretches):
    """All events in order: type, time, place, text."""
    out = []
    for stretch in stretches:
        rows = {name: iter(table.to_pylist()) for name, table in stretch.tables.items()}
        out += [
            (stretch.names[code], *next(rows[stretch.names[code]]).values())
            for code in stretch.order.tolist()
        ]
        assert all(next(left, None) is None for left in rows.values())
    return out


def wanted(made):
    rows = [(name, *row.values()) for name, table in made for row in table.to_pylist()]
    return sorted(rows, key=lambda row: row[1:3])


@pytest.mark.parametrize("seed", range(12))
def test_a_merge_is_one_sort(seed, monkeypatch):
    """Whatever the lanes are cut into, also of one row, of none, and of many rows of one instant."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(merge, "HELD_ROWS", int(rng.integers(1, 200)))
    monkeypatch.setattr(merge, "_LEAST", 1)
    made = lanes(rng, int(rng.integers(0, 9)), 60)
    stretches = list(merged([Lane(name, cut(rng, table)) for name, table in made], NAMES))
    assert flat(stretches) == wanted(made)
    if sum(table.num_rows for _, table in made) > 300:
        assert len(stretches) > 1


@pytest.mark.parametrize("seed", range(6))
def test_by_way_of_files_it_is_the_same(seed, tmp_path, monkeypatch):
    """With a budget for two lanes only; the files go."""
    monkeypatch.setattr(spill, "_ROWS", 7)
    monkeypatch.setattr(spill, "_SPILLED", 1)
    rng = np.random.default_rng(seed)
    made, asked, folders = lanes(rng, 11, 40), {}, []

    def folder():
        folders.append(len(list(tmp_path.iterdir())))
        return tmp_path

    for name, table in made:
        asked.setdefault(name, []).append(Opener(lambda rows, table=table: cut(rng, table), 10))
    assert flat(merged_by_files(asked, NAMES, folder, budget=20)) == wanted(made)
    assert max(folders) > 2
    assert list(tmp_path.iterdir()) == []
    plenty = dict(asked)
    assert flat(merged_by_files(plenty, NAMES, lambda: tmp_path / "none", budget=1 << 20)) == wanted(made)


def test_what_is_held_does_not_grow(monkeypatch):
    """Twenty times the rows, ten times the lanes: no more rows are held, and lanes are asked when it is
    their turn."""

    def most(count, rows):
        monkeypatch.setattr(merge, "HELD_ROWS", 8192)
        monkeypatch.setattr(merge, "_LEAST", 16)
        given, held = [0], [0]

        def pieces(lane):
            for first in range(0, rows, 16):
                given[0] += 16
                held[0] = max(held[0], given[0])
                time = np.arange(first, first + 16)
                yield pa.table({"sys__time": pa.array(time, pa.timestamp("us")),
                                "sys__order": time * count + lane})  # fmt: skip

        for stretch in merged([Lane("a", pieces(lane)) for lane in range(count)], NAMES):
            given[0] -= len(stretch.order)
        assert given[0] == 0
        return held[0]

    assert most(4, 20_000) < 2 * 8192
    assert most(40, 2_000) < 2 * 8192
    assert most(4, 1008) == 4032  # the control: all of them, where they fit
