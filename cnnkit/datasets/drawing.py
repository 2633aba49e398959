"""Which clusters go to val: a share of each class (`drawn`), or each in its turn (`dealt`).

Both take clusters in the order of their keys, which hang on content alone. In `drawn` a class
knows of another one only where a cluster holds both.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from cnnkit.datasets.clusters import Cluster


def drawn(clusters: Sequence[Cluster], share: float) -> list[Cluster]:
    """About `share` of each class, in the order of the clusters.

    A cluster is taken if its classes, taken together, are then nearer to their shares. No class is
    taken as a whole. A class of which nothing was taken gives the cluster that leaves it and its
    fellows nearest to their shares, if it has another one.
    """
    pool = _Pool(clusters, share)
    for cluster in clusters:
        if pool.gain(cluster) > 0 and pool.spares(cluster):
            pool.take(cluster)
    for label, members in pool.clusters_of.items():
        able = [cluster for cluster in members if pool.spares(cluster)]
        if not pool.taken[label] and able:
            pool.take(max(able, key=pool.gain))  # of two that are equal the first
    return [cluster for cluster in clusters if cluster in pool]


class _Pool:
    """What there is of each class, what was taken of it, and what should be."""

    def __init__(self, clusters: Sequence[Cluster], share: float) -> None:
        self.clusters_of = _by_label(clusters)
        self.taken = Counter[str]()
        self._wanted = {label: share * count for label, count in _totals(clusters).items()}
        self._left = Counter({label: len(found) for label, found in self.clusters_of.items()})
        self._chosen: set[int] = set()

    def __contains__(self, cluster: Cluster) -> bool:
        return cluster.members[0] in self._chosen

    def gain(self, cluster: Cluster) -> float:
        """By how many pictures its classes come nearer to their shares; below 0, go away."""
        return sum(
            abs(self._wanted[label] - self.taken[label])
            - abs(self._wanted[label] - self.taken[label] - count)
            for label, count in cluster.counts.items()
        )

    def spares(self, cluster: Cluster) -> bool:
        """Whether each of its classes has another cluster that was not taken."""
        return all(self._left[label] > 1 for label in cluster.counts)

    def take(self, cluster: Cluster) -> None:
        """To val with it."""
        self._chosen.add(cluster.members[0])
        self.taken.update(cluster.counts)
        self._left.subtract(cluster.counts.keys())


def dealt(clusters: Sequence[Cluster], count: int) -> list[list[Cluster]]:
    """Clusters in `count` hands, of each class about as much in each.

    The largest are dealt first, each to the hand that has least of its classes; of such hands to
    the one that has least, and then to the one that the cluster's key names. A cluster that is all
    of a class is not dealt; nor is the first one of a class that came into one hand as a whole.
    """
    of_label, total = _by_label(clusters), _totals(clusters)
    held, sizes = [Counter[str]() for _ in range(count)], [0] * count
    hand_of: dict[int, int] = {}
    for cluster in sorted(clusters, key=lambda cluster: -len(cluster.members)):
        if any(len(of_label[label]) == 1 for label in cluster.counts):
            continue
        loads = [
            (sum(hand[label] / total[label] for label in cluster.counts), size)
            for hand, size in zip(held, sizes, strict=True)
        ]
        turn = int(cluster.key, 16)
        best = min(range(count), key=lambda hand: (loads[hand], (hand - turn) % count))
        held[best].update(cluster.counts)
        sizes[best] += len(cluster.members)
        hand_of[cluster.members[0]] = best
    for found in of_label.values():
        if len({hand_of.get(cluster.members[0]) for cluster in found}) == 1:
            hand_of.pop(found[0].members[0], None)
    hands: list[list[Cluster]] = [[] for _ in range(count)]
    for cluster in clusters:
        if cluster.members[0] in hand_of:
            hands[hand_of[cluster.members[0]]].append(cluster)
    return hands


def _by_label(clusters: Sequence[Cluster]) -> dict[str, list[Cluster]]:
    found = defaultdict[str, list[Cluster]](list)
    for cluster in clusters:
        for label in cluster.counts:
            found[label].append(cluster)
    return found


def _totals(clusters: Sequence[Cluster]) -> Counter[str]:
    total = Counter[str]()
    for cluster in clusters:
        total.update(cluster.counts)
    return total
