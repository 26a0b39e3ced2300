"""Names that are imported when first used: a package that is missing is told from a fault of our own."""

from __future__ import annotations

import pytest

import serving


def lacking(name: str) -> object:
    def failing(home: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return failing


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "import_module", lacking("starlette.routing"))
    with pytest.raises(serving.ServingError, match=r"needs starlette.routing; install the extra: millrace\[service\]"):
        serving.__getattr__("Service")


@pytest.mark.parametrize("name", ["serving.nowhere", "storage.nowhere", "schemas"])
def test_a_module_of_our_own_that_is_missing_is_not_blamed_on_an_extra(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(serving, "import_module", lacking(name))
    with pytest.raises(ModuleNotFoundError, match=name):
        serving.__getattr__("Service")
