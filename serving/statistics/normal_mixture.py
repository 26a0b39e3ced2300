"""How far an estimate may be from the truth so that all looks together, however many, are wrong at a stated rate.

An interval of 1.96 standard errors is wrong in 5 of 100 cases if it is looked at once; looked at all the time it will
be wrong some time for certain. This one is wider, and grows slowly, so that it may be looked at after every event.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TIGHTEST = 250.0
"""The sequence is tightest at about ten times this variance of the sum: with rewards that a decision gets once at most,
and few of, the variance of the sum is about the number of rewards, times what units of correlated decisions add."""


def multiples(variance: Array, error: float, tightest: float = TIGHTEST) -> Array:
    """Standard errors that the interval reaches to either side: `sqrt((1 + r/v) (log(1 + v/r) - 2 log error))`.

    The probability that a Brownian motion is ever, at any v > 0, more than this many times sqrt(v) away from zero is at
    most `error`: Robbins (1970), "Statistical methods related to the law of the iterated logarithm", Annals of
    Mathematical Statistics 41, section 3; equation (14) of Howard, Ramdas, McAuliffe and Sekhon (2021), "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49. That sums of many
    independent units may be treated so is Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central
    limit theory and asymptotic confidence sequences", Annals of Statistics 52, theorem 2.2.

    Args:
        variance: v, of the sum whose mean is estimated; infinite where it is 0.
        error: between 0 and 1.
        tightest: r; must not depend on the data.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = (1 + tightest / variance) * (np.log1p(variance / tightest) - 2 * math.log(error))
        return np.where(variance > 0, np.sqrt(squared), np.inf)
