"""DATA → labelled pictures that can be read, each on one side of an honest split."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from cnnkit.datasets.reading import read
from cnnkit.datasets.splitting import split
from cnnkit.errors import InputError, UsageError
from cnnkit.images.fingerprint import Fingerprint, fingerprint
from cnnkit.records import Dataset, Example, Skipped
from cnnkit.search.fingerprints import NEAR_DUPLICATES, near
from cnnkit.tasks.inputs import Path

Counted = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled pictures: `contents[i]` is the sha256 of `examples[i]`, which has a split.

    `labels` are the classes in natural order. `kept_together` counts pictures that stand on one
    side with a duplicate or with others of their group; `straddling` are pairs of near-duplicates
    on two sides that were given.
    """

    name: str
    examples: tuple[Example, ...]
    contents: tuple[str, ...]
    labels: tuple[str, ...]
    notices: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    kept_together: int = 0
    straddling: tuple[tuple[int, int], ...] = ()

    def places(self, side: str) -> list[int]:
        """Which of the examples are on a side: "train", "val" or "test"."""
        return [place for place, each in enumerate(self.examples) if each.split == side]

    def paths(self, places: Sequence[int]) -> list[str]:
        """Their paths."""
        return [self.examples[place].path for place in places]

    def truth(self, places: Sequence[int]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Their classes, (n,), as places in `labels`; -1 for a label that is not there."""
        index = {label: place for place, label in enumerate(self.labels)}
        return np.array([index.get(self.examples[p].label, -1) for p in places], np.int64)

    def counts(self) -> dict[str, Counter[str]]:
        """How many pictures each class has, by side."""
        found: dict[str, Counter[str]] = {label: Counter() for label in self.labels}
        for example in self.examples:
            found.setdefault(example.label, Counter())[example.split] += 1
        return found


def gathered(
    data: Path,
    *,
    share: float = 0.2,
    seed: int = 0,
    group_by: str | None = None,
    threads: int = 1,
    counted: Counted = lambda done, total: None,
) -> Examples:
    """Read DATA, and split what nobody has split: by class, and near-duplicates kept together.

    Args:
        data: a folder of class folders, one with `train/` and `val/`, or a CSV or JSONL list.
        share: of each class that is held out, where none is.
        seed: of the split, which is a function of it and of the pictures' contents.
        group_by: a regular expression; paths below DATA that it finds the same in (its first
            group, or all that it matches) are never on two sides.
        threads: that read pictures.
        counted: is told how many pictures are read, of how many.

    Raises `InputError` for data that cannot be read or hold fewer than two classes, `UsageError`
    for a share that makes no sense and an expression that tells nothing apart.
    """
    dataset = read(os.fsdecode(data))
    grouped = _grouped(dataset, data, group_by)
    prints = list(_prints([e.path for e in grouped], threads, counted))
    readable = [place for place, each in enumerate(prints) if isinstance(each, Fingerprint)]
    examples = [grouped[place] for place in readable]
    known = [each for each in prints if isinstance(each, Fingerprint)]
    _refuse_too_few(data, examples)
    contents = tuple(each.sha256 for each in known)
    done = split(examples, contents, _near(known), share=share, seed=seed)
    present = {example.label for example in done.examples if example.split == "train"}
    if len(present) < 2:
        raise InputError(
            f"Expected pictures of two classes or more to train on in {str(data)!r}. Received: "
            f"{len(present)} in train, of {len({each.label for each in examples})} in all."
        )
    labels = tuple(label for label in dataset.labels if label in present)
    return Examples(
        name=dataset.name,
        examples=done.examples,
        contents=contents,
        labels=labels,
        notices=dataset.notices,
        skipped=tuple(each for each in prints if isinstance(each, Skipped)),
        kept_together=done.kept_together,
        straddling=done.straddling,
    )


def _grouped(dataset: Dataset, data: Path, group_by: str | None) -> list[Example]:
    """The examples with what a pattern finds in their paths below DATA as their group."""
    if group_by is None:
        return list(dataset.examples)
    pattern, top = re.compile(group_by), os.path.abspath(os.fsdecode(data))
    top = top if os.path.isdir(top) else os.path.dirname(top)
    grouped = [_with_group(example, top, pattern) for example in dataset.examples]
    found = {example.group for example in grouped}
    if len(found - {""}) < 2:
        raise UsageError(
            f"Expected --group-by to tell pictures apart by their paths below {top!r}. Received: "
            f"{group_by!r}, which finds {'the same in all' if found - {''} else 'nothing in any'} "
            "of them."
        )
    return grouped


def _with_group(example: Example, top: str, pattern: re.Pattern[str]) -> Example:
    found = pattern.search(os.path.relpath(example.path, top))
    if found is None:
        return example
    return replace(example, group=(found[1] if pattern.groups else found[0]) or "")


def _prints(
    paths: Sequence[str], threads: int, counted: Counted
) -> Iterable[Fingerprint | Skipped]:
    with ThreadPoolExecutor(threads, thread_name_prefix="fingerprint") as pool:
        for done, each in enumerate(pool.map(fingerprint, paths), 1):
            counted(done, len(paths))
            yield each


def _near(known: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Pairs of near-duplicates among pictures that show something."""
    places = [place for place, each in enumerate(known) if not each.flat]
    if len(places) < 2:
        return []
    pairs = near(np.stack([known[place].bits for place in places]), NEAR_DUPLICATES)
    return [(places[one], places[two]) for one, two in pairs.tolist()]


def _refuse_too_few(data: Path, examples: Sequence[Example]) -> None:
    labels = {example.label for example in examples}
    if len(labels) < 2:
        found = f"one, {next(iter(labels))!r}" if labels else "none"
        raise InputError(
            f"Expected pictures of two classes or more in {str(data)!r}: a folder for each class. "
            f"Received: {found}."
        )
