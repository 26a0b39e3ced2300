import pytest

from serving.console import wording
from serving.measurements import Behind

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "—"), (0.0, "0/s"), (0.04, "0.04/s"), (3.21, "3.2/s"), (38.4, "38/s"), (1240.2, "1,240/s")],
)
def test_a_rate_has_its_unit_and_as_many_digits_as_it_carries(value: float | None, expected: str) -> None:
    assert wording.rate(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "—"),
        (0.0, "0 s"),
        (0.01, "< 0.1 s"),
        (0.34, "0.3 s"),
        (42.4, "42 s"),
        (600, "10 min"),
        (9000, "2 h"),
        (400_000, "5 days"),
    ],
)
def test_a_span_is_never_shown_as_zero_unless_it_is(value: float | None, expected: str) -> None:
    assert wording.seconds(value).replace("\N{NO-BREAK SPACE}", " ") == expected


def test_units_stand_behind_a_no_break_space() -> None:
    texts = [
        wording.seconds(3),
        wording.milliseconds(0.0031),
        wording.percent(0.124),
        wording.plural(4, "unit"),
        wording.short_count(153_119),
    ]

    assert [text.count("\N{NO-BREAK SPACE}") for text in texts] == [1, 1, 1, 1, 1]
    assert not any(" " in text for text in texts)


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "—"), (0.00042, "0.4 ms"), (0.0096, "10 ms"), (0.171, "171 ms"), (1.25, "1.2 s")]
)
def test_a_latency_is_in_milliseconds_until_it_is_a_second(value: float | None, expected: str) -> None:
    assert wording.milliseconds(value).replace("\N{NO-BREAK SPACE}", " ") == expected


@pytest.mark.parametrize(("value", "expected"), [(None, "—"), (0, "0 %"), (0.0003, "0.03 %"), (0.1236, "12.4 %")])
def test_a_share_is_a_percentage(value: float | None, expected: str) -> None:
    assert wording.percent(value).replace("\N{NO-BREAK SPACE}", " ") == expected


def test_nothing_yet_is_never_and_not_a_dash() -> None:
    assert wording.clock(None) == "never"
    assert wording.ago(None, NOW) == "never"
    assert wording.ago(NOW - 3, NOW) == "3.0\N{NO-BREAK SPACE}s ago"


def test_a_time_of_another_day_carries_its_date() -> None:
    assert wording.clock(86_400 * 365).count(":") == 1
    assert "1970" in wording.clock(86_400 * 200)


def test_a_lower_limit_says_so() -> None:
    assert wording.behind(Behind(3, 42.0, exact=False)).startswith(">")
    assert wording.behind(Behind(3, 42.0)) == "42\N{NO-BREAK SPACE}s"
    assert wording.behind(None) == "—"


def test_one_of_a_thing_is_singular() -> None:
    assert wording.plural(1, "unit") == "1\N{NO-BREAK SPACE}unit"
    assert wording.plural(0, "unit") == "0\N{NO-BREAK SPACE}units"
    assert wording.plural(2, "more unit is", "more units are").endswith("more units are")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.021, "+2.1 %"),
        (-0.004, "−0.4 %"),
        (0.2, "+20.0 %"),
        (0.0, "0 %"),
        (-0.00001, "0.00 %"),
        (0.0004, "+0.04 %"),
        (12.5, "+1,250 %"),
        (None, "—"),
    ],
)
def test_a_lift_has_its_sign(share: float | None, words: str) -> None:
    assert wording.signed_percent(share).replace("\N{NO-BREAK SPACE}", " ") == words
