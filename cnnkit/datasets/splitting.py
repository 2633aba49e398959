"""Labelled pictures → those to learn from and those to be tested on, with nothing on both sides.

Clusters (see `clusters`) are drawn in the order of a hash of their content. A class's share is
filled from the front of that order: it is exact to half a cluster, and who is drawn depends on no
name, no order and no other class. Pictures that are added to a class move others only where the
share ends: of 1,000 that grow to 1,100, three change sides on average. Asking each hash alone
whether it is below the share, as is often done, would move none; but a class of ten would have
nothing to be tested on one time in nine, at a share of a fifth. A cluster that grows moves when
its new member has the smallest content.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cnnkit.datasets.clusters import Cluster, clusters, links
from cnnkit.datasets.drawing import dealt, drawn
from cnnkit.datasets.manifests import SIDES
from cnnkit.errors import UsageError
from cnnkit.records import Example


@dataclass(frozen=True, slots=True)
class Split:
    """Examples that all have a split, in the order in which they came.

    `kept_together` counts the pictures that stand on one side with all others of their cluster,
    pictures alone left out. `straddling` names what is given on two sides: for each picture that
    has one of its cluster on an earlier side (of train, val, test), the place of such an earlier
    picture and its own. The earlier one is joined to it directly, where any is.
    """

    examples: tuple[Example, ...]
    kept_together: int
    straddling: tuple[tuple[int, int], ...]


def split(
    examples: Sequence[Example],
    contents: Sequence[str],
    bound: Iterable[Iterable[int]],
    *,
    share: float = 0.2,
    seed: int = 0,
) -> Split:
    """Give every example a split.

    Where none is in val, about `share` of each class goes there, of what is in train or nowhere.
    Never does all of a class go; of a class that has two clusters or more at least one does, as
    long as no other class loses its last one by that. A cluster of several classes goes where that
    brings them nearer to their shares, taken together.

    What is given is not moved where any example is in val; nor is, ever, what is bound to an
    example in test. Pictures of no split then go with those that they are bound to, where these
    are on one side, and to train otherwise. What straddles is reported.

    Args:
        examples: the pictures, n of them.
        contents: the sha256 of each file, in hex; "" is equal to nothing.
        bound: places, from 0 to n - 1, that must stay together, such as near-duplicates.
        share: of each class, above 0 and below 1.
        seed: another seed, another draw.

    Raises `UsageError` for a share out of range, and as `links` does.
    """
    if not 0 < share < 1:
        raise UsageError(f"Expected a share between 0 and 1, such as 0.2. Received: {share!r}.")
    pairs = links(examples, contents, bound)
    found = clusters(examples, contents, pairs, seed)
    given = any(example.split == "val" for example in examples)
    free = [] if given else [each for each in found if not _holds(each, examples, "test")]
    sides = _on("train", free) | _on("val", drawn(free, share))
    return _settled(examples, sides, found, pairs)


def folds(
    examples: Sequence[Example],
    contents: Sequence[str],
    bound: Iterable[Iterable[int]],
    *,
    count: int,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Split in `count` ways, so that each picture is in val once, for cross-validation.

    Train and val as they are given are forgotten; test, and what is bound to it, stay as in
    `split`. Each class is dealt out evenly, cluster by cluster. A class that would be in val as a
    whole, as one of a single cluster would, keeps a cluster in train every time.

    Args:
        examples, contents, bound, seed: as `split` takes them.
        count: how many, 2 or more, so few that each has a cluster in val.

    Raises `UsageError` for a count out of range, and as `links` does.
    """
    pooled = [e if e.split == "test" else replace(e, split="") for e in examples]
    pairs = links(pooled, contents, bound)
    found = clusters(pooled, contents, pairs, seed)
    free = [each for each in found if not _holds(each, pooled, "test")]
    hands = dealt(free, count) if count >= 2 else [[]]
    if not all(hands):
        raise UsageError(
            f"Expected 2 folds or more, and for each of them pictures that have nothing in common "
            f"with those of another, {len(free)} clusters at most. Received: {count!r}."
        )
    everyone = _on("train", free)
    return tuple(_settled(pooled, everyone | _on("val", hand), found, pairs) for hand in hands)


def _on(side: str, chosen: Iterable[Cluster]) -> dict[int, str]:
    return {place: side for cluster in chosen for place in cluster.members}


def _holds(cluster: Cluster, examples: Sequence[Example], side: str) -> bool:
    return any(examples[place].split == side for place in cluster.members)


def _settled(
    examples: Sequence[Example],
    sides: dict[int, str],
    found: Iterable[Cluster],
    pairs: Iterable[tuple[int, int]],
) -> Split:
    """Places with a side get it; the others keep theirs, or follow those that they are bound to."""
    after = [sides.get(place, example.split) for place, example in enumerate(examples)]
    together, torn = 0, list[Cluster]()
    for cluster in found:
        given = {after[place] for place in cluster.members} - {""}
        rest = given.pop() if len(given) == 1 else "train"
        for place in cluster.members:
            after[place] = after[place] or rest
        if len({after[place] for place in cluster.members}) > 1:
            torn.append(cluster)
        elif len(cluster.members) > 1:
            together += len(cluster.members)
    return Split(
        tuple(replace(e, split=side) for e, side in zip(examples, after, strict=True)),
        together,
        tuple(sorted(_straddling(torn, after, pairs), key=lambda pair: pair[1])),
    )


def _straddling(
    torn: Iterable[Cluster], sides: Sequence[str], pairs: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Of clusters on several sides: (an earlier one, each that is on a later side)."""
    joined = defaultdict[int, list[int]](list)
    for one, two in pairs:
        joined[one].append(two)
        joined[two].append(one)
    for cluster in torn:
        ranks = {place: SIDES.index(sides[place]) for place in cluster.members}
        first = min(cluster.members, key=lambda place: (ranks[place], place))
        for place in cluster.members:
            if ranks[place] > ranks[first]:
                near = (each for each in joined[place] if ranks[each] < ranks[place])
                yield min(near, default=first), place
