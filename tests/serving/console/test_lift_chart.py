import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from serving.console.lift_chart import FAR, Line, lift_bars, lift_chart
from serving.measurements import Lift, LiftPoint, Range

lifts = st.floats(-1, 1e6)
bounds = st.none() | st.tuples(st.floats(0, 10), st.floats(0, 10))


@given(st.lists(st.tuples(lifts, bounds), min_size=2, max_size=40), st.integers(0, 2))
def test_a_chart_is_drawn_whatever_the_lifts_and_shows_the_newest_range(
    seen: list[tuple[float, tuple[float, float] | None]], others: int
) -> None:
    points = [
        LiftPoint(float(at), lift, bound and lift - bound[0], bound and lift + bound[1])
        for at, (lift, bound) in enumerate(seen)
    ]

    chart = lift_chart([Line(f"v{number}", 2, points) for number in range(others + 1)])

    assert chart is not None
    shapes = ElementTree.fromstring(f"<svg>{chart.picture}</svg>")
    assert sum(shape.attrib["class"].startswith("line") for shape in shapes) == others + 1
    numbers = [float(found) for found in re.findall(r"-?[\d.]+", " ".join(s.attrib.get("d", "") for s in shapes))]
    assert all(100 * (1 - FAR) <= number <= 100 * FAR for number in numbers)
    assert "style" not in chart.picture
    assert 1 <= len(chart.heights) <= 14
    assert chart.finding.startswith("v0: ")


def test_the_first_variant_has_a_band_and_the_others_edges() -> None:
    points = [LiftPoint(0.0, 0.1, -0.1, 0.3), LiftPoint(1.0, 0.1, 0.05, 0.15)]

    chart = lift_chart([Line("personal", 2, points), Line("newest", 3, points)])

    assert chart is not None
    assert re.findall('class="(band|edge) (s[23])"', chart.picture) == [("edge", "s3"), ("edge", "s3"), ("band", "s2")]
    assert "personal: +10.0 %, between +5.0 % and +15.0 %" in chart.finding.replace("\N{NO-BREAK SPACE}", " ")
    assert "0 %" in [words.replace("\N{NO-BREAK SPACE}", " ") for _, words in chart.heights]


def test_one_look_is_no_course() -> None:
    assert lift_chart([Line("personal", 2, [LiftPoint(0.0, 0.1, None, None)])]) is None


def test_bars_share_one_scale_and_a_variant_without_a_range_has_none() -> None:
    known = Lift(Range(0.01, 0.0, 0.02), Range(0.1, 0.0, 0.2))

    bars = lift_bars([known, None, Lift(Range(0.01, None, None), Range(0.1, None, None))])

    assert bars.pictures[1:] == [None, None]
    assert 'x="4.0" y="7" width="92.0"' in str(bars.pictures[0])
    assert (bars.low, bars.high.replace("\N{NO-BREAK SPACE}", " ")) == ("0\N{NO-BREAK SPACE}%", "+20.0 %")
