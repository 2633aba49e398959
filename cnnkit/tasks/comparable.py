"""Whether vectors made here can be compared with those of a store, and what has to be chosen."""

import re
from dataclasses import replace
from itertools import product
from typing import get_args

from cnnkit.errors import UnknownName, UsageError, WeightsError
from cnnkit.records import Fit, Interpolation, Precision, Stamp
from cnnkit.tasks.network import Job
from cnnkit.zoo.catalog import Network

_RANDOM = re.compile(r"random, seed (\d{1,10})")
_ANEW = "make the vectors anew: cnnkit extract-features"


def seed_of(stamp: Stamp) -> int | None:
    """The seed of the weights, where they were random."""
    random = _RANDOM.fullmatch(stamp.weights)
    return int(random[1]) if random else None


def fitting_of(network: Network, recipe: str) -> tuple[Fit, Interpolation]:
    """How pictures were fitted, of all the ways, for a recipe of this hash.

    Raises `UsageError` where it was none of them.
    """
    for fit, interpolation in product(get_args(Fit), get_args(Interpolation)):
        if replace(network.recipe, fit=fit, interpolation=interpolation).hash == recipe:
            return fit, interpolation
    raise UsageError(
        f"They were made from pixels by the recipe {recipe:.12}… Received: this version of cnnkit "
        f"makes them by {network.recipe.hash:.12}… for {network.name}, and by no other fit or "
        f"interpolation as then. To compare, {_ANEW}"
    )


def precision_of(stamp: Stamp) -> Precision:
    """The precision of a stamp. Raises `UnknownName` for one that this version does not know."""
    for known in ("float32", "bfloat16"):
        if stamp.precision == known:
            return known
    raise UnknownName("precision", stamp.precision, ("float32", "bfloat16"))


def refuse_other_weights(job: Job, stamp: Stamp) -> None:
    """Raise `WeightsError` unless the weights here are those under the stamp."""
    received = job.identity()
    if received != stamp.weights:
        raise WeightsError(
            f"The stored vectors were made by {job.network.name} with {_called(stamp.weights)}. "
            f"Received: {_called(received)}. Type: --weights FILE, with the file of then; "
            f"or {_ANEW}"
        )


def _called(identity: str) -> str:
    return f"{identity} as its weights" if "random" in identity else f"weights {identity:.12}…"


def refuse_other_width(features: int, stamp: Stamp) -> None:
    """Raise `UsageError` unless vectors of so many numbers are as wide as those under the stamp."""
    if features != stamp.features:
        raise UsageError(
            f"The stored vectors have {stamp.features} numbers each. Received: {features} from "
            f"{stamp.layer!r} of {stamp.model}. To compare, {_ANEW}"
        )
