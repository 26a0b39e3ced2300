"""Models as data scientists write them: River's, dictionaries of arrays, and classes of their own."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from river import compose, linear_model, naive_bayes, optim, preprocessing

Array = npt.NDArray[Any]


def logistic() -> Any:
    """Weights by name, found while learning."""
    return linear_model.LogisticRegression()


def scaled() -> Any:
    """A pipeline whose steps are shared with a plan that it makes when it is first used."""
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.Adam(0.1))


def penalised() -> Any:
    """Takes attributes that other options do not have."""
    return linear_model.LogisticRegression(l1=0.001)


def branched() -> Any:
    """Pipelines within a pipeline."""
    scaler = compose.Select("a") | preprocessing.StandardScaler()
    return scaler + compose.Discard("a") | linear_model.LogisticRegression(optim.FTRLProximal())


def multinomial() -> Any:
    """Mappings within a mapping, made by a default; its labels are booleans."""
    return naive_bayes.MultinomialNB()  # type: ignore[no-untyped-call]


def softmax() -> Any:
    """An object for each label, made by a default."""
    return linear_model.SoftmaxRegression()


def bayesian() -> Any:
    """Arrays that grow, some of them in columns."""
    return linear_model.BayesianLinearRegression()


def encoded() -> Any:
    """Sets by feature."""
    return preprocessing.OneHotEncoder() | linear_model.Perceptron()


RIVER: list[Callable[[], Any]] = [
    logistic,
    scaled,
    penalised,
    branched,
    multinomial,
    softmax,
    bayesian,
    encoded,
    linear_model.PAClassifier,
]


def learn(model: Any, features: Mapping[str, float], liked: bool) -> None:
    """One example; what River's models are asked for."""
    model.learn_one(dict(features), float(liked) if "Regressor" in _kinds(model) else liked)


def answers(model: Any, features: Mapping[str, float]) -> Any:
    """What a model says: probabilities where it has them, or its prediction."""
    if "Regressor" in _kinds(model):
        return model.predict_one(dict(features))
    try:
        return model.predict_proba_one(dict(features))
    except NotImplementedError:
        return model.predict_one(dict(features))


def _kinds(model: Any) -> list[str]:
    return [kind.__name__ for kind in type(model).__mro__]


class Own:
    """A class of one's own: slots' worth of everything that is kept."""

    def __init__(self) -> None:
        self.rate, self.name, self.steps = 0.5, "first", 0
        self.best: float | None = None
        self.weights: dict[str, float] = {}
        self.tables: dict[str, dict[str, float]] = {}
        self.counts: Counter[int] = Counter()
        self.sums: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.matrix: Array = np.zeros((2, 2), np.float32)
        self.shared = self.matrix
        self.window: deque[float] = deque(maxlen=3)
        self.seen: set[str] = set()
        self.parts = (Inner(), Inner(), "fixed")
        self.first = self.parts[0]
        self.choose = max

    def learn(self, name: str, number: float) -> None:
        """Change all of it."""
        self.steps += 1
        self.name = name
        self.best = number if self.best is None else self.choose(self.best, number)
        self.weights[name] = self.weights.get(name, 0.0) + number
        self.tables.setdefault(name, {})[str(self.steps % 3)] = number
        self.counts[self.steps % 5] += 1
        self.sums[name]["total"] += number
        self.matrix[self.steps % 2] += number
        self.window.append(number)
        self.seen.add(name)
        self.first.learn(number)
        self.parts[1].add(number)

    def says(self) -> list[Any]:
        """Everything that it knows."""
        inner = [part.says() for part in self.parts if isinstance(part, Inner)]
        plain = [self.rate, self.name, self.steps, self.best, self.shared.tolist(), list(self.window), *inner]
        sums = {name: dict(each) for name, each in self.sums.items()}
        return [*plain, dict(self.weights), dict(self.tables), dict(self.counts), sums, sorted(self.seen)]


class Inner:
    """A part with slots, and a property that is no attribute."""

    __slots__ = ("_total", "scale")

    def __init__(self) -> None:
        self._total, self.scale = 0.0, np.float32(1)

    @property
    def total(self) -> float:
        """What was added."""
        return self._total

    def learn(self, number: float) -> None:
        self.add(number)
        self.scale = np.float32(self.scale * 1.1)

    def add(self, number: float) -> None:
        self._total += number

    def says(self) -> list[float]:
        return [self._total, self.scale.item()]


class Arrays:
    """A model that says itself what it has learned, and hides how it keeps it."""

    def __init__(self) -> None:
        self._hidden = object()
        self._weights = np.zeros(3)

    def parameters(self) -> Mapping[str, Array]:
        return {"weights": self._weights, "a/b": self._weights[:1] * 2}

    def load(self, parameters: Mapping[str, Array]) -> None:
        assert parameters["a/b"][0] == parameters["weights"][0] * 2
        self._weights = parameters["weights"]

    def learn(self, number: float) -> None:
        self._weights += [number, 1, number**2]

    def says(self) -> list[float]:
        return [float(weight) for weight in self._weights]
