"""How many pictures a network has learnt from, of those that it is to be judged by."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cnnkit.errors import InputError
from cnnkit.outputs import bundle
from cnnkit.tasks.content import facts_of
from cnnkit.zoo.bundles import is_bundle, read_card
from cnnkit.zoo.catalog import Network


def learnt_from(network: Network, paths: Sequence[str], *, threads: int = 1) -> int:
    """How many of these pictures, by content, the training run that made the network learnt from.

    0 for a network that no run has made, or whose list of pictures is gone.
    """
    if not is_bundle(network):
        return 0
    try:
        rows, contents = bundle.read_split(Path(network.name))
    except InputError:  # a network without its history is a network still
        return 0
    sides = {"train", "val"} if read_card(network.name).refit else {"train"}
    known = {content for row, content in zip(rows, contents, strict=True) if row.split in sides}
    with ThreadPoolExecutor(threads, thread_name_prefix="content") as pool:
        return sum(
            facts is not None and facts.sha256 in known for facts in pool.map(facts_of, paths)
        )
