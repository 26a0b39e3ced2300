"""Where the nodes of the Flow page stand and how its edges run: four columns on a grid of rows. No I/O, no markup.

A storage's row is also its learner's, and a learner's its topic's, so that most edges are straight. Storages
that no learner writes and no endpoint type reads are left out; past LIMIT rows, so are those that are in step, with
their learners. A line says how many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from serving.measurements import Flow, StorageFigures

LIMIT = 12
ROW = 62
"""Height of a row in pixels, as in console.css."""

Node = tuple[str, str]
"""Column and name."""

Rows = Mapping[str, int]

EXPERIMENTS = "experiments"
"""The node in the last column that stands for the Experiments page."""

_SPANS = {"topics": (0, 100), "learners": (160, 260), "storages": (320, 450), "endpoints": (510, 610)}


@dataclass(frozen=True, slots=True)
class Edge:
    """A line between two nodes, as the path of an SVG that is 610 wide and ROW times the rows high."""

    start: Node
    end: Node
    path: str


@dataclass(frozen=True, slots=True)
class Layout:
    """`columns` maps topics, learners, storages and endpoints to what stands in each row (None = empty). Not drawn are
    `folded` storages for want of room, and `idle` ones that nobody writes or reads."""

    rows: int
    columns: Mapping[str, Sequence[str | None]]
    edges: Sequence[Edge]
    folded: int = 0
    idle: int = 0

    @property
    def height(self) -> int:
        """Height of the drawing in pixels."""
        return self.rows * ROW

    def connected(self, node: Node) -> set[Node]:
        """The node, everything upstream of it and everything downstream."""
        return self._walk(node, forward=True) | self._walk(node, forward=False)

    def _walk(self, node: Node, forward: bool) -> set[Node]:
        found, waiting = {node}, [node]
        while waiting:
            here = waiting.pop()
            ways = [(edge.start, edge.end) if forward else (edge.end, edge.start) for edge in self.edges]
            for far in [far for near, far in ways if near == here and far not in found]:
                found.add(far)
                waiting.append(far)
        return found


def layout(flow: Flow, limit: int = LIMIT) -> Layout:
    """Place everything that a flow holds."""
    live = [item for item in flow.storages if item.live]
    storages = _kept(flow, live, limit)
    reads = {item.name: sorted(item.facts.reads) for item in flow.endpoints}
    counts = [item.title for item in storages if item.counts_experiments]
    if counts:
        reads.setdefault(EXPERIMENTS, counts)
    topic_of = {learner.title: learner.topic for learner in flow.learners}
    writer_of = {item.title: item.descriptor.writer for item in storages}
    placed: dict[str, Rows] = {"storages": {item.title: row for row, item in enumerate(storages)}}
    learners = {writer: None for writer in writer_of.values() if writer in topic_of}
    placed["learners"] = _spread({name: _first(name, writer_of, placed["storages"]) for name in learners})
    mine = {name: topic_of[name] for name in learners}
    placed["topics"] = _spread({topic.name: _first(topic.name, mine, placed["learners"]) for topic in flow.topics})
    placed["endpoints"] = _spread({name: _middle(titles, placed["storages"]) for name, titles in reads.items()})
    links = [
        *((("topics", topic), ("learners", learner)) for learner, topic in mine.items()),
        *((("learners", writer), ("storages", title)) for title, writer in writer_of.items()),
        *((("storages", title), ("endpoints", name)) for name, titles in reads.items() for title in titles),
    ]
    rows = 1 + max((row for column in placed.values() for row in column.values()), default=-1)
    return Layout(
        rows=rows,
        columns={name: _column(placed[name], rows) for name in _SPANS},
        edges=list(_edges(links, placed)),
        folded=len(live) - len(storages),
        idle=len(flow.storages) - len(live),
    )


def _kept(flow: Flow, live: Sequence[StorageFigures], limit: int) -> list[StorageFigures]:
    """The storages to draw, in the order of their learners: past the limit, first those that are unusual,
    then those that are both written and read."""
    kept = sorted(live, key=_rank)[:limit]
    order = {learner.title: index for index, learner in enumerate(flow.learners)}
    return sorted(kept, key=lambda item: (order.get(item.descriptor.writer, len(order)), item.descriptor.name))


def _rank(storage: StorageFigures) -> tuple[bool, bool, bool]:
    return not storage.condition.unusual, not (storage.descriptor.topic and storage.readings), not storage.readings


def _first(name: str, parent_of: Mapping[str, str], rows: Rows) -> float | None:
    return min((row for child, row in rows.items() if parent_of.get(child) == name), default=None)


def _middle(titles: Sequence[str], rows: Rows) -> float | None:
    """The median row, so that at least one edge is straight."""
    found = sorted(rows[title] for title in titles if title in rows)
    return found[len(found) // 2] if found else None


def _spread(wanted: Mapping[str, float | None]) -> Rows:
    """One row each, near the wanted one and in that order; those that want none come last."""
    rows: dict[str, int] = {}
    following = 0
    for name, row in sorted(wanted.items(), key=lambda item: (item[1] is None, item[1] or 0.0)):
        rows[name] = following if row is None else max(following, int(row))
        following = rows[name] + 1
    return rows


def _column(rows: Rows, count: int) -> list[str | None]:
    names = {row: name for name, row in rows.items()}
    return [names.get(row) for row in range(count)]


def _edges(links: Sequence[tuple[Node, Node]], placed: Mapping[str, Rows]) -> Iterator[Edge]:
    for start, end in links:
        if start[1] in placed[start[0]] and end[1] in placed[end[0]]:
            yield Edge(start, end, _path(start, end, placed))


def _path(start: Node, end: Node, placed: Mapping[str, Rows]) -> str:
    """Straight where both stand in one row; otherwise a bend, near the end for reads and near the start before."""
    left, right = _SPANS[start[0]][1], _SPANS[end[0]][0]
    top, bottom = (placed[node[0]][node[1]] * ROW + ROW // 2 for node in (start, end))
    if top == bottom:
        return f"M{left} {top}H{right}"
    if end[0] == "endpoints":
        return f"M{left} {top}H{right - 20}C{right - 5} {top} {right - 13} {bottom} {right} {bottom}"
    return f"M{left} {top}C{left + 13} {top} {left + 5} {bottom} {left + 20} {bottom}H{right}"
