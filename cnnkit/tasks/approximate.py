"""The approximate index that is kept beside a store."""

import logging

import numpy as np

from cnnkit.errors import UsageError
from cnnkit.records import Metric
from cnnkit.search.ann import AnnIndex
from cnnkit.tasks.collection import Collection

log = logging.getLogger(__name__)


def refuse_several(collection: Collection) -> None:
    """Raise `UsageError` unless the collection is one store, which an index can lie beside."""
    if collection.several:
        raise UsageError("An index is of one store. Expected one --store, or --index exact.")


def index_of(collection: Collection, metric: Metric, threads: int) -> AnnIndex:
    """The index of a store, brought to what the store holds now.

    Raises `UsageError` for several stores, or where the extra is not installed.
    """
    refuse_several(collection)
    from cnnkit.engines.libraries import load_openvino_first

    load_openvino_first()
    reader = collection.readers[0]
    if reader.files is not None:
        ids, identity = reader.files["id"], reader.identity
    else:  # rows have no names of their own: any change is another store
        status = reader.path.stat()
        ids = np.arange(reader.rows, dtype=np.uint64)
        identity = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"
    path = reader.path.with_name(f"{reader.path.name}.{metric}.usearch")
    if not path.exists():
        log.info("Building %s; that is done once.", path)
    return AnnIndex.open(
        path,
        f"{identity}-{metric}-{reader.features}",
        reader.features,
        metric,
        ids,
        collection.matrix,
        threads=threads,
    )
