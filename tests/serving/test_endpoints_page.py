"""What docs/endpoints.md shows is served as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from millrace.product import Product
from tests.serving.shop import Shop

PAGE = Path(__file__).parents[2] / "docs" / "endpoints.md"


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """The page's code, put together in its order."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "endpoints.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)))
    return Product.load(folder)


async def test_both_versions_of_the_page_answer_and_its_fallback_too(product: Product) -> None:
    shop = Shop(*product.endpoints)
    shop.learner("popular")
    shop.learned(name="popular", a=1.0)
    service = shop.service()
    async with shop.running(service) as client:
        fallback = await client.post("/v1/recommend", json={"user": "all"})
        assert (fallback.json(), fallback.headers["millrace-fallback"]) == ({"items": ["a"]}, "popular_now")
        shop.learner("near")
        shop.learned(name="near", b=2.0)
        await shop.catalogue.refresh()
        service.endpoints.follow()
        one = await client.post("/v1/recommend", json={"user": "all"})
        other = await client.post("/v1/recommend/as_in_2", json={"user": "all"})
        two = await client.post("/v1/recommend@2", json={"viewer": "all"})
    assert one.json() == other.json() == {"items": ["b"]}
    assert two.json() == {"films": [{"id": "b", "score": 2.0}]}
