"""What was left out of a dataset, or looks wrong in it, told in words."""

import os
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from cnnkit.records import Example
from cnnkit.records.order import natural_key

# So many names of a kind are told; of more there is a count.
_TOLD: Final = 5


class Notices:
    """Collects names by what is to be said of them, in the order in which the first one came."""

    def __init__(self) -> None:
        self._names = defaultdict[str, list[str]](list)

    def add(self, kind: str, name: str) -> None:
        """One more of a kind, such as "empty folder"."""
        self._names[kind].append(name)

    def told(self) -> tuple[str, ...]:
        """One line for each kind: "empty folder: rose", or "empty folder (7): a, b, c, d, e, …"."""
        return tuple(_line(kind, names) for kind, names in self._names.items())


def _line(kind: str, names: list[str]) -> str:
    count = f" ({len(names):,})" if len(names) > 1 else ""
    told = ", ".join(map(shown, names[:_TOLD]))
    return f"{kind}{count}: {told}{', …' if len(names) > _TOLD else ''}"


def shown(name: str) -> str:
    """A name as it is, or with escapes where it holds what is no text."""
    return name if name.isprintable() else ascii(name)


def once(examples: Iterable[Example], notices: Notices) -> list[Example]:
    """The examples without those that say again what an earlier one says of the same file.

    A file is known by its inode: links to it are the same file. One that has two labels is kept
    with both, and noticed.
    """
    kept: list[Example] = []
    seen: dict[tuple[int, int] | str, dict[str, set[str]]] = {}
    for example in examples:
        said = seen.setdefault(_identity(example.path), {})
        if example.split in said.get(example.label, ()):
            notices.add("named twice", example.path)
            continue
        if said and example.label not in said:
            labels = ", ".join(shown(label) for label in (*said, example.label))
            notices.add("one file under several labels", f"{example.path} ({labels})")
        said.setdefault(example.label, set()).add(example.split)
        kept.append(example)
    return kept


def _identity(path: str) -> tuple[int, int] | str:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # whoever opens it will say what it is
        return os.path.normpath(path)
    return (status.st_dev, status.st_ino)


def note_untrained(examples: Iterable[Example], notices: Notices) -> None:
    """Notice each class that nothing can be learned of, for it is in val or test alone."""
    sides = defaultdict[str, set[str]](set)
    for example in examples:
        sides[example.label].add(example.split)
    for label in sorted(sides, key=natural_key):
        if not sides[label] & {"", "train"}:
            notices.add(f"class only in {' and '.join(sorted(sides[label], reverse=True))}", label)
