"""A model's calibration: learned from labelled photos, and measured on others."""

from solar.evaluation.retrieval.calibration.calibrate import Calibrated, calibrate
from solar.evaluation.retrieval.calibration.cases import Case, cases_to_learn, cases_to_measure
from solar.evaluation.retrieval.calibration.learning import learn, logistic
from solar.evaluation.retrieval.calibration.reliability import Reliability

__all__ = [
    "Calibrated",
    "Case",
    "Reliability",
    "calibrate",
    "cases_to_learn",
    "cases_to_measure",
    "learn",
    "logistic",
]
