"""Pictures that must stand on the same side of a split, joined into clusters.

Two pictures are joined by equal content, by a group of the same name, or because the caller binds
them. Being joined is passed on: where a is joined to b and b to c, all three stay together.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cnnkit.datasets.manifests import SIDES
from cnnkit.errors import UsageError
from cnnkit.records import Example


@dataclass(frozen=True, slots=True)
class Cluster:
    """Pictures that stay together.

    `members` are places in the list of examples, ascending. `key` is a number that decides when
    the cluster's turn comes; it depends on the seed and on the cluster's smallest content alone.
    `counts` says how many of the members have which label.
    """

    members: tuple[int, ...]
    key: str
    counts: Counter[str]


def links(
    examples: Sequence[Example], contents: Sequence[str], bound: Iterable[Iterable[int]]
) -> list[tuple[int, int]]:
    """Pairs of places that must stay together, n - 1 of them for n that are alike.

    Raises `UsageError` where there is not one content per example, an example is in a split of
    another name, or `bound` names a place that is not there.
    """
    if unknown := {example.split for example in examples} - {"", *SIDES}:
        raise UsageError(
            f"Expected examples in {', '.join(SIDES)} or no split. Received: {min(unknown)!r}."
        )
    if len(contents) != len(examples):
        raise UsageError(
            f"Expected one content per example, {len(examples)}. Received: {len(contents)}."
        )
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (example, content) in enumerate(zip(examples, contents, strict=True)):
        if content:
            alike["content", content].append(place)
        if example.group:
            alike["group", example.group].append(place)
    pairs = [pair for places in (*alike.values(), *bound) for pair in pairwise(map(int, places))]
    wrong = [place for pair in pairs for place in pair if not 0 <= place < len(examples)]
    if wrong:
        raise UsageError(
            f"Expected places of examples, 0 to {len(examples) - 1}. Received: {wrong[0]}."
        )
    return pairs


def clusters(
    examples: Sequence[Example],
    contents: Sequence[str],
    pairs: Iterable[tuple[int, int]],
    seed: int,
) -> list[Cluster]:
    """All examples in clusters, in the order of their keys; most have one member.

    Contents are unique among clusters, and so are keys, unless a content is "".
    """
    above = list(range(len(examples)))
    for one, two in pairs:
        first, second = sorted((_top(above, one), _top(above, two)))
        above[second] = first
    members = defaultdict[int, list[int]](list)
    for place in range(len(examples)):
        members[_top(above, place)].append(place)
    found = (_cluster(tuple(places), examples, contents, seed) for places in members.values())
    return sorted(found, key=lambda cluster: cluster.key)


def _top(above: list[int], place: int) -> int:
    """The place that stands for a cluster; the way there is made shorter for the next time."""
    while above[place] != place:
        above[place] = above[above[place]]
        place = above[place]
    return place


def _cluster(
    members: tuple[int, ...], examples: Sequence[Example], contents: Sequence[str], seed: int
) -> Cluster:
    least = min((contents[place] for place in members if contents[place]), default="")
    key = hashlib.sha256(f"{seed}:{least}".encode()).hexdigest()
    # Sorted, so that whoever goes through the labels does so in one order.
    return Cluster(members, key, Counter(sorted(examples[place].label for place in members)))
