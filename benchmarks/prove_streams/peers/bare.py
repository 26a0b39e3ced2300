"""The model of `product/like.py` in a bare loop over events that are decoded already: `bare REGISTRY`."""

from __future__ import annotations

import sys

from benchmarks.prove_streams import plays
from benchmarks.prove_streams.peers.count import Count
from benchmarks.prove_streams.product.events import Play
from benchmarks.prove_streams.product.like import Likes, features, model
from learners.declaration import Declaration
from schemas import Codec, RegistryClient

EVENTS = 100_000
EACH = 1_000


def main() -> None:
    """Learn until the process is ended; at the end of the events it begins again."""
    registry = RegistryClient(sys.argv[1])
    payloads = [value for _, value in plays.messages(registry.register(Play.event_type), EVENTS)]
    decode = Declaration.of(Likes, {plays.TOPIC: Play.event_type}).events
    assert decode is not None
    events = list(decode(Codec(registry).decode_batch(payloads, Play.event_type).frame))
    likes, count = model(), Count()
    while True:
        for start in range(0, EVENTS, EACH):
            for event in events[start : start + EACH]:
                likes.learn_one(features(event), event.liked)
            count.add(EACH)


if __name__ == "__main__":
    main()
