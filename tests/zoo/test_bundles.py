"""What a training run leaves, as a network."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnkit.errors import CnnkitError, UnknownName, WeightsError
from cnnkit.records import Recipe
from cnnkit.records.bundle import Card
from cnnkit.zoo import catalog
from cnnkit.zoo.bundles import find, is_bundle, read_bundle, recipe_of

CARD = Card(
    "resnet50", "finetune", 5, "avg_pool", 2048, 23_000_000, 1.25, False, 94_000_000, "ab" * 32
)
RECIPE = Recipe(224, 200, fit="pad", interpolation="nearest")
PLAIN = json.loads(json.dumps(asdict(RECIPE)))


def write(folder: Path, card: Any = None, recipe: Any = None, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.keras").touch()
    card = {**CARD.to_dict(), **changes} if card is None else card
    (folder / "bundle.json").write_text(card if isinstance(card, str) else json.dumps(card))
    recipe = PLAIN if recipe is None else recipe
    (folder / "recipe.json").write_text(recipe if isinstance(recipe, str) else json.dumps(recipe))
    return folder


def test_a_runs_folder_is_a_network(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    network = find(str(folder))
    assert network == find(f"{folder}/") == find(str(folder / "model.keras")) == read_bundle(folder)
    assert is_bundle(network)
    assert (network.name, network.classes, network.features) == (str(folder), 5, 2048)
    assert (network.embedding, network.parameters) == ("avg_pool", 23_000_000)
    assert network.recipe == RECIPE
    assert network.top == network.no_top
    assert (network.top.name, network.top.size, network.top.hash) == (
        "model.keras", 94_000_000, "ab" * 32,
    )  # fmt: skip
    assert network.top.folder == network.labels.folder == str(folder)
    assert not network.top.fetched
    assert network.labels.name == "labels.json"


def test_the_catalogs_names_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "resnet50")
    write(tmp_path / "mine")
    assert find("resnet50") == catalog.find("resnet50")
    assert not is_bundle(find("resnet50"))
    assert is_bundle(find("./resnet50"))
    assert is_bundle(find("mine"))


def test_names_that_are_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match=r"No model is called 'resnet5'.*resnet50"):
        find("resnet5")
    with pytest.raises(UnknownName, match="No run is called 'runs/absent'"):
        find("runs/absent")
    with pytest.raises(UnknownName):
        find("nul\0byte")


def test_folders_that_no_run_has_written_whole(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"a folder without them.*cnnkit finetune"):
        find(str(tmp_path))
    (tmp_path / "history.jsonl").touch()
    with pytest.raises(WeightsError, match=r"interrupted.*--resume"):
        find(str(tmp_path))
    (tmp_path / "file.h5").touch()
    with pytest.raises(WeightsError, match=r"Expected a training run"):
        find(str(tmp_path / "file.h5"))
    write(tmp_path / "run")
    (tmp_path / "run" / "recipe.json").unlink()
    with pytest.raises(WeightsError, match=r"cannot be read as a training run"):
        find(str(tmp_path / "run"))


CARDS: list[Any] = [
    *("", "{", "[]", "null", "3", '"x"', "[" * 100_000, " " * (1 << 21), "\ud800", "{}"),
    *({"format": each} for each in (0, 2, 1.5, "1", None, [1], 10**30)),
    *({"classes": each} for each in (0, -1, 5.0, "5", True, None, 10**9)),
    *({"features": each} for each in (0, -1, 1 << 32, 2.0, "x")),
    *({"parameters": each} for each in (0, 1 << 40)),
    *({"size": each} for each in (0, -5, 1 << 50, "1")),
    *({"embedding": each} for each in (None, 3, ["avg_pool"])),
    *({"sha256": each} for each in (None, 3, [1])),
    *({"temperature": each} for each in ("1", None, [1.0])),
]


@pytest.mark.parametrize("told", CARDS, ids=lambda told: f"{told!r:.40}")
def test_a_card_that_is_none(told: Any, tmp_path: Path) -> None:
    if isinstance(told, str):
        folder = write(tmp_path / "run")
        content = told.encode("utf-8", "surrogatepass")
        (folder / "bundle.json").write_bytes(content)
    else:
        folder = write(tmp_path / "run", **told)
    with pytest.raises(WeightsError, match="cannot be read as a training run") as caught:
        find(str(folder))
    assert len(str(caught.value)) < 400 + len(str(folder))


@pytest.mark.parametrize("name", [*CARD.to_dict()])
def test_a_card_with_a_field_less(name: str, tmp_path: Path) -> None:
    told = CARD.to_dict()
    del told[name]
    with pytest.raises(WeightsError, match="cannot be read as a training run"):
        find(str(write(tmp_path / "run", card=told)))


RECIPES = [
    {"height": 0}, {"height": -1}, {"width": 8193}, {"height": 10**30}, {"height": 224.0},
    {"height": "224"}, {"height": True}, {"width": None}, {"height": [224]},
    {"fit": "squash"}, {"fit": None}, {"fit": []}, {"interpolation": "magic"},
    {"margin": [256]}, {"margin": "ab"}, {"margin": [256, "x"]}, {"margin": None},
    {"margin": [True, 1]}, {"margin": [0, 224]}, {"margin": [256, 0]}, {"margin": [-1, -1]},
    {"margin": [1.5, 1.0]}, {"margin": [10**30, 1]},
    {"mean": [0, 0]}, {"mean": 0}, {"mean": ["0", 0, 0]}, {"mean": [0, 0, 0, 0]},
    {"std": [1, 1, 0]}, {"std": [1, 1, None]}, {"std": [1, 1, float("nan")]},
    {"mean": [0, 0, float("inf")]}, {"scale": "1"}, {"scale": True}, {"scale": float("nan")},
    {"scale": 10**400}, {"channels": "xyz"}, {"channels": 3}, {"decoder": None},
    {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("told", RECIPES, ids=lambda told: f"{told!r:.40}")
def test_a_recipe_that_is_none(told: dict[str, Any], tmp_path: Path) -> None:
    folder = write(tmp_path / "run", recipe={**PLAIN, **told})
    with pytest.raises(WeightsError, match="cannot be read as a training run"):
        find(str(folder))


@pytest.mark.parametrize("name", [*PLAIN])
def test_a_recipe_with_a_field_less(name: str) -> None:
    told = {key: value for key, value in PLAIN.items() if key != name}
    with pytest.raises(ValueError, match="a recipe has"):
        recipe_of(told)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*CARD.to_dict()]), st.sampled_from([*PLAIN]), JSON, st.booleans())
def test_whatever_stands_there_is_refused_or_fits(
    tmp_path: Path, card_field: str, recipe_field: str, value: Any, in_card: bool
) -> None:
    card, recipe = CARD.to_dict(), dict(PLAIN)
    if in_card:
        card[card_field] = value
    else:
        recipe[recipe_field] = value
    folder = write(tmp_path / "run", card=card, recipe=recipe)
    try:
        network = find(str(folder))
    except CnnkitError as error:
        assert "cannot be read as a training run" in str(error)
        return
    assert 0 < network.recipe.height <= 8192
    assert 0 < network.top.size < 1 << 40
    assert json.dumps(asdict(network.recipe))
    assert network.recipe.hash


def test_what_is_written_is_what_is_read() -> None:
    assert Card.of(json.loads(json.dumps(CARD.to_dict()))) == CARD
    assert recipe_of(PLAIN) == RECIPE
