"""A network → a folder that another runtime opens, compared with Keras before it is kept."""

import json
import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine
from cnnkit.errors import GateFailed, UnknownName, UsageError, WeightsError
from cnnkit.images.batches import batched
from cnnkit.images.loading import loader
from cnnkit.images.recipes import in_words
from cnnkit.outputs.folders import in_place, refuse_if_taken
from cnnkit.records import ExportedFile, ExportFormat, Recipe, Skipped
from cnnkit.tasks.inputs import Images, Inputs
from cnnkit.tasks.network import Job
from cnnkit.tasks.pipeline import answered
from cnnkit.zoo import ledger
from cnnkit.zoo import weights as store
from cnnkit.zoo.labels import Labels, numbered_labels

if TYPE_CHECKING:
    from cnnkit.engines.export import Exported
    from cnnkit.engines.keras_engine import KerasEngine

log = logging.getLogger(__name__)
Row = ExportedFile | Skipped
_RECIPE, _LABELS = "recipe.json", ("labels.json", "labels.txt")
_LARGEST_RECIPE = 1 << 20
_STRANGE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_Scored = Iterator[tuple[str, NDArray[np.float32] | Skipped]]


class _Compared(NamedTuple):
    """How far an exported file's scores are from Keras's on one picture."""

    path: str
    difference: float
    same_label: bool


def export(
    model: str,
    *,
    out: str | os.PathLike[str],
    format: ExportFormat = "openvino",
    weights: str | os.PathLike[str] = "imagenet",
    seed: int = 0,
    verify: Images | None = None,
    tolerance: float = 1e-3,
    force: bool = False,
    threads: int | None = None,
    offline: bool = False,
    reporter: store.Reporter | None = None,
) -> list[Row]:
    """Write a network into the folder `out`: a record per file, after those of unreadable pictures.

    The file is opened by its own runtime and compared with Keras in float32, on pictures of noise
    and, from their bytes on, on those of `verify`; where it strays, nothing is kept.

    Args:
        model, weights, seed, threads, offline, reporter: as `cnnkit.classify` takes them.
        out: a folder that is not there yet, or is empty.
        format: "openvino", "onnx", "saved_model" or "litert".
        verify: a path, paths, folders, globs, or `Inputs`.
        tolerance: the largest difference of a score, 0 to 1, that is let pass.
        force: replace an earlier export in `out`.

    Raises `UsageError` for arguments that make no sense, `CnnkitError` for packages that are
    missing and networks that the format cannot hold, `InputError` for a folder without pictures,
    `OutputError` where `out` is taken or cannot be written, `WeightsError`, and `GateFailed`
    where the answers differ.
    """
    from cnnkit.engines.export import require

    if format not in get_args(ExportFormat):
        raise UnknownName("format", format, get_args(ExportFormat), "cnnkit export --help")
    if not 0 <= tolerance <= 1:
        raise UsageError(f"Expected a tolerance from 0 to 1. Received: {tolerance!r}.")
    job = Job.of(
        model,
        weights=weights,
        engine="keras",
        precision="float32",
        threads=threads,
        seed=seed,
        offline=offline,
        reporter=reporter,
    )
    require(format)
    target = Path(os.path.realpath(out))
    refuse_if_taken(target, _written_before, force=force)
    pictures = None if verify is None else _pictures(verify)
    with in_place(target, _written_before, force=force) as folder:
        exported, engine = _written(job, format, tolerance, folder)
        rows: list[Row] = []
        compared: list[_Compared] = []
        if pictures is not None:
            recipe = read_recipe(folder / _RECIPE)
            expected = _scored(pictures, job.recipe, engine, job.threads)
            received = _scored(pictures, recipe, exported, job.threads)
            compared = _compared(expected, received, rows)
            _refuse_if_astray(compared, rows, format, tolerance)
        rows += list(_files(folder, os.fspath(out), exported.file, compared))
    return rows


def _pictures(verify: Images) -> list[str]:
    """Their paths; known before the work whether there are any."""
    paths = list(Inputs.of(verify).paths())
    if not paths:
        raise GateFailed(
            "Expected at least one picture to compare the answers on. Received: none, no picture "
            "was named. Type: --verify PICTURES"
        )
    return paths


def _written(
    job: Job, format: ExportFormat, tolerance: float, folder: Path
) -> "tuple[Exported, KerasEngine]":
    """Fill the folder; its file, opened and compared on noise, and what it was made of."""
    from cnnkit.engines.conversion import TOLERANCE
    from cnnkit.engines.export import Exported, export_scores, refuse_if_astray

    engine = cast("KerasEngine", job.open())

    def reference(pixels: NDArray[np.uint8]) -> Answers:
        answers = engine.run(pixels)
        if not np.isfinite(answers[0]).all():
            raise job.damaged()
        return answers

    path = export_scores(engine.model, format, folder)
    _describe(job, format, folder)
    exported = Exported(format, path, threads=job.threads)
    refuse_if_astray(exported, reference, job.recipe, max(TOLERANCE, tolerance))
    return exported, engine


def _scored(paths: list[str], recipe: Recipe, engine: Engine, threads: int) -> _Scored:
    """Each picture, from its bytes, with its scores (classes,) or the reason why it has none."""
    batches = batched(paths, loader(recipe), size=engine.batch_size, threads=threads)
    for batch, answers in answered(batches, lambda: engine):
        scores = iter(answers[0] if answers else ())
        for path, picture in zip(batch.paths, batch.pictures, strict=True):
            yield path, picture if isinstance(picture, Skipped) else next(scores)


def _compared(expected: _Scored, received: _Scored, skipped: list[Row]) -> list[_Compared]:
    """Compare picture by picture; those that cannot be read are put into `skipped`."""
    compared = []
    for (path, one), (_, two) in zip(expected, received, strict=True):
        if isinstance(one, Skipped) or isinstance(two, Skipped):
            skipped += [each for each in (one, two) if isinstance(each, Skipped)][:1]
            continue
        strays = float(np.abs(one - two).max())
        strays = strays if np.isfinite(strays) else float("inf")
        compared.append(_Compared(path, strays, bool(one.argmax() == two.argmax())))
    return compared


def _refuse_if_astray(
    compared: list[_Compared], skipped: list[Row], format: str, tolerance: float
) -> None:
    if not compared:
        raise GateFailed(
            "Expected at least one picture to compare the answers on. "
            f"Received: {len(skipped)}, none of which can be read; "
            f"{' '.join(skipped[0].text())}. Nothing is kept. Type: --verify PICTURES"
        )
    worst = max(compared, key=lambda one: one.difference)
    if worst.difference > tolerance:
        raise GateFailed(
            f"Expected the {format} file to answer as Keras does, every score within "
            f"{tolerance:g}. Received: a difference of {worst.difference:.1e} on {worst.path!r}, "
            f"and the same label on {sum(one.same_label for one in compared)} of {len(compared)} "
            "pictures. Nothing is kept. If that is near enough, type: --tolerance LARGER"
        )


def _files(folder: Path, named: str, opened: str, compared: list[_Compared]) -> Iterator[Row]:
    """A record per file, once it is safe on the disk; `opened` is the one that was compared."""
    for inside in sorted(_inside(folder)):
        path = folder / inside
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digest = file_digest(file, "sha256").hexdigest()
        row = ExportedFile(os.path.join(named, inside), path.stat().st_size, digest)
        if compared and inside in (opened, f"{opened}/saved_model.pb"):
            row = replace(
                row,
                pictures=len(compared),
                difference=max(one.difference for one in compared),
                same_label=sum(one.same_label for one in compared) / len(compared),
            )
        yield row


def _inside(folder: Path) -> set[str]:
    """The files in a folder of our own, by their relative POSIX paths."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _written_before(out: Path) -> frozenset[str]:
    """The files that an earlier export wrote, as its recipe says; none where it is no export."""
    try:
        said = _said(out / _RECIPE)
        ours = isinstance(said["files"], list) and "recipe_sha256" in said
        return frozenset(said["files"]) if ours else frozenset()
    except _STRANGE:
        return frozenset()


def _said(path: Path) -> Any:
    """What a recipe file says; it may be anybody's, of any kind and size."""
    if not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        text = file.read(_LARGEST_RECIPE + 1)
    if len(text) > _LARGEST_RECIPE:
        raise ValueError(f"it is larger than {_LARGEST_RECIPE} bytes")
    return json.loads(text)


def read_recipe(path: Path) -> Recipe:
    """The recipe of an exported network. Raises `GateFailed` where it is not what was written."""
    try:
        said = _said(path)
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in said["recipe"].items()
        }
        recipe = Recipe(**fields)
        if recipe.hash != said["recipe_sha256"]:
            raise ValueError("the recipe and its sha256 are not of each other")
    except _STRANGE as error:
        raise GateFailed(
            f"Expected a recipe in {path.name} as it was written. Received: {error!r:.200}. "
            "Export the network anew."
        ) from error
    return recipe


def _describe(job: Job, format: ExportFormat, folder: Path) -> None:
    """Write down what a stranger needs to know: the recipe, and what the classes are called."""
    labels = _labels(job)
    if labels:
        index = {str(number): pair for number, pair in enumerate(labels)}
        (folder / _LABELS[0]).write_text(json.dumps(index, ensure_ascii=False), "utf-8")
        (folder / _LABELS[1]).write_text("".join(f"{label}\n" for _, label in labels), "utf-8")
    # By these a later export knows what it may replace.
    files = sorted(_inside(folder) | {_RECIPE})
    facts = _facts(job, format, bool(labels)) | {"files": files}
    (folder / _RECIPE).write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _labels(job: Job) -> Labels:
    """The names of the classes; none where they have none, or cannot be had."""
    try:
        labels = job.labels()
    except WeightsError as error:
        log.warning("The export has no labels.txt: %s", str(error).splitlines()[0])
        return ()
    return () if labels == numbered_labels(len(labels)) else labels


def _facts(job: Job, format: ExportFormat, labelled: bool) -> dict[str, Any]:
    from cnnkit import __version__
    from cnnkit.engines.export import KINDS

    recipe, classes = job.recipe, job.network.classes
    packages = ("keras", "tensorflow", "numpy", "pillow", *KINDS[format].packages)
    return {
        "network": job.network.name,
        "format": format,
        "file": KINDS[format].file,
        "input": f"uint8 (n, {recipe.height}, {recipe.width}, 3): n pictures, rows from the top, "
        "pixels from the left, red, green, blue, each from 0 to 255",
        "output": f"float32 (n, {classes}): for each picture the probability, 0 to 1, of each of "
        f"{classes} classes" + (f", in the order of {_LABELS[1]}" if labelled else ""),
        "steps": in_words(recipe),
        "recipe": asdict(recipe),
        "recipe_sha256": recipe.hash,
        "weights": _weights(job),
        "versions": {
            "cnnkit": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
    }


def _weights(job: Job) -> dict[str, str | int]:
    if job.weights == "none":
        return {"source": "random", "seed": job.seed}
    published = job.weights == "imagenet"
    path = store.path_of(job.network.top) if published else Path(job.weights)
    return {
        "source": "published" if published else "own",
        "file": os.fsencode(path.name).decode("utf-8", "replace"),
        "sha256": ledger.identity(path),
    }
