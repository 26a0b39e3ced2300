"""What a person writes names an event, or is told how to."""

from __future__ import annotations

import pytest

from streams.logged import Logged, Told
from streams.wanted import NoEvent, Wanted, wanted

TOPICS = ("clicks", "ratings")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("clicks/3/918,442", Wanted("clicks", (3, 918442))),
        (" clicks:3:917 ", Wanted("clicks", (3, 917))),
        ("u7", Wanted(word="u7")),
        ("clicks", Wanted(word="clicks")),
        ("clicks u7", Wanted("clicks", word="u7")),
        ("u7 item=i42 stars=5", Wanted(word="u7", fields=(("item", "i42"), ("stars", "5")))),
        ("ratings item=a=b", Wanted("ratings", fields=(("item", "a=b"),))),
        ("item=", Wanted(fields=(("item", ""),))),
    ],
)
def test_an_event_is_named_by_position_id_key_or_fields(text: str, meant: Wanted) -> None:
    assert wanted(text, TOPICS) == meant


@pytest.mark.parametrize("text", ["", "u7 u8", "clicks u7 u8"])
def test_what_names_none_is_told_how_to(text: str) -> None:
    with pytest.raises(NoEvent, match="Write its position"):
        wanted(text, TOPICS)


def test_no_event_is_looked_for_by_what_is_kept_secret() -> None:
    with pytest.raises(NoEvent, match="access_token is kept secret"):
        wanted("u7 access_token=x", TOPICS)


def test_a_word_is_the_key_or_the_id_and_fields_are_compared_as_text() -> None:
    event = Told(Logged("clicks", 0, 1, 0, b"u7", b""), {"stars": 5, "good": True, "note": None}, id=42)
    assert Wanted(word="u7").is_it(event)
    assert Wanted(word="42", fields=(("stars", "5"), ("good", "true"), ("note", ""))).is_it(event)
    assert not Wanted(word="7").is_it(event)
    assert not Wanted(word="u7", fields=(("other", ""),)).is_it(event)
