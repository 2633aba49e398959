"""What pictures whose classes are known say of a network's logits."""

import math

from numpy.typing import ArrayLike

from cnnkit.metrics.accuracy import hits
from cnnkit.metrics.calibration import cross_entropy, refinement
from cnnkit.records import Verdict


def verdict(logits: ArrayLike, truth: ArrayLike) -> Verdict:
    """Their accuracy, their loss, and what of it no temperature can mend.

    Logits are (n, K), truths (n,), at least one. Losses without a row that is a number are
    infinite. Raises `ValueError` for shapes and truths that do not fit.
    """
    left, loss = refinement(logits, truth), cross_entropy(logits, truth)
    return Verdict(
        refinement=math.inf if left is None else left,
        loss=math.inf if loss is None else loss,
        accuracy=float(hits(logits, truth, 1).mean()),
    )
