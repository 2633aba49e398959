"""A folder of pictures → a classifier, and all that is needed to trust it or run it again."""

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cnnkit.errors import InputError, UsageError
from cnnkit.images.augment import Augmentation, Standardisation, read_for_training, varies
from cnnkit.outputs import bundle
from cnnkit.records import (
    Example,
    Recipe,
    Settings,
    Skipped,
    Trained,
)
from cnnkit.records import bundle as names
from cnnkit.tasks.content import facts_of
from cnnkit.tasks.cores import available_cores
from cnnkit.tasks.examples import Examples, gathered
from cnnkit.tasks.ground import Ground, Telling
from cnnkit.tasks.inputs import Path as AnyPath
from cnnkit.tasks.network import Job
from cnnkit.tasks.runs import identity_of, run_to_the_end
from cnnkit.tasks.settings import checked, pattern_recipe
from cnnkit.zoo import weights as store
from cnnkit.zoo.bundles import find, is_bundle
from cnnkit.zoo.catalog import DEFAULT_MODEL

log = logging.getLogger(__name__)
Changes = tuple[Augmentation | None, Standardisation | None]


@dataclass(frozen=True, slots=True)
class Means:
    """By what a run is carried out; none of it changes what comes of it.

    `threads` are the cores to use, by default all that this process may. `checkpoint_every` is in
    seconds. `devices` are TensorFlow's names of those that share each batch, by default all GPUs.
    With `tensorboard` the curves are also written for TensorBoard.
    """

    threads: int | None = None
    checkpoint_every: float = 30.0
    devices: Sequence[str] = ()
    tensorboard: bool = False
    offline: bool = False
    reporter: store.Reporter | None = None
    telling: Telling = field(default_factory=Telling)


def finetune(
    data: AnyPath,
    *,
    out: str | os.PathLike[str] | None = None,
    means: Means | None = None,
    **options: Any,
) -> Trained:
    """Train a classifier on DATA, and leave it in a folder that `classify` takes as its model.

    Args:
        data: a folder of class folders, one with `train/`, `val/` and `test/`, or a list.
        out: the run's folder; by default `runs/DATA-MODEL-NNN`.
        means: cores, devices, and who is told how far it has come.
        options: the fields of `cnnkit.records.Settings`.

    Ctrl-C ends it at the next step; what it came to by then is in the record, and in the folder.
    Raises `UsageError` for options that make no sense, `InputError` for data that are none,
    `OutputError` for a folder that is not free, `WeightsError` for weights that cannot be had.
    """
    means = means or Means()
    settings = checked(data, options)
    job, recipe = network_of(settings, means)
    changes = changes_of(settings, recipe)
    if job:
        job.weights_path()  # what cannot be had is said before anything is made
    examples = examples_of(settings, means)
    _say(examples)
    if means.tensorboard:
        _refuse_without_tensorboard()
    stem = f"{examples.name}-{Path(job.network.name).name if job else 'pattern'}"
    folder = bundle.new_run(out, stem)
    if settings.augment:
        settings = replace(settings, augment=bundle.keep_copy(folder, settings.augment))
    _begin(folder, settings, examples)
    ground = _ground(folder, settings, examples, job, recipe, changes, means)
    try:
        return run_to_the_end(folder, ground)
    except UsageError:  # such as a layer that the network has not: nothing to go on with
        bundle.remove_run(folder)
        raise


def resume(run: str | os.PathLike[str], *, means: Means | None = None) -> Trained:
    """Go on with a run that was killed or interrupted: what comes of it is what it would have been.

    Raises `InputError` for a folder that is no run, or a finished one, and for pictures that are
    not what they were.
    """
    means, folder = means or Means(), Path(run)
    settings, examples = _begun(folder)
    own = folder / names.AUGMENTATION
    if settings.augment and own.is_file():  # wherever the run lies by now
        settings = replace(settings, augment=str(own))
    job, recipe = network_of(settings, means)
    changes = changes_of(settings, recipe)
    return run_to_the_end(folder, _ground(folder, settings, examples, job, recipe, changes, means))


def network_of(settings: Settings, means: Means) -> tuple[Job | None, Recipe]:
    """The pretrained network, None for a pattern alone, and how pictures come in."""
    if settings.arch and settings.strategy == "scratch":
        return None, pattern_recipe(settings)
    network = find(settings.model or DEFAULT_MODEL)
    if is_bundle(network):
        raise UsageError(
            f"Expected a network of the catalog. Received: {network.name}, which is trained "
            "already. What it was trained from is in its bundle.json."
        )
    job = Job.of(
        network.name,
        weights="none" if settings.strategy == "scratch" else settings.weights,
        fit=settings.fit,
        interpolation=settings.interpolation,
        precision="float32",
        threads=means.threads,
        seed=settings.seed,
        offline=means.offline,
        reporter=means.reporter,
        layer=network.embedding,
    )
    return job, job.recipe


def examples_of(settings: Settings, means: Means) -> Examples:
    """The pictures, each on one side."""
    return gathered(
        settings.data,
        share=settings.val_split,
        seed=settings.seed,
        group_by=settings.group_by,
        threads=means.threads or available_cores(),
        counted=lambda done, total: means.telling.pictures("pictures", done, total),
    )


def _refuse_without_tensorboard() -> None:
    if find_spec("tensorboard") is None:
        raise UsageError(
            "--tensorboard needs the extra tensorboard: pip install 'cnnkit[tensorboard]'"
        )


def _say(examples: Examples) -> None:
    """What a person has to know of the pictures before they are trained on."""
    for notice in examples.notices:
        log.warning("%s", notice)
    for skipped in examples.skipped:
        log.warning("left out: %s: %s", skipped.path, skipped.message)
    if examples.kept_together:
        log.warning(
            "%d pictures are near-duplicates or of one group, and stand on one side.",
            examples.kept_together,
        )
    for one, two in examples.straddling:
        log.warning(
            "given on two sides, but nearly the same picture: %s and %s",
            examples.examples[one].path, examples.examples[two].path,
        )  # fmt: skip


def changes_of(settings: Settings, recipe: Recipe) -> Changes:
    """What `--augment` says of pictures, and what of tensors.

    Raises `InputError` for a file that cannot be read, `UsageError` for one that makes no sense,
    and for tensors that weights which are trained already would not know.
    """
    if not settings.augment:
        return None, None
    augmentation, standardisation = read_for_training(settings.augment)
    compares = "--contrast" if settings.contrast else "--views" if settings.views else None
    if compares and not (augmentation and varies(augmentation)):
        raise UsageError(
            f"{settings.augment}: {compares} takes changed copies of a picture, and nothing varies "
            "here. Expected a parameter such as rotation_range = 40."
        )
    if standardisation and settings.strategy != "scratch":
        raise UsageError(
            f"{settings.augment}: rescale, samplewise_…, featurewise_… and zca_… say what numbers "
            "a network is given. Weights that are trained already expect those that they were "
            "trained on, and get them. Leave these out, or type --strategy scratch."
        )
    if standardisation:
        standardisation.refuse_too_large(recipe.height, recipe.width)
    return augmentation, standardisation


def _ground(
    folder: Path,
    settings: Settings,
    examples: Examples,
    job: Job | None,
    recipe: Recipe,
    changes: Changes,
    means: Means,
) -> Ground:
    return Ground(
        settings=settings,
        examples=examples,
        job=job,
        recipe=recipe,
        augmentation=changes[0],
        standardisation=changes[1],
        threads=means.threads or available_cores(),
        folder=folder / names.CHECKPOINTS,
        identity=identity_of(settings, examples, changes),
        every=means.checkpoint_every,
        devices=means.devices,
        tensorboard=means.tensorboard,
        telling=means.telling,
    )


def _begin(folder: Path, settings: Settings, examples: Examples) -> None:
    """Write down what the run is: all that `resume` needs."""
    bundle.write_split(folder, examples.examples, examples.contents)
    bundle.write_configuration(folder, settings)
    bundle.write_labels(folder, examples.labels)
    bundle.write_history(folder, ())
    told = {
        "settings": asdict(settings),
        "name": examples.name,
        "labels": examples.labels,
        "notices": examples.notices,
        "skipped": [asdict(each) for each in examples.skipped],
        "kept_together": examples.kept_together,
        "straddling": examples.straddling,
    }
    bundle.write_state(folder, told)


def _begun(folder: Path) -> tuple[Settings, Examples]:
    """What `_begin` wrote, once it is known that the pictures are still the same."""
    rows, contents = bundle.read_split(folder)
    told = bundle.read_state(folder)
    _refuse_changed(rows, contents)
    return Settings(**told["settings"]), Examples(
        name=told["name"],
        examples=tuple(rows),
        contents=tuple(contents),
        labels=tuple(told["labels"]),
        notices=tuple(told["notices"]),
        skipped=tuple(Skipped(**each) for each in told["skipped"]),
        kept_together=told["kept_together"],
        straddling=tuple((one, two) for one, two in told["straddling"]),
    )


def _refuse_changed(rows: Sequence[Example], contents: Sequence[str]) -> None:
    for row, content in zip(rows, contents, strict=True):
        facts = facts_of(row.path)
        if facts is None or facts.sha256 != content:
            state = "is not there" if facts is None else "is not what it was"
            raise InputError(f"{row.path} {state}: the run cannot go on as it began.")
