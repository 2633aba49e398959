"""What the stages hand to one another: small frozen records, and nothing that computes.

A record that leaves the program offers itself in three shapes: `to_dict` (json and jsonl, the
stable contract), `cells` (one flat row for csv and tsv) and `text` (what a person reads).
"""

from cnnkit.records.alike import Group, Neighbour, Neighbours, Redundant, Unanswered
from cnnkit.records.answers import Classification, Drawn, Prediction, Skipped
from cnnkit.records.machine import BenchRow, Finding
from cnnkit.records.networks import CacheRow, ExportedFile, LabelRow, ModelRow, WeightsRow
from cnnkit.records.recipe import Recipe
from cnnkit.records.record import Cell, Record
from cnnkit.records.store import Embedded, Stamp
from cnnkit.records.words import (
    PICTURE_SUFFIXES,
    STORE,
    Crops,
    ExportFormat,
    Fit,
    Index,
    Interpolation,
    Keep,
    Metric,
    Pooling,
    Precision,
    Runtime,
    StoredType,
    Style,
)

__all__ = [
    "PICTURE_SUFFIXES",
    "STORE",
    "BenchRow",
    "CacheRow",
    "Cell",
    "Classification",
    "Crops",
    "Drawn",
    "Embedded",
    "ExportFormat",
    "ExportedFile",
    "Finding",
    "Fit",
    "Group",
    "Index",
    "Interpolation",
    "Keep",
    "LabelRow",
    "Metric",
    "ModelRow",
    "Neighbour",
    "Neighbours",
    "Pooling",
    "Precision",
    "Prediction",
    "Recipe",
    "Record",
    "Redundant",
    "Runtime",
    "Skipped",
    "Stamp",
    "StoredType",
    "Style",
    "Unanswered",
    "WeightsRow",
]
