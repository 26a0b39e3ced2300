"""What the running system measures about itself: rates, lags, freshness, answers, experiment counts.

`measurements.py` samples once a second and is all the I/O; everything else computes from plain values and is tested
without a server. It may import `storage` for its plain values and readers. Start reading at `sample.py` (what is
measured), then `lag.py` and `arrivals.py` (what "behind" means), then `flow.py` (the picture that the console shows).
"""

from serving.measurements.endpoints import DeployedFacts, EndpointFacts, EndpointFigures, ImplementationFacts
from serving.measurements.flow import Flow, Found, Passage, find, flow
from serving.measurements.history import History
from serving.measurements.lag import Behind
from serving.measurements.lift import Lift, Range
from serving.measurements.lift_course import LiftPoint
from serving.measurements.measurements import Measurements, Topics
from serving.measurements.results import Declared, ExperimentFigures, VariantFigures
from serving.measurements.sample import NOBODY, Amount, AnswerCounts, Connection, Failure, Sample, VariantCounts
from serving.measurements.storages import LearnerFigures, StorageFigures
from serving.measurements.topics import TopicFigures
from serving.measurements.units import Condition, UnitFigures

__all__ = [
    "NOBODY",
    "Amount",
    "AnswerCounts",
    "Behind",
    "Condition",
    "Connection",
    "Declared",
    "DeployedFacts",
    "EndpointFacts",
    "EndpointFigures",
    "ExperimentFigures",
    "Failure",
    "Flow",
    "Found",
    "History",
    "ImplementationFacts",
    "LearnerFigures",
    "Lift",
    "LiftPoint",
    "Measurements",
    "Passage",
    "Range",
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
