"""One training run: its strategies one after another, and a folder with what came of them."""

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cnnkit.images.augment import Augmentation, Standardisation
from cnnkit.metrics.accuracy import hits
from cnnkit.metrics.bootstrap import interval
from cnnkit.metrics.calibration import (
    expected_calibration_error,
    refinement,
    softmax,
    temperature,
)
from cnnkit.outputs import bundle
from cnnkit.outputs.interrupts import noted
from cnnkit.records import Compared, EpochRow, Settings, Strategy, Trained
from cnnkit.records import bundle as names
from cnnkit.tasks.examples import Examples
from cnnkit.tasks.ground import Course, Ground
from cnnkit.tasks.reporting import write_report
from cnnkit.tasks.strategies import Outcome, bottleneck, finetuned, scratch

log = logging.getLogger(__name__)
if TYPE_CHECKING:
    import keras

_VERSIONS = ("cnnkit", "tensorflow", "keras", "numpy", "pillow", "h5py", "openvino")


@dataclass(frozen=True, slots=True)
class Judged:
    """An outcome, and what the validation pictures say of it; None without any.

    `loss` is what is left of it once the temperature is right.
    """

    outcome: Outcome
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    loss: float | None = None
    temperature: float = 1.0
    ece_before: float | None = None
    ece: float | None = None


def identity_of(
    settings: Settings,
    examples: Examples,
    changes: tuple[Augmentation | None, Standardisation | None],
) -> str:
    """A hash of all that decides what comes of a run; where its pictures lie does not."""
    told = asdict(settings) | {"data": "", "augment": repr(changes)}
    rows = [(each.label, each.split) for each in examples.examples]
    text = json.dumps([told, examples.contents, rows, examples.labels])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def run_to_the_end(folder: Path, ground: Ground) -> Trained:
    """Train by the strategies that were wished for, keep the best, and write the bundle."""
    from cnnkit.engines.keras_engine import start

    began = time.monotonic()
    start(ground.threads)
    with noted() as stop:
        ground = replace(_writing_history(folder, ground), stop=stop)
        judged = [_judged(ground, outcome) for outcome in _outcomes(ground)]
        best = _best(ground, judged)
        if not best.outcome.history:
            raise KeyboardInterrupt  # before there was anything to keep
        again = None
        if ground.settings.refit and best.outcome.logits is not None and not stop():
            again = _refitted(ground, judged, best)
        _say(best)
        seconds = time.monotonic() - began
        trained = _trained(folder, ground, judged, best, seconds, refit=again is not None)
        best.outcome.model = again or best.outcome.model
        # To write it down is what Ctrl-C asks for; pressed again, it ends that too.
        _write(folder, replace(ground, stop=lambda: False), judged, best, trained)
    if not trained.interrupted:
        bundle.close_run(folder)
    return trained


def _outcomes(ground: Ground) -> Iterator[Outcome]:
    """What the strategies come to, one after another; after Ctrl-C no other begins."""
    wished, compare = ground.settings.strategy, ground.settings.compare
    if wished == "scratch":
        yield scratch(ground)
        return
    first = bottleneck(ground)
    yield first
    try:
        if wished != "bottleneck" and not ground.stop():
            yield finetuned(ground, first)
        if compare and not ground.stop():
            yield scratch(ground)
    except KeyboardInterrupt:
        if not ground.stop():
            raise


def _best(ground: Ground, judged: list[Judged]) -> Judged:
    """The strategy that was named; of several, the one with the lowest validation loss.

    Where nothing is held out, that is the first one: nobody knows whether another is better.
    """
    begun = [each for each in judged if each.outcome.history]
    named = [each for each in begun if each.outcome.strategy == ground.settings.strategy]
    return named[0] if named else min(begun or judged, key=lambda each: each.loss or 0.0)


def _judged(ground: Ground, outcome: Outcome) -> Judged:
    if outcome.logits is None:
        return Judged(outcome)
    logits, truth = outcome.logits, ground.examples.truth(ground.held)
    right, warmth = hits(logits, truth, 1), temperature(logits, truth)
    return Judged(
        outcome,
        accuracy=float(right.mean()),
        interval=interval(right, seed=ground.settings.seed),
        loss=refinement(logits, truth),
        temperature=warmth,
        ece_before=expected_calibration_error(softmax(logits), truth),
        ece=expected_calibration_error(softmax(logits, warmth), truth),
    )


def _say(best: Judged) -> None:
    outcome = best.outcome
    if outcome.logits is None:
        log.warning(
            "Nothing was held out, as no class has two pictures to share between training and "
            "validation: nobody knows how good this network is."
        )
    elif outcome.strategy != "finetune" and not outcome.kept_epoch:
        log.warning(
            "No epoch of %s was better than what it started from: it has learnt nothing. "
            "A lower --lr may help.", outcome.strategy,
        )  # fmt: skip


def _refitted(ground: Ground, judged: list[Judged], best: Judged) -> "keras.Model | None":
    """The kept strategy once more, on validation pictures too, as far as it was good.

    None where what it begins with was no good at all, and where Ctrl-C ends it early.
    """
    ends = {each.outcome.strategy: each.outcome.kept_epoch for each in judged}
    first: Strategy = "scratch" if best.outcome.strategy == "scratch" else "bottleneck"
    if not ends[first]:
        log.warning("Nothing is fitted once more: no epoch of %s was kept.", first)
        return None
    whole = replace(
        ground,
        course=Course(ends, best.outcome.share),
        telling=replace(ground.telling, epoch=lambda row: None),
    )
    try:
        model = _once_more(whole, best.outcome.strategy, ends)
    except KeyboardInterrupt:
        if not ground.stop():
            raise
    return None if ground.stop() else model


def _once_more(whole: Ground, strategy: Strategy, ends: Mapping[Strategy, int]) -> "keras.Model":
    if strategy == "scratch":
        return scratch(whole).model
    first = bottleneck(whole)
    if strategy == "bottleneck" or not ends["finetune"]:
        return first.model
    return finetuned(whole, first).model


def _writing_history(folder: Path, ground: Ground) -> Ground:
    """The same, with every epoch written down as it ends."""
    from cnnkit.nets.board import Board

    told = ground.telling.epoch
    board = Board(folder / names.TENSORBOARD) if ground.tensorboard else None

    def epoch(row: EpochRow) -> None:
        bundle.append_history(folder, row)
        if board:
            board.show(row)
        told(row)

    return replace(ground, telling=replace(ground.telling, epoch=epoch))


def _trained(
    folder: Path,
    ground: Ground,
    judged: list[Judged],
    best: Judged,
    seconds: float,
    *,
    refit: bool,
) -> Trained:
    rows = tuple(
        Compared(
            strategy=each.outcome.strategy,
            epochs=len(each.outcome.history),
            kept_epoch=each.outcome.kept_epoch,
            share=each.outcome.share,
            accuracy=each.accuracy,
            interval=each.interval,
            loss=each.loss,
            seconds=round(each.outcome.seconds, 2),
            computed=each.outcome.computed,
            kept=each is best,
        )
        for each in judged
    )
    return Trained(
        run=str(folder),
        model=_model(ground),
        strategy=best.outcome.strategy,
        classes=ground.classes,
        train=len(ground.train),
        val=len(ground.held),
        accuracy=best.accuracy,
        interval=best.interval,
        temperature=best.temperature,
        ece_before=best.ece_before,
        ece=best.ece,
        seconds=round(seconds, 2),
        interrupted=ground.stop(),
        refit=refit,
        skipped=len(ground.examples.skipped),
        strategies=rows,
        report=str(folder / names.REPORT),
    )


def _model(ground: Ground) -> str:
    return ground.job.network.name if ground.job else str(ground.settings.arch)


def _write(
    folder: Path, ground: Ground, judged: list[Judged], best: Judged, trained: Trained
) -> None:
    """The bundle; its card comes last, for with it the folder is a network."""
    from cnnkit.nets.classifier import save, with_probabilities

    outcome = best.outcome
    model = with_probabilities(outcome.model, best.temperature)
    save(model, folder / names.MODEL)
    size, sha256 = bundle.digest(folder / names.MODEL)
    bundle.write_recipe(folder, outcome.recipe or ground.recipe)
    bundle.write_history(folder, [row for each in judged for row in each.outcome.history])
    bundle.write_json(folder, names.METRICS, trained.to_dict())
    bundle.write_json(folder, names.ENVIRONMENT, _environment())
    card = names.Card(
        backbone=_model(ground),
        strategy=outcome.strategy,
        classes=ground.classes,
        embedding=outcome.embedding,
        features=outcome.features,
        parameters=model.count_params(),
        temperature=best.temperature,
        refit=trained.refit,
        size=size,
        sha256=sha256,
    )
    bundle.write_json(folder, names.CARD, card.to_dict())
    write_report(folder, ground, [each.outcome for each in judged], trained)


def _environment() -> dict[str, str | int | None]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in _VERSIONS if find_spec(name.replace("pillow", "PIL"))},
        "machine": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }
