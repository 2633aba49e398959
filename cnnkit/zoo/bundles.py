"""What a training run leaves, as a network: `--model runs/NAME` beside the catalog's names."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from cnnkit.errors import UnknownName, WeightsError
from cnnkit.records import Fit, Interpolation, Recipe
from cnnkit.records.bundle import CARD, HISTORY, LABELS, MODEL, RECIPE, Card
from cnnkit.zoo import catalog
from cnnkit.zoo.catalog import Network, WeightFile

# Stands for the name of a function of keras.applications.
BUILDER = "bundle"
# Far above the real sizes: what is larger is something else.
_LARGEST_JSON = 1 << 20
_LARGEST_SIDE, _LARGEST_NUMBER = 8192, 1e6


def find(name: str) -> Network:
    """The network of the catalog, or of a training run's folder.

    Raises `UnknownName` for a name that is neither, and `WeightsError` for a folder that no run
    has written whole.
    """
    try:
        return catalog.find(name)
    except UnknownName as error:
        if not (os.path.exists(name) or os.sep in name):
            raise
        if not os.path.exists(name):
            raise UnknownName("run", name, [], "ls runs") from error
    return read_bundle(name)


def is_bundle(network: Network) -> bool:
    """Whether a training run made it."""
    return network.builder == BUILDER


def read_bundle(name: str | os.PathLike[str]) -> Network:
    """The network of a run's folder, or of the `model.keras` in it.

    Raises `WeightsError` for a folder that is none, or whose files were not written by a run.
    """
    folder = Path(os.path.normpath(name))
    if folder.name == MODEL:
        folder = folder.parent
    if not (folder / CARD).is_file():
        raise WeightsError(
            f"Expected a training run, a folder with {CARD} and {MODEL}. Received: {str(name)!r}"
            f"{_what_it_is(folder)} Make one: cnnkit finetune DATA"
        )
    try:
        return _network(folder, read_card(folder), recipe_of(_json(folder / RECIPE)))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{folder} cannot be read as a training run: {error}.") from error


def read_card(folder: str | os.PathLike[str]) -> Card:
    """The card of a run's folder. Raises `ValueError` or `OSError` where there is none."""
    return Card.of(_json(Path(folder) / CARD))


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """The recipe that `asdict` made these of. Raises `ValueError` or `TypeError` for others."""
    known = {field.name for field in fields(Recipe)}
    if set(values) != known:
        raise ValueError(f"a recipe has {sorted(known)}, not {sorted(values)}")
    made: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in values.items()
    }
    recipe = Recipe(**made)
    plain: dict[str, Any] = asdict(Recipe(1, 1))
    for key, value in plain.items():
        if not _is_like(getattr(recipe, key), value):
            raise ValueError(f"the recipe's {key} is {getattr(recipe, key)!r:.60}")
    if not (0 < recipe.height <= _LARGEST_SIDE and 0 < recipe.width <= _LARGEST_SIDE):
        raise ValueError(f"its pictures are {recipe.width} × {recipe.height}")
    if not all(0 < each <= _LARGEST_SIDE and type(each) is int for each in recipe.margin):
        raise ValueError(f"its recipe's margin is {recipe.margin!r:.60}")
    numbers = (recipe.scale, *recipe.mean, *recipe.std)
    if not all(-_LARGEST_NUMBER < each < _LARGEST_NUMBER for each in numbers) or 0 in recipe.std:
        raise ValueError(f"its recipe scales by {numbers!r:.60}")
    if recipe.channels not in ("rgb", "bgr"):
        raise ValueError(f"its channels are {recipe.channels!r:.40}")
    if recipe.fit not in get_args(Fit) or recipe.interpolation not in get_args(Interpolation):
        raise ValueError(f"its recipe is {recipe.fit!r:.40}, {recipe.interpolation!r:.40}")
    return recipe


def _is_like(given: object, value: object) -> bool:
    """Whether it is of the kind of a value that is known to be right."""
    if isinstance(value, tuple):
        numbers = given if isinstance(given, tuple) else ()
        return len(numbers) == len(value) and all(type(each) in (int, float) for each in numbers)
    return type(given) in ((int, float) if isinstance(value, float) else (type(value),))


def _network(folder: Path, card: Card, recipe: Recipe) -> Network:
    file = WeightFile(MODEL, "", card.sha256, card.size, folder=str(folder))
    return Network(
        name=str(folder),
        builder=BUILDER,
        arguments=MappingProxyType({}),
        recipe=recipe,
        embedding=card.embedding,
        features=card.features,
        parameters=card.parameters,
        top=file,
        no_top=file,
        labels=WeightFile(LABELS, "", "", 0, folder=str(folder)),
        classes=card.classes,
    )


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST_JSON:
        raise ValueError(f"{path.name} is larger than 1 MiB")
    value = json.loads(path.read_text("utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return value


def _what_it_is(folder: Path) -> str:
    if (folder / HISTORY).is_file():
        return f", a run that was interrupted. Go on: cnnkit finetune --resume {folder}."
    if folder.is_dir():
        return ", a folder without them."
    return "."
