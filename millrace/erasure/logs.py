"""The logs that hold one person's events: Kafka removes whole segments by time, and single events never."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from millrace.erasure.person import OURS, Person
from millrace.erasure.report import Place, Report
from streams import Topics
from streams.dead_letters.dead_letters import dead_letter_topic


class Logs:
    """All that a platform has. Its calls block; what is in the way of one is noted in the report."""

    def __init__(self, topics: Topics, person: Person, report: Report) -> None:
        self._topics, self._person, self._report = topics, person, report

    def places(self) -> list[Place]:
        """Topics that may have the person's events, and until when they stay there."""
        about, places = self._person.about, list[Place]()
        with self._report.noting("Kafka"):
            letters = {dead_letter_topic(topic) for topic in about}
            wanted = sorted(set(self._topics.names()) & {*about, *letters, *OURS})
            places += [Place("topic", topic, remains=self._kept(topic)) for topic in wanted]
            silent = sorted(set(self._topics.names()) & {*self._person.types} - {*about, *letters, *OURS})
            if silent:
                self._report.unjudged.append(
                    f"The events of {', '.join(silent)} do not say whom they are about; Kafka keeps them as their "
                    "topics say, and nobody has looked at them."
                )
        return places

    def ends(self, folded: Collection[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """Where the logs of these topics, and of those that say whom they are about, begin and end now."""
        there = set(self._topics.names())
        return dict(self._topics.ends(sorted(there & {*self._person.about, *folded})))

    def _kept(self, topic: str) -> str:
        found = self._topics.config(topic)
        if "compact" in found.get("cleanup.policy", ""):
            return "compacted: the newest event of each key stays; a message of that key without a value removes it"
        milliseconds = int(found.get("retention.ms", -1))
        if milliseconds < 0:
            return (
                "kept without limit (retention.ms=-1): set one, or remove all events up to an offset with Kafka's "
                "kafka-delete-records"
            )
        until = datetime.now(UTC) + timedelta(milliseconds=milliseconds)
        return f"the log keeps what is there now until {until:%Y-%m-%d %H:%M} UTC, a segment longer at most"
