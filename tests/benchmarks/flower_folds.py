"""Five folds over the 550 flowers: ``python -m tests.benchmarks.flower_folds [MODEL …]``.

In each fold every strategy, and a logistic regression on the same embeddings, learns from four
fifths of the pictures; whatever is to be chosen (epochs, penalties) is chosen within them. The
folds keep near-duplicates together. Accuracies are over all 550 answers, with their intervals.
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.datasets.splitting import Split, folds
from cnnkit.images.fingerprint import Fingerprint, fingerprint
from cnnkit.metrics.bootstrap import difference, interval
from cnnkit.outputs.bundle import write_split
from cnnkit.records import Example
from cnnkit.search.fingerprints import NEAR_DUPLICATES, near
from cnnkit.tasks.examples import Examples, gathered
from cnnkit.tasks.features import features
from cnnkit.tasks.network import Job
from cnnkit.zoo.catalog import find
from tests.conftest import DATA

Hits = dict[str, NDArray[np.bool_]]
FLOWERS = DATA / "photos" / "flowers"
SCRATCH = "INPUT96 -> [CONV3-32 -> BN -> RELU -> POOL2]*3 -> CONV3-64 -> RELU -> GAP -> FC"


def flowers() -> tuple[Examples, tuple[Split, ...]]:
    """All flowers, and five ways to hold a fifth of them out."""
    known = gathered(FLOWERS, threads=2)
    rows = [Example(each.path, each.label) for each in known.examples]
    prints = [fingerprint(each.path) for each in rows]
    bits = np.stack([each.bits for each in prints if isinstance(each, Fingerprint)])
    return known, folds(rows, known.contents, near(bits, NEAR_DUPLICATES).tolist(), count=5)


def compared(model: str, strategies: Sequence[str]) -> Hits:
    """Whether each of the 550 is named rightly, by who names it."""
    known, parts = flowers()
    job = Job.of(model, precision="float32", layer=find(model).embedding)
    vectors = features([each.path for each in known.examples], job).gathered()
    found: dict[str, list[bool]] = defaultdict(list)
    for part in parts:
        sides = np.array([each.split for each in part.examples])
        truth = known.truth(range(len(known.examples)))
        learnt, held = sides == "train", sides == "val"
        found["probe"] += _probed(vectors, truth, learnt, held).tolist()
        with tempfile.TemporaryDirectory() as folder:
            for strategy in strategies:
                hits = _trained(Path(folder), known, part, model, strategy)
                found[strategy] += hits.tolist()
    return {name: np.array(each) for name, each in found.items()}


def _probed(
    vectors: NDArray[np.float32],
    truth: NDArray[np.int64],
    learnt: NDArray[np.bool_],
    held: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(
        StandardScaler(),
        LogisticRegressionCV(
            Cs=np.logspace(-5, 1, 13),
            max_iter=2000,
            use_legacy_attributes=False,
            l1_ratios=(0,),
            scoring="accuracy",
        ),
    )
    probe.fit(vectors[learnt], truth[learnt])
    return np.asarray(probe.predict(vectors[held]) == truth[held])


def _trained(
    folder: Path, known: Examples, part: Split, model: str, strategy: str
) -> NDArray[np.bool_]:
    """Train on the fold's pictures alone, and name the held ones by the bundle that comes of it."""
    from cnnkit import classify, finetune

    learnt = [place for place, each in enumerate(part.examples) if each.split == "train"]
    folder.mkdir(exist_ok=True)
    write_split(
        folder,
        [Example(part.examples[p].path, part.examples[p].label) for p in learnt],
        [known.contents[p] for p in learnt],
    )
    wishes: dict[str, Any] = {"arch": SCRATCH} if strategy == "scratch" else {"model": model}
    run = folder / strategy
    finetune(folder / "split.jsonl", out=run, strategy=strategy, refit=True, **wishes)
    held = [each for each in part.examples if each.split == "val"]
    told = classify([each.path for each in held], model=str(run), top=1, engine="keras")
    guesses = [row.predictions[0].label for row in told]  # type: ignore[union-attr]
    return np.array([guess == each.label for guess, each in zip(guesses, held, strict=True)])


def main(arguments: list[str]) -> None:
    """Print every accuracy, and how each strategy differs from the probe."""
    for model in arguments or ["mobilenet_0.25", "mobilenet_0.75"]:
        found = compared(model, ("bottleneck", "finetune", "auto", "scratch"))
        for name, hits in found.items():
            low, high = interval(hits, seed=0) or (0.0, 0.0)
            apart = difference(hits, found["probe"], seed=0)
            against = f"{apart.value:+.1%} [{apart.low:+.1%}, {apart.high:+.1%}]" if apart else ""
            print(f"{model:16} {name:12} {hits.mean():.1%} [{low:.1%}, {high:.1%}]  {against}")


if __name__ == "__main__":
    main(sys.argv[1:])
