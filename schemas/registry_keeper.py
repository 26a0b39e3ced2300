"""What those who keep the schemas ask of a registry beside producers and learners: its history, and who reads what."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from schemas.errors import RegistryUnavailable, UnknownSchema
from schemas.readers import Documents
from schemas.registry_client import RegistryClient
from schemas.version import Version


class RegistryKeeper(RegistryClient):
    """A client that is asked for more, and no part of the wheel that producers install. Calls block; any thread may
    call."""

    def versions(self, subject: str, newest: int = 20) -> list[Version]:
        """So many of a subject's newest versions, oldest first; none where there is no such subject."""
        place = f"/subjects/{quote(subject, safe='')}/versions"
        try:
            numbers: list[int] = self._ask("GET", place, lambda found: sorted(map(int, found)))
        except UnknownSchema:
            return []
        found = [self._version(subject, str(number)) for number in numbers[-newest:]]
        return [version for version in found if version is not None]

    def newest(self) -> list[Version]:
        """The newest version of every subject: one request, or one for each where the registry does not know that."""
        try:
            return self._ask("GET", "/schemas?latestOnly=true", _versions)
        except (RegistryUnavailable, UnknownSchema):
            found = [self.latest(subject) for subject in self.subjects()]
            return [version for version in found if version is not None]

    def level(self, subject: str) -> str:
        """What a subject demands of a new schema: "BACKWARD", "NONE", ..."""
        place = f"/config/{quote(subject, safe='')}?defaultToGlobal=true"
        return self._ask("GET", place, lambda found: str(found["compatibilityLevel"]))

    def readers(self) -> Documents | None:
        """Who reads what, as `Graph.of` takes it; None where the registry is another one, which does not know."""
        try:
            return self._ask("GET", "/readers", _documents)
        except RegistryUnavailable:
            self.subjects()  # it may be away
            return None


def _versions(answer: list[dict[str, Any]]) -> list[Version]:
    if not isinstance(answer, list):
        raise TypeError
    avro = [one for one in answer if one.get("schemaType", "AVRO") == "AVRO"]
    return [Version(str(one["subject"]), int(one["version"]), int(one["id"]), str(one["schema"])) for one in avro]


def _documents(answer: dict[str, Any]) -> Documents:
    if not isinstance(answer, dict):
        raise TypeError
    return answer
