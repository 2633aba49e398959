"""Five folds over the 550 flowers: ``python -m tests.benchmarks.flower_folds MODEL … [--seeds N]``.

In each fold every strategy, and a logistic regression on the same embeddings, learns from four
fifths of the pictures; whatever is to be chosen (epochs, penalties) is chosen within them. The
folds keep near-duplicates together. Accuracies are over all 550 answers, with their intervals; with
several seeds, over the answers of each: single runs are two or three pictures apart.
"""

import argparse
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


def compared(model: str, strategies: Sequence[str], *, seed: int = 0) -> Hits:
    """Whether each of the 550 is named rightly, by who names it; training begins with `seed`."""
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
                hits = _trained(Path(folder), known, part, model, strategy, seed)
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
    folder: Path, known: Examples, part: Split, model: str, strategy: str, seed: int
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
    finetune(folder / "split.jsonl", out=run, strategy=strategy, refit=True, seed=seed, **wishes)
    held = [each for each in part.examples if each.split == "val"]
    told = classify([each.path for each in held], model=str(run), top=1, engine="keras")
    guesses = [row.predictions[0].label for row in told]  # type: ignore[union-attr]
    return np.array([guess == each.label for guess, each in zip(guesses, held, strict=True)])


def main(arguments: list[str]) -> None:
    """Print every accuracy, and how each strategy differs from the probe and the bottleneck."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=["mobilenet_0.25", "mobilenet_0.75"])
    parser.add_argument("--strategies", default="bottleneck,finetune,auto,scratch")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args(arguments)
    for model in given.models:
        names = given.strategies.split(",")
        runs = [compared(model, names, seed=seed) for seed in range(given.seeds)]
        for name in runs[0]:
            hits, means = _mean(runs, name), [f"{each[name].mean():.1%}" for each in runs]
            low, high = interval(hits, seed=0) or (0.0, 0.0)
            print(
                f"{model:16} {name:12} {hits.mean():.2%} [{low:.1%}, {high:.1%}]"
                f"  probe {_apart(hits, _mean(runs, 'probe'))}"
                f"  bottleneck {_apart(hits, _mean(runs, 'bottleneck'))}  {' '.join(means)}",
                flush=True,
            )


def _mean(runs: Sequence[Hits], name: str) -> NDArray[np.float64]:
    """Of each picture, the share of runs that name it rightly."""
    return np.mean([each[name] for each in runs], axis=0, dtype=np.float64)


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    apart = difference(one, other, seed=0)
    return f"{apart.value:+.2%} [{apart.low:+.1%}, {apart.high:+.1%}]" if apart else ""


if __name__ == "__main__":
    main(sys.argv[1:])
