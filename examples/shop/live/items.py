"""What the shop sells. Made up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """An item on the shelf; what is of one `kind` goes together."""

    id: str
    name: str
    kind: str
    cents: int

    @property
    def price(self) -> str:
        """As a page shows it."""
        return f"{self.cents / 100:.2f}"


_SHELVES = {
    "camping": "Tent 189, Sleeping bag 79, Stove 45, Lantern 29, Hammock 39, Cool box 59",
    "cycling": "Helmet 65, Lock 35, Pump 22, Pannier 75, Bell 9, Bicycle light 32",
    "climbing": "Rope 129, Harness 69, Chalk bag 19, Carabiner 12, Climbing shoes 99, Crash pad 149",
    "swimming": "Goggles 18, Fins 34, Swim cap 8, Towel 15, Snorkel 24, Dry bag 27",
}


def _item(kind: str, text: str) -> Item:
    name, _, price = text.rpartition(" ")
    return Item(name.lower().replace(" ", "-"), name, kind, int(price) * 100 - 5)


ITEMS = {
    item.id: item for kind, texts in _SHELVES.items() for item in (_item(kind, text) for text in texts.split(", "))
}
BESTSELLERS = ["tent", "helmet", "rope", "goggles"]
"""What the strip shows while the models service is away: the shop's own choice."""
