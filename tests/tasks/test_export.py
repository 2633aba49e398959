"""A network → a folder that another runtime opens, or nothing at all."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit.engines import export as engine_module
from cnnkit.errors import GateFailed, InputError, OutputError, UnknownName, UsageError, WeightsError
from cnnkit.records import Classification, ExportedFile, Skipped
from cnnkit.tasks import export as module
from cnnkit.tasks.export import export, read_recipe
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import find
from cnnkit.zoo.labels import read_labels
from tests.conftest import picture

pytestmark = pytest.mark.network

# TensorFlow reads and writes it: no package may be missing.
PATTERNS: dict[str, Any] = {"model": "patternnet", "format": "saved_model", "threads": 2}
PICTURES = store.packaged_folder() / "pictures"


def left(folder: Path) -> list[str]:
    """What stands in a folder, but for the state that every test has."""
    return sorted(p.name for p in folder.iterdir() if p.name not in ("keras", "state", "cache"))


def test_a_stranger_gets_keras_answers_from_what_the_folder_holds(tmp_path: Path) -> None:
    import tensorflow as tf

    rows = export(**PATTERNS, out=tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert facts["network"] == "patternnet" and facts["file"] == "saved_model"
    assert "112 × 112" in facts["steps"][1] and "bilinear" in facts["steps"][1]
    assert facts["weights"]["sha256"] == find("patternnet").top.hash
    assert {"cnnkit", "keras", "tensorflow"} <= set(facts["versions"])
    path = next(PICTURES.glob("*/*.jpg"))
    # By the words in `steps` alone: nothing of cnnkit's.
    side = (facts["recipe"]["width"], facts["recipe"]["height"])
    small = Image.open(path).convert("RGB").resize(side, Image.Resampling.BILINEAR)
    serve = tf.saved_model.load(str(tmp_path / "out" / "saved_model")).signatures["serving_default"]
    (scores,) = serve(pixels=tf.constant(np.asarray(small)[None])).values()
    names = (tmp_path / "out" / "labels.txt").read_text().splitlines()
    (record,) = cnnkit.classify(path, model="patternnet", top=1, engine="keras")
    assert isinstance(record, Classification)
    best = record.predictions[0]
    assert names[int(np.argmax(scores))] == best.label
    assert float(np.max(scores)) == pytest.approx(best.score, abs=1e-4)
    assert [Path(row.path).relative_to(tmp_path / "out").as_posix() for row in rows][:3] == [
        "labels.json", "labels.txt", "recipe.json"
    ]  # fmt: skip
    assert all(isinstance(row, ExportedFile) and row.size for row in rows)
    assert len(read_labels(tmp_path / "out" / "labels.json", 49)) == 49
    assert read_recipe(tmp_path / "out" / "recipe.json") == find("patternnet").recipe


def test_verified_on_pictures_with_one_that_cannot_be_read(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    picture(300, 200).save(photos / "a.jpg")
    (photos / "b.jpg").write_bytes(b"no picture")
    picture(1500, 1200, seed=1).save(photos / "c.jpg")
    rows = export(**PATTERNS, out=tmp_path / "out", verify=photos)
    assert isinstance(rows[0], Skipped) and rows[0].path.endswith("b.jpg")
    (compared,) = [row for row in rows if isinstance(row, ExportedFile) and row.pictures]
    assert compared.path.endswith("saved_model.pb")
    assert compared.pictures == 2 and compared.same_label == 1
    assert compared.difference is not None and compared.difference < 1e-4


def test_force_replaces_what_an_export_wrote_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(**PATTERNS, out=out)
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert json.loads((out / "recipe.json").read_text())["files"] == written
    export(**PATTERNS | {"model": "mobilenet_0.25"}, weights="none", out=out, force=True)
    assert left(out) == ["recipe.json", "saved_model"]
    (out / "saved_model" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"'saved_model/thesis\.txt'. Type: --out"):
        export(**PATTERNS, out=out, force=True)
    assert (out / "saved_model" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    "text",
    [
        '{"soup": "onions"}',
        '{"soup": "onions", "files": ["recipe.json", "labels.txt"]}',
        '{"recipe_sha256": "", "files": [["recipe.json"], "labels.txt"]}',
        '["files", "recipe_sha256"]',
        "no json",
        "[" * 100_000,
        '{"recipe_sha256": "", "files": ["recipe.json", "labels.txt"]}' + " " * (1 << 20),
    ],
    ids=["soup", "soups", "lists", "list", "text", "deep", "large"],
)
def test_a_recipe_of_somebody_elses_is_not_replaced(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnkit.tasks.network.open_engine", None)
    out = tmp_path / "out"
    out.mkdir()
    (out / "recipe.json").write_text(text)
    (out / "labels.txt").write_text("carrots")
    with pytest.raises(OutputError, match=r"which holds '.*'. Type: --out"):
        export(**PATTERNS, out=out, force=True)
    assert left(out) == ["labels.txt", "recipe.json"]


def test_no_picture_that_can_be_read_is_no_verification(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(GateFailed, match=r"Received: 1, none of which.*b\.jpg.*--verify"):
        export(**PATTERNS, out=tmp_path / "out", verify=tmp_path / "b.jpg")
    assert left(tmp_path) == ["b.jpg"]


def _written_by_hand(change: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
    """`_describe`, after which a hand changes `recipe.json`."""
    describe = module._describe

    def described(job: Any, format: Any, folder: Path) -> None:
        describe(job, format, folder)
        path = folder / "recipe.json"
        facts = json.loads(path.read_text())
        change(facts)
        path.write_text(json.dumps(facts))

    return described


def _changed(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """Another recipe, with the hash that belongs to it."""

    def change(facts: dict[str, Any]) -> None:
        recipe: Any = replace(find("patternnet").recipe, **fields)
        facts["recipe"], facts["recipe_sha256"] = asdict(recipe), recipe.hash

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            _changed(fit="pad"),
            r"every score within 0\.001\. Received: a difference of .*--tolerance",
        ),
        (_changed(height=96), "Expected saved_model to be run by TensorFlow"),
        (lambda facts: facts["recipe"].update(mean=[9, 9, 9]), "not of each other"),
        (lambda facts: facts.pop("recipe"), "KeyError"),
        (lambda facts: facts["recipe"].update(strange=1), "strange"),
    ],
    ids=["another fit", "another size", "another mean", "no recipe", "a strange field"],
)
def test_a_recipe_that_is_not_the_networks_is_caught(
    change: Callable[[dict[str, Any]], None], told: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    picture(300, 100).save(tmp_path / "a.png")
    monkeypatch.setattr(module, "_describe", _written_by_hand(change))
    with pytest.raises(GateFailed, match=told) as caught:
        export(**PATTERNS, out=tmp_path / "new" / "out", verify=tmp_path / "a.png")
    assert caught.value.exit_code == 4
    assert left(tmp_path) == ["a.png"]


def test_a_file_that_answers_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = engine_module.Exported.run

    def otherwise(self: Any, pixels: Any) -> Any:
        return tuple(np.roll(answer, 1, axis=1) for answer in run(self, pixels))

    monkeypatch.setattr(engine_module.Exported, "run", otherwise)
    with pytest.raises(GateFailed, match=r"on pictures of noise\. Nothing is kept"):
        export(**PATTERNS, out=tmp_path / "out")
    assert left(tmp_path) == []


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        assert len(list(tmp_path.glob(".*.part/*"))) > 2  # it was half done
        raise KeyboardInterrupt

    monkeypatch.setattr(engine_module, "refuse_if_astray", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(**PATTERNS, out=tmp_path / "out")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("wishes", "error", "told"),
    [
        ({"model": "paternnet"}, UnknownName, "Did you mean patternnet"),
        ({"format": "onx"}, UnknownName, "Did you mean onnx"),
        ({"tolerance": 2.0}, UsageError, "from 0 to 1. Received: 2.0"),
        ({"tolerance": float("nan")}, UsageError, "from 0 to 1"),
        ({"weights": "absent.h5"}, UsageError, "there is no such file"),
        ({"verify": "."}, InputError, "picture"),
        ({"verify": []}, GateFailed, "Received: none, no picture was named. Type: --verify"),
        ({"out": __file__}, OutputError, "Not a directory"),
        ({"out": Path(__file__) / "out"}, OutputError, "Not a directory"),
        ({"out": Path(__file__).parent}, OutputError, "Type: --out ANOTHER"),
        ({"out": "o" * 300}, OutputError, "name too long"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_what_makes_no_sense_is_said_before_anything_is_built(
    wishes: dict[str, Any], error: type[Exception], told: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnnkit.tasks.network.open_engine", None)
    with pytest.raises(error, match=told):
        export(**PATTERNS | {"out": tmp_path / "out"} | wishes)
    assert left(tmp_path) == []


def test_random_weights_have_no_names_and_say_their_seed(tmp_path: Path) -> None:
    export(**PATTERNS | {"model": "mobilenet_0.25"}, weights="none", seed=3, out=tmp_path / "out")
    assert left(tmp_path / "out") == ["recipe.json", "saved_model"]
    facts = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert facts["weights"] == {"source": "random", "seed": 3}
    assert "256 × 256" in facts["steps"][1] and "labels.txt" not in facts["output"]


def test_a_file_of_ones_own_is_named_by_its_hash(tmp_path: Path) -> None:
    mine = tmp_path / "mine.weights.h5"
    mine.write_bytes((store.path_of(find("patternnet").top)).read_bytes())
    export(**PATTERNS, weights=mine, out=tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert facts["weights"] == {
        "source": "own", "file": mine.name, "sha256": find("patternnet").top.hash
    }  # fmt: skip


def test_weights_that_give_no_numbers_are_blamed(tmp_path: Path) -> None:
    import h5py

    mine = tmp_path / "mine.weights.h5"
    mine.write_bytes((store.path_of(find("patternnet").top)).read_bytes())
    with h5py.File(mine, "r+") as file:
        file.visititems(
            lambda name, item: item.write_direct(np.full(item.shape, np.nan, item.dtype))
            if isinstance(item, h5py.Dataset) else None
        )  # fmt: skip
    with pytest.raises(WeightsError, match="no numbers"):
        export(**PATTERNS, weights=mine, out=tmp_path / "out")
    assert left(tmp_path) == ["mine.weights.h5"]


def test_labels_that_cannot_be_had_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unavailable(*arguments: Any, **options: Any) -> None:
        raise WeightsError("The class names are not here.\nmore")

    monkeypatch.setattr(store, "obtain_labels", unavailable)
    export(**PATTERNS, out=tmp_path / "out")
    assert left(tmp_path / "out") == ["recipe.json", "saved_model"]
