"""Transfer learning with convolutional networks from the shell, and from Python.

The data flows one way, and the folders stand in that order::

    paths ─► images/ ─► batches ─► engines/ (nets/ behind keras) ─► records ─► search/
                                      ▲                               │          │
                                zoo/ names, weights, recipes          ▼          ▼
                                                 outputs/  stdout · HDF5 · pictures · pages
    tasks/ joins the stages           commands/ is Click and nothing else

Every verb of the command line is a function here, and answers with the same records::

    import cnnkit

    for record in cnnkit.classify("photos/", model="resnet50"):
        print(record.path, record.to_dict())
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cnnkit.errors import CnnkitError
    from cnnkit.records import (
        Augmented,
        Classification,
        Embedded,
        Group,
        Neighbour,
        Neighbours,
        Prediction,
        Skipped,
        Stamp,
        Unanswered,
    )
    from cnnkit.tasks.augment import augment
    from cnnkit.tasks.bench import bench
    from cnnkit.tasks.cache import cache_info, clear_cache
    from cnnkit.tasks.classify import classify
    from cnnkit.tasks.dedupe import dedupe
    from cnnkit.tasks.doctor import examine
    from cnnkit.tasks.evaluate import evaluate
    from cnnkit.tasks.export import export
    from cnnkit.tasks.extract_features import extract_features
    from cnnkit.tasks.finetune import Means, finetune, resume
    from cnnkit.tasks.inputs import Inputs
    from cnnkit.tasks.knn import classify_by_neighbours
    from cnnkit.tasks.labels import labels
    from cnnkit.tasks.models import models
    from cnnkit.tasks.plan import plan
    from cnnkit.tasks.sample_images import sample_images
    from cnnkit.tasks.similar import similar
    from cnnkit.tasks.store import (
        compact_store,
        merge_stores,
        remove_from_store,
        store_info,
        verify_store,
    )
    from cnnkit.tasks.store_export import export_store
    from cnnkit.tasks.weights import (
        import_weights,
        list_weights,
        pull_weights,
        remove_weights,
        verify_weights,
        weights_path,
    )

# Name → module. What is named here is imported when it is first asked for, and not before.
_PUBLIC = {
    "CnnkitError": "cnnkit.errors",
    "Augmented": "cnnkit.records",
    "Classification": "cnnkit.records",
    "Prediction": "cnnkit.records",
    "Embedded": "cnnkit.records",
    "Group": "cnnkit.records",
    "Neighbour": "cnnkit.records",
    "Neighbours": "cnnkit.records",
    "Stamp": "cnnkit.records",
    "Unanswered": "cnnkit.records",
    "Skipped": "cnnkit.records",
    "Inputs": "cnnkit.tasks.inputs",
    "augment": "cnnkit.tasks.augment",
    "bench": "cnnkit.tasks.bench",
    "cache_info": "cnnkit.tasks.cache",
    "clear_cache": "cnnkit.tasks.cache",
    "classify": "cnnkit.tasks.classify",
    "extract_features": "cnnkit.tasks.extract_features",
    "similar": "cnnkit.tasks.similar",
    "dedupe": "cnnkit.tasks.dedupe",
    "classify_by_neighbours": "cnnkit.tasks.knn",
    "finetune": "cnnkit.tasks.finetune",
    "resume": "cnnkit.tasks.finetune",
    "Means": "cnnkit.tasks.finetune",
    "plan": "cnnkit.tasks.plan",
    "evaluate": "cnnkit.tasks.evaluate",
    "examine": "cnnkit.tasks.doctor",
    "export": "cnnkit.tasks.export",
    "labels": "cnnkit.tasks.labels",
    "models": "cnnkit.tasks.models",
    "sample_images": "cnnkit.tasks.sample_images",
    "store_info": "cnnkit.tasks.store",
    "verify_store": "cnnkit.tasks.store",
    "compact_store": "cnnkit.tasks.store",
    "merge_stores": "cnnkit.tasks.store",
    "export_store": "cnnkit.tasks.store_export",
    "remove_from_store": "cnnkit.tasks.store",
    "import_weights": "cnnkit.tasks.weights",
    "list_weights": "cnnkit.tasks.weights",
    "pull_weights": "cnnkit.tasks.weights",
    "remove_weights": "cnnkit.tasks.weights",
    "verify_weights": "cnnkit.tasks.weights",
    "weights_path": "cnnkit.tasks.weights",
}

__all__ = [  # noqa: RUF022 — in the order of the map
    "CnnkitError",
    "Augmented",
    "Classification",
    "Prediction",
    "Embedded",
    "Group",
    "Neighbour",
    "Neighbours",
    "Stamp",
    "Unanswered",
    "Skipped",
    "Inputs",
    "augment",
    "bench",
    "cache_info",
    "clear_cache",
    "classify",
    "extract_features",
    "similar",
    "dedupe",
    "classify_by_neighbours",
    "finetune",
    "resume",
    "Means",
    "plan",
    "evaluate",
    "examine",
    "export",
    "labels",
    "models",
    "sample_images",
    "store_info",
    "verify_store",
    "compact_store",
    "merge_stores",
    "export_store",
    "remove_from_store",
    "import_weights",
    "list_weights",
    "pull_weights",
    "remove_weights",
    "verify_weights",
    "weights_path",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cnnkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
