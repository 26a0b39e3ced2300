"""Walks over an Avro body without building its value, so that hostile bytes end as an error in bounded time and memory.

fastavro, which decodes afterwards, trusts what it reads: negative enum and union indexes pick from the end, a few bytes
announce millions of items without size, and deep recursion ends the process.
"""

from __future__ import annotations

from collections.abc import Callable

from schemas.avro import Node
from schemas.errors import MalformedEvent

DEEPEST = 200
"""Records, arrays, maps and unions inside one another."""
SPARE_ITEMS = 1_000
"""Items of arrays and maps that a body may hold beyond one for each of its bytes (items may have no size)."""


VALUES_PER_BYTE, SPARE_VALUES = 3, 10_000
"""Values that a body may hold: those without bytes of their own, such as records in records, cost memory too."""


def skim(body: bytes, schema: Node) -> None:
    """Check that `body` is exactly one value of this schema, within the limits.

    Raises:
        MalformedEvent: it is not; the message says at which byte.
    """
    walk = _Walk(body)
    walk.value(schema, 0)
    if walk.at != len(body):
        raise MalformedEvent(f"{len(body) - walk.at} bytes are left after the value, which ends at byte {walk.at}.")


class _Walk:
    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0
        self.items = 0
        self.room = VALUES_PER_BYTE * len(body) + SPARE_VALUES

    def value(self, node: Node, depth: int) -> None:
        self.room -= 1
        if self.room < 0:
            raise MalformedEvent(f"It holds more than {VALUES_PER_BYTE} values for each of its {len(self.body)} bytes.")
        if depth > DEEPEST:
            raise MalformedEvent(f"The value is nested more than {DEEPEST} deep at byte {self.at}.")
        _STEPS[node.kind](self, node, depth)

    def record(self, node: Node, depth: int) -> None:
        for field in node.fields:
            self.value(field.type, depth + 1)

    def union(self, node: Node, depth: int) -> None:
        self.value(node.branches[self.index(len(node.branches), "branches")], depth + 1)

    def blocks(self, node: Node, depth: int) -> None:
        """The blocks of an array or a map."""
        assert node.items is not None
        while count := self.integer(64):
            size = None
            if count < 0:
                count, size = -count, self.length()
            self.items += count
            if self.items > len(self.body) + SPARE_ITEMS:
                raise MalformedEvent(f"{self.items} items are announced in {len(self.body)} bytes.")
            begin = self.at
            for _ in range(count):
                if node.kind == "map":
                    self.text()
                self.value(node.items, depth + 1)
            if size is not None and self.at - begin != size:
                raise MalformedEvent(f"A block at byte {begin} has {self.at - begin} bytes, not {size} as it says.")

    def integer(self, bits: int) -> int:
        """A zigzag varint (Avro specification, Binary Encoding)."""
        body, at, shift, found = self.body, self.at, 0, 0
        try:
            while True:
                byte = body[at]
                at += 1
                found |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > 63:
                    raise MalformedEvent(f"A number at byte {self.at} has more than ten bytes.")
        except IndexError:
            raise MalformedEvent(f"The bytes end inside a number, at byte {len(body)}.") from None
        value = (found >> 1) ^ -(found & 1)
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise MalformedEvent(f"A number at byte {self.at} does not fit into {bits} bits.")
        self.at = at
        return value

    def length(self) -> int:
        at, found = self.at, self.integer(64)
        if found < 0:
            raise MalformedEvent(f"The length at byte {at} is negative.")
        return found

    def index(self, count: int, of: str) -> int:
        at, found = self.at, self.integer(32)
        if not 0 <= found < count:
            raise MalformedEvent(f"Index {found} at byte {at} is outside the {count} {of}.")
        return found

    def skip(self, size: int) -> None:
        if self.at + size > len(self.body):
            raise MalformedEvent(f"{size} bytes are due at byte {self.at}, and {len(self.body) - self.at} are there.")
        self.at += size

    def text(self) -> None:
        begin = self.at
        size = self.length()
        start = self.at
        self.skip(size)
        try:
            self.body[start : self.at].decode()
        except UnicodeDecodeError:
            raise MalformedEvent(f"The text at byte {begin} is not UTF-8.") from None

    def boolean(self) -> None:
        self.skip(1)
        if self.body[self.at - 1] > 1:
            raise MalformedEvent(f"The byte {self.body[self.at - 1]} at {self.at - 1} is no boolean.")


_STEPS: dict[str, Callable[[_Walk, Node, int], object]] = {
    "null": lambda walk, node, depth: None,
    "boolean": lambda walk, node, depth: walk.boolean(),
    "int": lambda walk, node, depth: walk.integer(32),
    "long": lambda walk, node, depth: walk.integer(64),
    "float": lambda walk, node, depth: walk.skip(4),
    "double": lambda walk, node, depth: walk.skip(8),
    "bytes": lambda walk, node, depth: walk.skip(walk.length()),
    "string": lambda walk, node, depth: walk.text(),
    "fixed": lambda walk, node, depth: walk.skip(node.size),
    "enum": lambda walk, node, depth: walk.index(len(node.symbols), "symbols"),
    "record": _Walk.record,
    "union": _Walk.union,
    "array": _Walk.blocks,
    "map": _Walk.blocks,
}
