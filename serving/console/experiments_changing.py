"""The Experiments page over definitions that can be changed: the list, how the chosen one stands, and its forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from serving.access.signing import signed
from serving.console import experiment_dialogs, experiment_words, experiments_page
from serving.console.page import Done, Page
from serving.errors import ExperimentRefused, ExperimentsUnavailable
from serving.experiment import Experiment
from serving.experiments import changes
from serving.experiments.changes import Changing, Served, Who
from serving.experiments.experiments import Experiments
from serving.experiments.fitting import Fit
from serving.experiments.problem import problem_of
from serving.measurements import Measurements
from storage.formats.span import span

Query = Mapping[str, str]
_PART = re.compile(r"[0-9]{1,7}")
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
CONSOLE = "console"
"""Who changed something, where nobody says."""


def context(measurements: Measurements, query: Query) -> dict[str, Any]:
    """Values for experiments.html where nothing is known but what is measured."""
    return {**NOTHING, **experiments_page.context(measurements, query)}


NOTHING: Mapping[str, Any] = {
    "may_change": False,
    "away": "",
    "shown": None,
    "listed": [],
    "shares": [],
    "history": [],
    "left_out": 0,
    "compared": None,
    "dialog": None,
    "done": "",
    "wrong": "",
    "field": None,
    "values": {},
}
READ_ONLY = Page("experiments", "Experiments", "experiments.html", context)
"""The page where nothing can be changed."""


class ExperimentsPage:
    """The page over experiments that can be changed.

    Args:
        served: what experiments may be about.
        fit: which are served now.
        shadows: what shadows were compared to, by name.
    """

    def __init__(
        self,
        experiments: Experiments,
        served: Served,
        fit: Callable[[], Fit],
        shadows: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._experiments, self._served, self._fit, self._shadows = experiments, served, fit, shadows

    def page(self) -> Page:
        """For the console."""
        return Page("experiments", "Experiments", "experiments.html", self.context, prepare=self.prepare, act=self.act)

    def context(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """Values for experiments.html: all experiments, and the one that the query names; without it the first."""
        known = self._experiments.known
        every = experiment_words.listed(known, self._fit())
        name = query.get("experiment") or (every[0].name if every else "")
        item, shown = known.all.get(name), next((one for one in every if one.name == name), None)
        chosen = next((one for one in measurements.experiments() if one.name == name), None)
        return {
            **NOTHING,
            **experiments_page.measured(measurements, chosen),
            "may_change": True,
            "away": self._experiments.away,
            "shown": shown,
            "listed": every,
            "shares": experiment_words.shares(known, item.layer, name) if item else [],
            "history": experiment_words.history(item) if item else [],
            "left_out": item.left_out if item else 0,
            "compared": self._shadows().get(name) if shown and shown.shadow else None,
        }

    async def prepare(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """The dialog that is asked for, `ask` in the query; and what was done."""
        known, ask = self._experiments.known, query.get("ask", "")
        found: dict[str, Any] = {}
        if ask == "shadow":
            found["dialog"] = experiment_dialogs.shadowing(self._served)
        elif ask == "create":
            found["dialog"] = dialog = experiment_dialogs.creation(known, self._served)
            found["values"] = {"endpoint": next(iter(dialog.endpoints), ""), "ramp": "100"}
        elif ask and (item := known.all.get(query.get("experiment", ""))) is not None:
            found["dialog"] = experiment_dialogs.move(ask, item, known)
        shown = known.all.get(query.get("experiment", ""))
        if query.get("done") and shown is not None and shown.history:
            told = f"{shown.name}: {shown.history[-1].what}."
            found |= {"done": told, "status": told}
        return found

    async def act(self, form: Query) -> Done:
        """Do what a form asks for, or show it again with what was wrong."""
        name, kind = form.get("name", "").strip(), form.get("do", "")
        try:
            changing = self._changing(kind, name, form)
            await self._experiments.change(name, changing)
        except (ExperimentRefused, ExperimentsUnavailable) as error:
            problem = problem_of(error)
            query = {"experiment": form.get("experiment", "") if kind in ("create", "shadow") else name, "ask": kind}
            wrong = {"wrong": problem.detail, "field": problem.more.get("field"), "values": form}
            return Done({key: value for key, value in query.items() if value}, problem.status, wrong)
        return Done({"experiment": name, "done": kind})

    def _changing(self, kind: str, name: str, form: Query) -> Changing:
        who = Who(signed(form.get("by", "").strip() or CONSOLE), form.get("note", "").strip())
        if kind == "create":
            return changes.create(_wanted(name, form), who, self._served)
        if kind == "shadow":
            endpoint, _, variant = form.get("implementation", "").partition("/")
            wanted = Experiment(name, endpoint, {variant: 1}, ramp=_percent(form), shadow=True)
            return changes.create(wanted, who, self._served)
        if kind == "start":
            return changes.start(name, who, self._served, _percent(form))
        if kind == "ramp":
            return changes.ramp(name, _percent(form), who)
        if kind == "ship":
            return changes.ship(name, form.get("variant", ""), who, self._served)
        if kind == "stop":
            return changes.stop(name, who)
        if kind == "rollback":
            return changes.rollback(name, who)
        raise ExperimentRefused("Nothing of this kind can be done here.")


def _wanted(name: str, form: Query) -> Experiment:
    """The experiment that a filled-in form of creation describes."""
    endpoint = form.get("endpoint", "")
    parts = {key.partition("/")[2]: text.strip() for key, text in form.items() if key.startswith(f"{endpoint}/")}
    mine = {variant: text for variant, text in parts.items() if text not in ("", "0")}
    wrong = next((variant for variant, text in mine.items() if not _PART.fullmatch(text)), None)
    if wrong is not None:
        raise ExperimentRefused(f"The part of {wrong[:100]} is a whole number, such as 50.", "split")
    if len(mine) < 2:
        raise ExperimentRefused("Give parts of the traffic to two implementations at least.", "split")
    split = {variant: int(text) for variant, text in mine.items()}
    control = form.get(f"{endpoint}!control", "")
    if control in split:
        split = {control: split.pop(control), **split}
    layer, draft = form.get("layer", "").strip(), form.get("draft") == "on"
    return Experiment(name, endpoint, split, form.get("goal", ""), _percent(form), layer, draft, period=_period(form))


def _period(form: Query) -> timedelta | None:
    """The period of Thompson sampling, where the form asks for that."""
    if form.get("allocation", "fixed") == "fixed":
        return None
    try:
        return span(form.get("period", ""))
    except ValueError as error:
        raise ExperimentRefused(f"Anew every: {error}.", "period") from error


def _percent(form: Query) -> float:
    text = form.get("ramp", "").strip().removesuffix("%").strip()
    if not _PERCENT.fullmatch(text):
        raise ExperimentRefused(f"The traffic is a number of per cent, such as 10 or 0.5, not {text[:40]!r}.", "ramp")
    return float(text)
