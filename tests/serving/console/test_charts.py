import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from serving.console.charts import histogram, share, sparkline
from serving.metrics import BOUNDS


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=120), st.booleans())
def test_a_sparkline_stays_inside_its_box_whatever_the_values(values: list[float], warn: bool) -> None:
    svg = ElementTree.fromstring(str(sparkline(values, warn)))
    path = svg.find("path")

    assert path is not None
    points = [tuple(map(float, point.split(","))) for point in path.attrib["d"][1:].split()]
    assert len(points) == len(values)
    assert all(0 <= x <= 100 and 2 <= y <= 19 for x, y in points)


def test_zero_lies_at_the_bottom_and_the_largest_value_at_the_top() -> None:
    assert re.findall(r'd="([^"]+)"', str(sparkline([0, 10])))[0] == "M0,19.0 100,2.0"
    assert re.findall(r'd="([^"]+)"', str(sparkline([0, 1], top=2.0)))[0] == "M0,19.0 100,10.5"


def test_fewer_than_two_values_draw_nothing_rather_than_a_line() -> None:
    assert sparkline([]) == ""
    assert sparkline([3.0]) == ""


def test_charts_use_no_style_attribute_which_the_content_policy_forbids() -> None:
    assert "style" not in sparkline([1, 2]) + share(0.5)


def test_a_share_is_drawn_within_its_cell() -> None:
    widths = [ElementTree.fromstring(str(share(part))).find("rect") for part in (-1, 0.335, 7)]

    assert [rect.attrib["width"] for rect in widths if rect is not None] == ["0.0", "33.5", "100.0"]


@given(
    st.lists(st.integers(0, 10**6), min_size=24, max_size=24).filter(any),
    st.floats(1e-4, 10),
    st.dictionaries(st.sampled_from(["p50", "p99"]), st.floats(1e-5, 10)),
)
def test_a_histogram_stays_inside_its_box_and_shows_every_bucket(
    buckets: list[int], limit: float, marks: dict[str, float]
) -> None:
    svg = ElementTree.fromstring(f"<div>{histogram(BOUNDS, buckets, marks, limit)}</div>")
    bars = [{name: float(rect.attrib[name]) for name in ("x", "y", "width", "height")} for rect in svg.iter("rect")]
    assert len(bars) == sum(count > 0 for count in buckets)
    assert all(bar["x"] >= 0 and bar["x"] + bar["width"] <= 100.21 and bar["y"] >= -0.01 for bar in bars)
    assert all(0 <= float(line.attrib["x1"]) <= 100 for line in svg.iter("line"))
    assert sum(bar["height"] for bar in bars) >= 100  # the axis ends at most where all are in one


def test_a_histogram_of_nothing_is_not_drawn() -> None:
    assert histogram(BOUNDS, [0] * 24, {}, 0.05) == ""
