"""Labelled pictures, as they go into training and evaluation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled picture.

    `split` is "train", "val", "test", or "" where nobody has said. Pictures of one `group` must
    not stand on both sides of a split (one patient, one film); "" stands for a picture alone.
    """

    path: str
    label: str
    split: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was found under one name.

    `name` is the folder's or the file's, for the names of runs. `examples` stand in the natural
    order of their labels, then of their paths; those of a list in its order. `labels` are the
    classes that have a picture, in natural order. `notices` say in words what was left out, and
    what looks wrong, such as "empty folder: tulip".
    """

    name: str
    examples: tuple[Example, ...]
    labels: tuple[str, ...]
    notices: tuple[str, ...]
