"""The classes of a network as records."""

import fnmatch

from cnnkit.errors import UnknownName
from cnnkit.records import LabelRow
from cnnkit.zoo import weights as store
from cnnkit.zoo.bundles import find
from cnnkit.zoo.catalog import DEFAULT_MODEL


def labels(
    model: str = DEFAULT_MODEL,
    pattern: str = "*",
    *,
    offline: bool = False,
    reporter: store.Reporter | None = None,
) -> list[LabelRow]:
    """The classes of `model` whose name or id matches a glob, in the order of its outputs.

    Case counts for nothing, and a blank stands for Keras's underscore. Raises `UnknownName`
    where nothing matches.
    """
    known = store.obtain_labels(find(model), offline=offline, reporter=reporter)
    wanted = pattern.lower().replace(" ", "_")
    found = [
        LabelRow(index, identity, label)
        for index, (identity, label) in enumerate(known)
        if fnmatch.fnmatchcase(label.lower(), wanted) or fnmatch.fnmatchcase(identity, wanted)
    ]
    if not found:
        raise UnknownName("label", pattern, [label for _, label in known], f"cnnkit labels {model}")
    return found
