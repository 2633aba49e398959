"""What the stages hand to one another: small frozen records, and nothing that computes.

A record that leaves the program offers itself in three shapes: `to_dict` (json and jsonl, the
stable contract), `cells` (one flat row for csv and tsv) and `text` (what a person reads).
"""

from cnnkit.records.alike import Group, Neighbour, Neighbours, Redundant, Unanswered
from cnnkit.records.answers import Classification, Drawn, Prediction, Skipped
from cnnkit.records.augmented import Augmented, Augmenter, Labels
from cnnkit.records.dataset import Dataset, Example
from cnnkit.records.evaluation import ClassRow, Evaluation, Judged
from cnnkit.records.machine import BenchRow, Finding
from cnnkit.records.networks import CacheRow, ExportedFile, LabelRow, ModelRow, WeightsRow
from cnnkit.records.recipe import Recipe
from cnnkit.records.record import Cell, Record
from cnnkit.records.store import Embedded, Stamp
from cnnkit.records.trained import Compared, Planned, Trained
from cnnkit.records.training import (
    Arithmetic,
    EpochRow,
    Fitting,
    Head,
    Optimizer,
    Schedule,
    Settings,
    Strategy,
)
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
    "Arithmetic",
    "Augmented",
    "Augmenter",
    "BenchRow",
    "CacheRow",
    "Cell",
    "ClassRow",
    "Classification",
    "Compacted",
    "Compared",
    "Crops",
    "DamagedRow",
    "Dataset",
    "Drawn",
    "Embedded",
    "EpochRow",
    "Evaluation",
    "Example",
    "ExportFormat",
    "ExportedFile",
    "Finding",
    "Fit",
    "Fitting",
    "Group",
    "Head",
    "Index",
    "Interpolation",
    "Judged",
    "Keep",
    "LabelRow",
    "Labels",
    "Merged",
    "Metric",
    "ModelRow",
    "Neighbour",
    "Neighbours",
    "Optimizer",
    "Planned",
    "Pooling",
    "Precision",
    "Prediction",
    "Recipe",
    "Record",
    "Redundant",
    "Removed",
    "Runtime",
    "Schedule",
    "Settings",
    "Skipped",
    "Stamp",
    "StoreInfo",
    "StoreState",
    "StoredType",
    "Strategy",
    "Style",
    "Trained",
    "Unanswered",
    "WeightsRow",
    "WrittenFile",
]
