"""The way of a request to its answer: decode, choose, ask within the deadline, log, send. Every step is prepared."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping
from time import perf_counter
from typing import Any

from schemas import DecisionId, group_of
from serving.body import Disconnected, Receive, read_body
from serving.deadline import deadline
from serving.decisions.entry import Entry
from serving.decisions.log import DecisionLog
from serving.endpoint import DEFAULT, By, Choice, Endpoint, Live
from serving.endpoints import Endpoints
from serving.features import as_json, taken
from serving.head import Lines, Reply, line
from serving.last_good import Good, LastGood, Question
from serving.measurements import NOBODY, Failure
from serving.metrics import Answers, Metrics
from serving.overload.admission import Admission
from serving.problem import Problem, Send, send_reply, unknown
from serving.provenance import NEVER, AsOf, Provenance
from serving.shadow_comparison import Copied
from serving.shadowing import Shadowing
from storage.errors import FormatRefused, QuestionRefused, StorageMissing, StorageUnavailable, UnknownOutcome

LOGGER = logging.getLogger("millrace.answers")
LIMIT = 256 * 1024
"""Bytes that a request may have."""
_OVERLOADED = Problem(503, "overloaded", "More is asked than can be answered in time; ask again later.")


class Answering:
    """ASGI application behind `POST /v1/{type}` and `POST /v1/{type}/{implementation}`.

    When the implementation gives no answer in time, raises, or misses its storage, the declared fallback answers in
    what is left of the deadline; where that does not either, the last good answer to the same request if the type
    allows it, and else the type's default. Such an answer is logged like any other, with the reason, and has the header
    `millrace-fallback`. Where there is none of them, a problem is sent.

    What cannot be answered in time, because too much is asked, is refused at once.

    Args:
        admission: says so.
        remembered: bytes of last good answers that are kept of each endpoint type.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        provenance: Provenance,
        log: DecisionLog,
        metrics: Metrics,
        admission: Admission,
        remembered: int = 0,
    ) -> None:
        self._admission = admission
        self._endpoints, self._provenance, self._log, self._metrics = endpoints, provenance, log, metrics
        self._good: defaultdict[str, LastGood] = defaultdict(lambda: LastGood(remembered))
        self.shadowing = Shadowing(_ask, provenance, log)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        asked = scope["path_params"]
        try:
            reply = await self.answer(asked, await read_body(receive, LIMIT))
        except Problem as problem:
            if self._endpoints.find(asked["type"]) is not None:
                self._metrics.of(asked["type"]).problem(problem.status)
            reply = problem.reply
        except Disconnected:
            return
        await send_reply(send, reply)

    async def answer(self, asked: Mapping[str, str], body: bytes) -> Reply:
        """The answer to one request, or the refusal.

        Args:
            asked: the endpoint type's title as `type` and, where one is asked by name, its `implementation`.
        """
        began = perf_counter()
        endpoint = self._endpoints.find(asked["type"])
        if endpoint is None:
            return unknown("endpoint type", asked["type"], list(self._endpoints.current)).reply
        counts = self._metrics.of(endpoint.type.title)
        traffic = self._admission.of(endpoint.type.title)
        waited = self._admission.waited(began, _soon)
        if traffic.in_flight >= traffic.allowed or waited > traffic.patience:
            counts.shed += 1
            return _OVERLOADED.reply
        traffic.in_flight += 1
        try:
            answer, lines = await self._answer(endpoint, (asked.get("implementation"), body), began, counts)
            return 200, lines, answer
        except Problem as problem:
            counts.problem(problem.status)
            return problem.reply
        finally:
            traffic.in_flight -= 1
            traffic.finished += 1

    async def _answer(
        self, endpoint: Endpoint, question: Question, began: float, counts: Answers
    ) -> tuple[bytes, Lines]:
        """The answer and what it says of its origin; it is logged.

        Raises:
            Problem: there is none.
        """
        name, body = question
        request = endpoint.request(body)
        unit = endpoint.unit(request)
        choice = endpoint.choice(unit) if name is None else endpoint.pinned(name)
        by, as_of, failure = choice.itself, self._provenance.of(choice.itself.reads), None
        spared = choice.spared or self._spared(endpoint, choice, question)
        answer = await _ask(endpoint, choice.live, request, choice.patience, spared)
        used = taken()
        if not isinstance(answer, bytes):
            failure = answer
            if failure.status < 500:
                raise failure  # what the client asked cannot be answered by anybody
            by, answer, as_of = await self._instead(endpoint, choice, request, failure, began, question)
            taken()  # the fallback's: they would stand beside the name of another
            used = None
        elif endpoint.last_good is not None:
            good = Good(answer, endpoint.type.responses, by.hash, as_of, began)
            self._good[endpoint.type.title].keep(question, good)
        decision = _decision(choice, unit)
        seconds = perf_counter() - began
        counts.answered(seconds, failure is not None)
        about = (by.name, by.hash, unit, choice.propensity, body, answer, as_of.at, seconds * 1000)
        entry = Entry(decision, endpoint.type.title, *about)
        if used is not None:
            entry = entry._replace(features=as_json(used, endpoint.type.title, endpoint.type.feature_share))
        self._log.put(entry if failure is None else _explained(entry, choice, failure))
        if endpoint.shadows and failure is None and name is None:
            self.shadowing.copy(endpoint, Copied(unit, body, decision.text, by.name, answer, seconds))
        return answer, b"%b%bmillrace-decision: %b\r\n" % (by.lines, as_of.lines, decision.text.encode())

    async def _instead(
        self, endpoint: Endpoint, choice: Choice, request: Any, failure: Problem, began: float, question: Question
    ) -> tuple[By, bytes, AsOf]:
        """The declared fallback's answer in what is left of the deadline, or else the last good one, or the default.

        Raises:
            Problem: the failure itself; there is none of them.
        """
        failures = self._metrics.of(endpoint.type.title).failures
        failed = choice.live.implementation.name
        good = self._last_good(endpoint, choice, question)
        last = good[0].name if good is not None else NOBODY if endpoint.default is None else DEFAULT
        if endpoint.fallback is not None and choice.fallback is not None:
            as_of = self._provenance.of(choice.fallback.reads)
            left = began + endpoint.deadline - perf_counter()
            answer = await _ask(endpoint, endpoint.fallback, request, left, endpoint.default is not None)
            if isinstance(answer, bytes):
                failures[Failure(failed, failure.kind, choice.fallback.name)] += 1
                return choice.fallback, answer, as_of
            failures[Failure(choice.fallback.name, answer.kind, last)] += 1
        failures[Failure(failed, failure.kind, last)] += 1
        if good is not None:
            return good
        if endpoint.default is None:
            raise failure
        return choice.default, endpoint.default, NEVER

    def _spared(self, endpoint: Endpoint, choice: Choice, question: Question) -> bool:
        """Whether an implementation that is out of rotation need not be waited for, as there is a last good answer."""
        out = choice.live.rotation.since is not None and question[0] is None
        return out and self._last_good(endpoint, choice, question) is not None

    def _last_good(self, endpoint: Endpoint, choice: Choice, question: Question) -> tuple[By, bytes, AsOf] | None:
        """The last good answer to this request, with its age, where the type allows one so old."""
        if endpoint.last_good is None:
            return None
        now, known = perf_counter(), self._good[endpoint.type.title]
        good = known.find(question, endpoint.type.responses, now - endpoint.last_good)
        if good is None:
            return None
        age = line("age", f"{int(now - good.at)}")
        return endpoint.again(choice, good.hash), good.answer, good.as_of._replace(lines=good.as_of.lines + age)


def _soon(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(call)


def _decision(choice: Choice, unit: str) -> DecisionId:
    group = None if choice.experiment is None else group_of(unit)
    return DecisionId.new(choice.experiment, choice.variant, group, choice.weight)


def _explained(entry: Entry, choice: Choice, failure: Problem) -> Entry:
    return entry._replace(failed=choice.live.implementation.name, reason=failure.kind)


async def _ask(endpoint: Endpoint, live: Live, request: Any, seconds: float, spared: bool) -> bytes | Problem:
    """The implementation's answer as JSON, or why it gave none within these seconds. One that is out of rotation is
    asked only where it is its turn to be tried, or where it is not `spared`, as nothing else could answer."""
    if spared and live.rotation.since is not None and not live.rotation.turn():
        return _out(live.implementation.name)
    limit = deadline(seconds)
    try:
        if live.ask is None:
            raise StorageMissing(live.error)
        answer = endpoint.encode(await live.ask(request))
    except asyncio.CancelledError:
        if not limit.end():
            raise
        live.rotation.failed()
        return _late(live.implementation.name, seconds)
    except (Exception, SystemExit) as error:  # an `exit()` in somebody's code ends its answer, not the service
        limit.end()
        name = live.implementation.name
        if live.ask is not None and not isinstance(error, QuestionRefused):
            live.rotation.failed(str(error) if isinstance(error, FormatRefused) else None)
        if limit.passed:
            return _late(name, seconds)
        problem = _problem(name, error)
        if problem.status == 500 and not isinstance(error, FormatRefused):
            LOGGER.exception("%s failed.", live.implementation.title)
        return problem
    limit.end()
    if live.rotation.spent:
        live.rotation.answered()
    return answer


def _late(name: str, seconds: float) -> Problem:
    return Problem(504, "deadline-passed", f"{name} gave no answer within {seconds * 1000:,.0f} ms.")


def _out(name: str) -> Problem:
    return Problem(503, "out-of-rotation", f"{name} keeps failing and is out of rotation; it is tried once a second.")


def _problem(name: str, error: BaseException) -> Problem:
    """What the client is told: what is missing or cannot be asked it may know, any other error's text stays in the
    log, and only a storage that does not answer is an outage."""
    if isinstance(error, StorageMissing):
        return Problem(503, "storage-missing", f"{name} cannot answer yet: {error}")
    if isinstance(error, QuestionRefused):
        return Problem(422, "question-refused", f"{name} cannot answer this: {error}")
    if isinstance(error, FormatRefused):
        return Problem(500, "implementation-refused", f"{name} cannot answer: {error}")
    if isinstance(error, StorageUnavailable | UnknownOutcome):
        return Problem(503, "storage-unavailable", f"{name} cannot answer: a storage that it reads does not answer.")
    return Problem(500, "implementation-failed", f"{name} failed; the service's log says why.")
