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
from cnnkit.records.upkeep import (
    Compacted,
    DamagedRow,
    Merged,
    Removed,
    StoreInfo,
    StoreState,
    WrittenFile,
)
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
    "Compacted",
    "Crops",
    "DamagedRow",
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
    "Merged",
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
    "Removed",
    "Runtime",
    "Skipped",
    "Stamp",
    "StoreInfo",
    "StoreState",
    "StoredType",
    "Style",
    "Unanswered",
    "WeightsRow",
    "WrittenFile",
]
