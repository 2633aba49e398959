"""What a network's classes are called, in the layout of the class index that Keras publishes."""

import json
from pathlib import Path
from typing import Any

from cnnkit.errors import WeightsError

# Far above the real size: a label file that is larger is something else.
_LARGEST = 1 << 20

Labels = tuple[tuple[str, str], ...]


def read_labels(path: Path, count: int = 1000) -> Labels:
    """The (id, label) of each of `count` classes, in the order of the network's outputs.

    Raises `WeightsError` where the file is not a class index of so many.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is larger than 1 MiB")
        index = json.loads(path.read_text("utf-8"))
        if len(index) != count:
            raise ValueError(f"it names {len(index):,} classes, not {count:,}")
        pairs = [index[str(number)] for number in range(count)]
        if not all(isinstance(part, str) for pair in pairs for part in _two(pair)):
            raise ValueError("an id or a label is not a string")
        return tuple((identity, label) for identity, label in pairs)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(
            f"The class names cannot be read from {path} ({error}). Expected a JSON object of "
            '"0": ["n01440764", "tench"] and so on. Type: cnnkit weights pull --force labels'
        ) from error


def _two(pair: Any) -> list[Any]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError(f"a class is {pair!r:.60}")
    return pair


def numbered_labels(count: int) -> Labels:
    """Names for classes that have none, such as those of random weights."""
    return tuple((str(number), f"class {number}") for number in range(count))
