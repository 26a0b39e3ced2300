"""The off-policy estimators beside Open Bandit Pipeline's on its data, and their intervals on logs of a known truth.

`python -m benchmarks.prove_models off_policy` runs it alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.prove_models import open_bandit
from benchmarks.report import say
from serving.statistics.normal_mixture import Array
from serving.statistics.off_policy import STATED, Estimate, Logged, doubly_robust, ips, snips

PIPELINE = "obp==0.5.7"
"""It asks for Python below 3.10, and runs on ours: pip is told so, and its needs are installed beside."""
NEEDS = ("numpy==2.3.5", "pandas==2.3.3", "scipy==1.16.3", "scikit-learn==1.7.2", "pyyaml==6.0.3", "tqdm==4.67.1")
DECISIONS, LOGS, PROCESSES = 1_000_000, 300, 2
CONTEXTS, ACTIONS = 20, 10


def measure(folder: Path) -> dict[str, float | None]:
    """Return the largest difference from the pipeline's estimates, how often the intervals of all estimators together
    held the truth, and what is stated of that."""
    difference = beside_the_pipeline(folder)
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        found = np.array(list(pool.map(held, range(LOGS), chunksize=10)))
    rates = dict(zip(("ips", "snips", "doubly robust"), found.mean(axis=0).tolist(), strict=True))
    say(f"{LOGS} logs of {DECISIONS:,} decisions: the truth is held by {rates}")
    return {"ope_vs_obp": difference, "ope_coverage": float(found.all(axis=1).mean()), "ope_stated": STATED}


def beside_the_pipeline(folder: Path) -> float:
    """Install it, let it estimate, and return by how much an estimate of ours is away from its, at most."""
    python = folder / "environment" / "bin" / "python"
    _run(sys.executable, "-m", "venv", str(python.parent.parent))
    _run(str(python), "-m", "pip", "install", "-q", *NEEDS)
    _run(str(python), "-m", "pip", "install", "-q", "--no-deps", "--ignore-requires-python", PIPELINE)
    _run(str(python), str(open_bandit.__file__), str(folder))
    away = []
    for log in sorted(folder.glob("*.npz")):
        theirs = json.loads(log.with_suffix(".json").read_text("utf-8"))
        ours = _ours(log)
        away += [abs(ours[name].value - value) for name, value in theirs.items()]
        say(f"{log.stem}: {PIPELINE} {theirs}, ours at most {max(away[-len(theirs) :]):.1e} away")
    if len(away) != 3 * 2 * len(open_bandit.CAMPAIGNS):
        raise RuntimeError(f"{PIPELINE} gave {len(away)} estimates.")
    return max(away)


def _ours(log: Path) -> dict[str, Estimate]:
    arrays = np.load(log)
    rounds = np.arange(len(arrays["action"]))
    chosen = arrays["chosen"][rounds, :, arrays["position"]]
    predicted = arrays["predicted"][rounds, :, arrays["position"]]
    action = arrays["action"]
    logged = Logged(arrays["reward"].astype(np.float64), chosen[rounds, action] / arrays["pscore"])
    expected = (chosen * predicted).sum(axis=1)
    return {
        "ipw": ips(logged),
        "snipw": snips(logged),
        "dr": doubly_robust(logged, predicted[rounds, action], expected),
    }


def held(number: int, decisions: int = DECISIONS) -> tuple[bool, bool, bool]:
    """Draw a log of a known truth, and say which estimators' intervals hold it.

    Units make log-normally many decisions, and some like more than others; the policy that logs is a softmax of what it
    believes, and the other is one of the truth. The model of the doubly robust estimator knows actions, but no
    contexts.
    """
    chance = np.random.default_rng([7, number])
    truth = np.random.default_rng(1).beta(2, 20, (CONTEXTS, ACTIONS))
    logging = _softmax(np.random.default_rng(2).normal(size=(CONTEXTS, ACTIONS)))
    other = _softmax(30 * truth)
    units = _units(chance, decisions)
    context = chance.integers(0, CONTEXTS, decisions)
    action = (np.cumsum(logging, axis=1)[context] < chance.random((decisions, 1))).sum(axis=1).clip(0, ACTIONS - 1)
    likes = 2 * chance.beta(1, 1, units.max() + 1)
    rewards = (chance.random(decisions) < truth[context, action] * likes[units]).astype(np.float64)
    logged = Logged(rewards, other[context, action] / logging[context, action], units)
    model = truth.mean(axis=0)
    predicted, expected = model[action], (other @ model)[context]
    value = float((other * truth).sum(axis=1).mean())
    first, second, third = (
        one.low <= value <= one.high for one in (ips(logged), snips(logged), doubly_robust(logged, predicted, expected))
    )
    return first, second, third


def _units(chance: np.random.Generator, decisions: int) -> NDArray[np.int64]:
    counts = np.ceil(chance.lognormal(1.0, 1.3, decisions // 3)).astype(np.int64)
    return np.repeat(np.arange(len(counts)), counts)[:decisions]


def _softmax(values: Array) -> Array:
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
