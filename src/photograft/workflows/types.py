"""The types of what workflows take and give, for those who show them."""

from __future__ import annotations

from photograft.backbones.registry import Backbone as Backbone
from photograft.classifier.classifier import Classifier as Classifier
from photograft.data.dataset import Dataset as Dataset
from photograft.doctor.findings import SEVERITIES as SEVERITIES
from photograft.doctor.findings import Finding as Finding
from photograft.doctor.findings import Flagged as Flagged
from photograft.doctor.findings import ranked as ranked
from photograft.doctor.tables import CSV_NAME as CSV_NAME
from photograft.evaluation.learning_curve.curve import LearningCurve as LearningCurve
from photograft.evaluation.learning_curve.extrapolation import LEVEL as LEVEL
