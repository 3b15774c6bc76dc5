"""The types of what workflows take and give, for those who show them."""

from __future__ import annotations

from photograft.backbones.registry import Backbone as Backbone
from photograft.classifier.classifier import Classifier as Classifier
from photograft.classifier.export.exporting import Exported as Exported
from photograft.data.dataset import Dataset as Dataset
from photograft.data.sources.base import SkippedFile as SkippedFile
from photograft.diagnosis.findings import SEVERITIES as SEVERITIES
from photograft.diagnosis.findings import Finding as Finding
from photograft.diagnosis.findings import Flagged as Flagged
from photograft.diagnosis.findings import ranked as ranked
from photograft.diagnosis.tables import CSV_NAME as CSV_NAME
from photograft.diagnosis.tables import PARQUET_NAME as PARQUET_NAME
from photograft.diagnosis.wording import LOOKED_FOR as LOOKED_FOR
from photograft.diagnosis.wording import counted as counted
from photograft.diagnosis.wording import grouped as grouped
from photograft.diagnosis.wording import suggested as suggested
from photograft.diagnosis.wording import verdict as verdict
from photograft.evaluation.learning_curve.curve import LearningCurve as LearningCurve
from photograft.evaluation.learning_curve.extrapolation import LEVEL as LEVEL
