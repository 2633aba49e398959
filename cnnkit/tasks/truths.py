"""What the classes of labelled pictures are called → which classes of a network they are.

Always by name: folders that are sorted otherwise, lacking or added change no answer.
"""

import logging
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cnnkit.datasets.notices import Notices, shown
from cnnkit.errors import UsageError
from cnnkit.metrics.truth import UNKNOWN
from cnnkit.zoo.labels import Labels

log = logging.getLogger(__name__)
# So many names are told where none fits; of more there is a count.
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Truths:
    """`names` are the network's classes, in the order of its outputs, no two of them alike.

    `places` tells for each label of the pictures which of them it is, or −1 for none.
    """

    names: tuple[str, ...]
    places: Mapping[str, int]

    def name(self, label: str) -> str:
        """What the network calls the class, or the label itself where it does not know it."""
        place = self.places[label]
        return label if place == UNKNOWN else self.names[place]


def truths(model: str, classes: Labels, labels: Iterable[str]) -> Truths:
    """Find each label among the network's classes: (id, label), in the order of its outputs.

    A label is looked for among the classes' labels, then among their ids; then once more with
    case, and blanks for underscores, forgiven. Logs what has no counterpart on either side.
    Raises `UsageError` for a label that may be one class or another, and where none is known.
    """
    wanted = dict.fromkeys(labels)
    tables = _tables(classes)
    places = {label: _place(label, classes, tables) for label in wanted}
    if wanted and set(places.values()) == {UNKNOWN}:
        raise UsageError(
            f"{model} knows none of the classes in the data. Expected names such as "
            f"{_some([label for _, label in classes])}. Received: {_some(list(wanted))}. All that "
            f"it knows: cnnkit labels {shlex.quote(model)}"
        )
    found = Truths(_names(classes), places)
    _tell(found, classes)
    return found


_Table = Mapping[str, Sequence[int]]


def _tables(classes: Labels) -> tuple[_Table, _Table, _Table]:
    """Label → classes, id → classes, and either of them, its spelling forgiven → classes."""
    labels, ids, folded = (defaultdict[str, list[int]](list) for _ in range(3))
    for place, (identity, label) in enumerate(classes):
        labels[label].append(place)
        ids[identity].append(place)
        for spelling in {_folded(identity), _folded(label)}:
            folded[spelling].append(place)
    return labels, ids, folded


def _place(label: str, classes: Labels, tables: tuple[_Table, _Table, _Table]) -> int:
    spellings = (label, label, _folded(label))
    for table, spelling in zip(tables, spellings, strict=True):
        found = table.get(spelling, ())
        if len(found) > 1:
            known_as = " or ".join(_full(classes[place]) for place in found)
            raise UsageError(
                f"The class {shown(label)!r} in the data may be {known_as}. Expected the very "
                "name or, where that stands for several, the id."
            )
        if found:
            return found[0]
    return UNKNOWN


def _folded(name: str) -> str:
    # Some systems keep an accent in a folder's name apart from its letter.
    return unicodedata.normalize("NFC", name).casefold().replace(" ", "_")


def _full(of: tuple[str, str]) -> str:
    identity, label = of
    return label if label == identity else f"{identity} ({label})"


def _names(classes: Labels) -> tuple[str, ...]:
    """The labels; with the id where several classes share one (ImageNet has two cranes)."""
    count = Counter(label for _, label in classes)
    return tuple(
        label if count[label] == 1 else f"{label} ({identity})" for identity, label in classes
    )


def _tell(found: Truths, classes: Labels) -> None:
    notices = Notices()
    for label, place in found.places.items():
        if place == UNKNOWN:
            notices.add("class that the network does not know, all its pictures are wrong", label)
        elif label not in classes[place]:
            notices.add("class known by another spelling", f"{label} as {found.names[place]}")
    known = set(found.places.values()) - {UNKNOWN}
    for place, name in enumerate(found.names):
        if place not in known:
            notices.add("class of the network without a picture", name)
    told = notices.told()
    if told:
        log.warning("%d of the network's %d classes are in the data", len(known), len(found.names))
    for line in told:
        log.warning("%s", line)


def _some(names: Sequence[str]) -> str:
    rest = f", … ({len(names):,} in all)" if len(names) > _TOLD else ""
    return ", ".join(map(shown, names[:_TOLD])) + rest
