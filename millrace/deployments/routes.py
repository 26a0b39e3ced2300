"""Products over HTTP: deployed, deployed again, undeployed, listed with their history. Errors are problem documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from millrace.deployments.archive import PACKED
from millrace.deployments.errors import DeploymentConflict, DeploymentRefused, DeploymentsUnavailable
from millrace.deployments.record import Record, Who
from serving.access.signing import signed
from serving.body import read_body
from serving.json_route import json_route
from serving.problem import Problem

if TYPE_CHECKING:
    from millrace.deployments.receiver import Receiver


class DeploymentsRoutes:
    """The addresses under `/v1/deployments`. In the query `by` says who, `note` why, and `again` the beginning of the
    hash of a version that was deployed before, in place of a body."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def routes(self) -> Sequence[BaseRoute]:
        """For the application."""
        one = "/v1/deployments/{name}"
        return [
            Route("/v1/deployments", json_route(self.list), methods=["GET"]),
            Route(one, json_route(self.show), methods=["GET"]),
            Route(one, json_route(self.deploy), methods=["PUT"]),
            Route(one, json_route(self.undeploy), methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Any:
        """Every product that is or was deployed; what is under way; and why nothing can be changed now."""
        receiver = self._receiver
        return {
            "own": receiver.own.name,
            "products": [self._document(record) for record in receiver.records.values()],
            "under_way": receiver.under_way,
            "away": receiver.away,
        }

    async def show(self, request: Request) -> Any:
        """One product."""
        record = self._receiver.records.get(request.path_params["name"])
        if record is None:
            known = list(self._receiver.records)
            raise Problem(404, "unknown-product", f"Nothing was deployed as {_name(request)!r}.", known=known)
        return self._document(record)

    async def deploy(self, request: Request) -> Any:
        """A version, sent as the body, or one that was deployed before."""
        again = request.query_params.get("again", "")
        packed = b"" if again else await read_body(request.receive, PACKED)  # type: ignore[arg-type]
        try:
            if again:
                record = await self._receiver.deploy_again(_name(request), again, _who(request))
            else:
                record = await self._receiver.deploy(_name(request), packed, _who(request))
        except (DeploymentRefused, DeploymentsUnavailable) as error:
            raise problem_of(error) from error
        return self._document(record)

    async def undeploy(self, request: Request) -> Any:
        """No version any more."""
        try:
            return self._document(await self._receiver.undeploy(_name(request), _who(request)))
        except (DeploymentRefused, DeploymentsUnavailable) as error:
            raise problem_of(error) from error

    def _document(self, record: Record) -> dict[str, Any]:
        state, problem = self._receiver.state(record)
        return {
            "name": record.name,
            "hash": record.hash,
            "state": state,
            "problem": problem,
            "declares": msgspec.to_builtins(record.names),
            "left": self._receiver.left(record),
            "storages_missing": self._receiver.missing(record),
            "unable": self._receiver.unable(record),
            "versions": list(record.parts),
            "history": msgspec.to_builtins(record.history),
        }


def problem_of(error: DeploymentRefused | DeploymentsUnavailable) -> Problem:
    """What whoever asked is told."""
    if isinstance(error, DeploymentsUnavailable):
        return Problem(503, "deployments-unavailable", str(error))
    if isinstance(error, DeploymentConflict):
        return Problem(409, "deployment-conflict", str(error), problems=list(error.problems))
    return Problem(422, "deployment-refused", str(error), problems=list(error.problems))


def _name(request: Request) -> str:
    return str(request.path_params["name"])[:100]


def _who(request: Request) -> Who:
    """The key that was shown, and who used it, as they say themselves."""
    by = signed(request.query_params.get("by", "") or "http")
    return Who(by, request.query_params.get("note", ""))
