"""What the running system measures about itself: rates, lags, freshness, answers, experiment counts.

`measurements.py` samples once a second and is all the I/O; everything else computes from plain values and is tested
without a server. It may import `storage` for its plain values and readers. Start reading at `sample.py` (what is
measured), then `lag.py` and `arrivals.py` (what "behind" means), then `flow.py` (the picture that the console shows).
"""

from serving.measurements.endpoints import EndpointFacts, EndpointFigures, ImplementationFacts
from serving.measurements.flow import Flow, Found, Passage, find, flow
from serving.measurements.history import History
from serving.measurements.lag import Behind
from serving.measurements.measurements import Measurements, Topics
from serving.measurements.results import Declared, ExperimentFigures, VariantFigures
from serving.measurements.sample import Amount, AnswerCounts, Connection, Sample, VariantCounts
from serving.measurements.storages import LearnerFigures, StorageFigures
from serving.measurements.topics import TopicFigures
from serving.measurements.units import Condition, UnitFigures

__all__ = [
    "Amount",
    "AnswerCounts",
    "Behind",
    "Condition",
    "Connection",
    "Declared",
    "EndpointFacts",
    "EndpointFigures",
    "ExperimentFigures",
    "Flow",
    "Found",
    "History",
    "ImplementationFacts",
    "LearnerFigures",
    "Measurements",
    "Passage",
    "Sample",
    "StorageFigures",
    "TopicFigures",
    "Topics",
    "UnitFigures",
    "VariantCounts",
    "VariantFigures",
    "find",
    "flow",
]
