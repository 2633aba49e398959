"""Transfer learning with convolutional networks from the shell, and from Python.

The data flows one way, and the folders stand in that order::

    paths ─► images/ ─► batches ─► engines/ (nets/ behind keras) ─► records
                                      ▲                               │
                                zoo/ names, weights, recipes          ▼
                                                 outputs/  stdout · pictures
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
    from cnnkit.records import Classification, Prediction, Skipped
    from cnnkit.tasks.bench import bench
    from cnnkit.tasks.cache import cache_info, clear_cache
    from cnnkit.tasks.classify import classify
    from cnnkit.tasks.doctor import examine
    from cnnkit.tasks.export import export
    from cnnkit.tasks.inputs import Inputs
    from cnnkit.tasks.labels import labels
    from cnnkit.tasks.models import models
    from cnnkit.tasks.sample_images import sample_images
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
    "Classification": "cnnkit.records",
    "Prediction": "cnnkit.records",
    "Skipped": "cnnkit.records",
    "Inputs": "cnnkit.tasks.inputs",
    "bench": "cnnkit.tasks.bench",
    "cache_info": "cnnkit.tasks.cache",
    "clear_cache": "cnnkit.tasks.cache",
    "classify": "cnnkit.tasks.classify",
    "examine": "cnnkit.tasks.doctor",
    "export": "cnnkit.tasks.export",
    "labels": "cnnkit.tasks.labels",
    "models": "cnnkit.tasks.models",
    "sample_images": "cnnkit.tasks.sample_images",
    "import_weights": "cnnkit.tasks.weights",
    "list_weights": "cnnkit.tasks.weights",
    "pull_weights": "cnnkit.tasks.weights",
    "remove_weights": "cnnkit.tasks.weights",
    "verify_weights": "cnnkit.tasks.weights",
    "weights_path": "cnnkit.tasks.weights",
}

__all__ = [  # noqa: RUF022 — in the order of the map
    "CnnkitError",
    "Classification",
    "Prediction",
    "Skipped",
    "Inputs",
    "bench",
    "cache_info",
    "clear_cache",
    "classify",
    "examine",
    "export",
    "labels",
    "models",
    "sample_images",
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
