"""CSV texts that spreadsheets would run as formulas: as they are, or with an apostrophe before them."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

from deep_faker import BaseEvent, Choice, Dataset, Field, NewEvent, ParquetOutput, Simulation
from deep_faker.dataset import verify
from deep_faker.errors import SettingsError

CELLS = [
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''=1", "'tis", "'",
    "", "a=b", " =1", "plain", 'q"=', "=1,2",
]  # fmt: skip
RUN = set("=+-@\t\r\n＝＋－＠")


class Cell(BaseEvent):
    text: str = Field(dist=Choice(CELLS))
    note: str | None = Field(dist=Choice([*CELLS, None]))
    number: int = Field(dist=Choice([-1, 1]))


def sim() -> Simulation:
    made = Simulation(duration="20s", start_time="2024-01-01", n_flows=20, random_seed=3)

    @made.flow()
    def fill(ctx):
        yield NewEvent(ctx, Cell)

    return made


SHAPES = [{}, {"compression": "gzip"}, {"partition_by": "hour"}, {"partition_by": "text"}]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("way", ["keep", "quote"])
def test_formulas_are_quoted_on_request_and_read_back_exactly(tmp_path, shape, way):
    """``quote`` leaves no cell that would run; either way `Dataset` gives the very values, and all is whole."""
    one = sim()
    one.add_output(ParquetOutput(tmp_path / "out", "csv", csv_formulas=way, **shape))
    one.run(progress=False)
    assert verify(tmp_path / "out") == []
    wanted = sim().collect()["Cell"].sort("sys__eid")
    assert Dataset.open(tmp_path / "out")["Cell"].sort("sys__eid").equals(wanted)
    assert set(wanted["text"]) == set(CELLS)
    cells = set()
    for path in (tmp_path / "out" / "events").rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            cells |= {row["note"] for row in csv.DictReader(file)}
    if cells:
        assert any(cell[:1] in RUN for cell in cells if cell) == (way == "keep")


def test_numbers_stay_numbers(tmp_path):
    """A negative number is no text and gets no apostrophe."""
    one = sim()
    one.add_output(ParquetOutput(tmp_path / "out", "csv", csv_formulas="quote"))
    one.run(progress=False)
    with (tmp_path / "out/events/Cell/part-00000.csv").open(newline="", encoding="utf-8") as file:
        assert {row["number"] for row in csv.DictReader(file)} == {"-1", "1"}


def test_wrong_settings_are_refused():
    """Another word, and another format than CSV."""
    with pytest.raises(SettingsError, match="did you mean 'quote'"):
        ParquetOutput("x", "csv", csv_formulas="qoute")
    with pytest.raises(SettingsError, match="csv_formulas has no meaning here"):
        ParquetOutput("x", csv_formulas="quote")
    assert repr(ParquetOutput("x", "csv", csv_formulas="quote")).endswith("csv_formulas='quote')")
    assert "csv_formulas" not in repr(ParquetOutput("x", "csv"))


def test_the_command_takes_it(tmp_path):
    """``--csv-formulas quote``."""
    (tmp_path / "prog.py").write_text(
        "from deep_faker import BaseEvent, NewEvent, Simulation\n"
        "class Cell(BaseEvent):\n    text: str = '=1'\n"
        "sim = Simulation(duration='1s', start_time='2024-01-01', n_flows=1, random_seed=1)\n"
        "@sim.flow()\ndef fill(ctx):\n    yield NewEvent(ctx, Cell)\n"
    )
    command = ["run", "prog.py", "--output", "out", "--format", "csv", "--csv-formulas", "quote", "--quiet"]
    subprocess.run([sys.executable, "-m", "deep_faker", *command], cwd=tmp_path, check=True)
    assert "'=1" in (tmp_path / "out/events/Cell/part-00000.csv").read_text()
