"""What objects show in a notebook: well-formed HTML that needs no network, pictures whose arcs do not cross rows."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, Simulation, StateField
from deep_faker.loader import load_simulation
from deep_faker.show.flow_picture import _meet, _packed, flow_picture
from deep_faker.show.notebook import _class_html
from tests.support.places import ROOT


class Joined(BaseEvent):
    """A member."""

    member: str = Field(faker="shortuuid", length=8)
    note: str = Field(faker="random_element", elements=["<b>bold & brave</b>"])


class Member(Entity):
    """With state."""

    source_event = Joined
    primary_key = "member"

    visits: int = StateField(default=0, type_=int)


class Visited(BaseEvent):
    """Of a member."""

    member: str
    pages: int = Field(faker="random_int", min=1, max=9)


def world(**settings: object) -> Simulation:
    """A loop, a branch, decay."""
    sim = Simulation(
        **{"duration": "1h", "start_time": "2024-01-01", "random_seed": 3, "initial_entities": {Member: 5}}
        | settings
    )

    @sim.flow(filter=Select(Member))
    def visit(ctx):
        for _ in range(3):
            yield NewEvent(ctx, Visited)
            yield AddDecay(ctx, rate=0.2, seconds=60)
            if random.random() < 0.5:
                return

    return sim


def well_formed(html: str) -> ET.Element:
    """The page as XML, which is stricter than a browser; nothing in it asks the network for anything."""
    without = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert not re.search(r"<script|<link|<img|url\(|@import", html)
    assert set(re.findall(r"https?://[^\"' ]+", html)) <= {"http://www.w3.org/2000/svg"}
    return ET.fromstring(without.replace("<details open>", '<details open="">'))


def test_everything_shows_itself(tmp_path: Path):
    """Each object's page is well-formed, has the names that it is of, and escapes what users wrote."""
    sim = world()
    report = sim.run(tmp_path / "out")
    shown = {
        "sim": sim._repr_html_(),
        "explain": sim.explain()._repr_html_(),
        "preview": sim.preview(4)._repr_html_(),
        "dataset": sim.collect()._repr_html_(),
        "report": report._repr_html_(),
        "event": _class_html(Joined),
        "entity": _class_html(Member),
    }
    for name, html in shown.items():
        assert html is not None
        text = "".join(well_formed(html).itertext())
        assert "member" in text.lower(), name
        assert "<b>bold" not in html, name
    assert _class_html(int) is None
    assert _class_html(BaseEvent) is None
    assert shown["dataset"].count("<svg") == len(sim.collect())


def test_an_explanation_is_its_text():
    """A str as before, with the diagrams of the flows beside it."""
    said = world().explain()
    assert said.splitlines()[-1] == "row by row: 0"
    assert said.mermaid.keys() == {"visit"}
    assert said.mermaid["visit"] in re.sub("(?m)^  ", "", said)


def test_what_does_not_compile_says_so():
    """In a notebook one looks at a simulation before it is whole."""
    text = "".join(well_formed(Simulation("1m")._repr_html_()).itertext())
    assert "no flows" in text
    assert "add one with @sim.flow()" in text


def test_a_preview_is_a_frame():
    """Common columns first, nulls where a type has no such field."""
    lines = world().preview(6)
    frame = lines.frame()
    assert frame.columns[:4] == ["sys__eid", "sys__ets", "sys__sid", "event_type"]
    assert frame.height == len(lines) == 6
    assert frame.filter(frame["event_type"] == "Joined")["pages"].null_count() == 3


@pytest.mark.parametrize("example", ["ecommerce", "trading"])
def test_pictures_of_the_examples(example: str):
    """Each state that does something is drawn once, within the picture; a loop has an arc that goes back."""
    plan = load_simulation(str(ROOT / "examples" / f"{example}.py")).compile()
    for flow in plan.flows:
        picture = ET.fromstring(flow_picture(plan, flow))
        width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
        boxes = [box for box in picture.iter() if box.tag.endswith("rect")]
        assert 0 < len(boxes) <= 2 * len(flow.states)
        for box in boxes:
            assert float(box.get("x", 0)) + float(box.get("width", 0)) < width
            assert float(box.get("y", 0)) + float(box.get("height", 0)) < height


@given(
    st.sets(
        st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda arc: arc[0] != arc[1]), max_size=25
    )
)
def test_arcs_of_one_lane_do_not_meet(arcs: set[tuple[int, int]]):
    """Two arcs share a lane only where they do not overlap, or end as one."""
    lanes = _packed(arcs)
    assert lanes.keys() == arcs
    for one in arcs:
        for other in arcs:
            assert one == other or lanes[one] != lanes[other] or not _meet(one, other)
