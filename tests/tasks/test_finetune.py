"""Training from Python, on drawn pictures with the packaged network."""

import json
import logging
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit import Means, classify, finetune, plan, resume, sample_images
from cnnkit.errors import InputError, OutputError, UsageError
from cnnkit.records import EpochRow, Trained
from cnnkit.tasks.ground import Step, Telling

pytestmark = pytest.mark.network
CLASSES = ("brick", "chequered", "dotted")
PATTERN = "INPUT32 -> [CONV3-8 -> RELU -> POOL2]*2 -> FC-16 -> RELU -> FC"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ten drawn pictures."""
    folder = tmp_path_factory.mktemp("drawn") / "drawn"
    for _ in sample_images(folder, classes=CLASSES, per_class=10, size=64):
        pass
    return folder


@pytest.fixture
def augmentation(tmp_path: Path) -> str:
    path = tmp_path / "augment.toml"
    path.write_text("[augment]\nrotation_range = 15\nhorizontal_flip = true\n")
    return str(path)


def _press_ctrl_c() -> None:
    """What Python does when the signal comes. `test_finetune` of the command sends a real one."""
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)


def test_all_strategies_side_by_side(data: Path, tmp_path: Path, augmentation: str) -> None:
    told: list[EpochRow] = []
    done = finetune(
        data, out=tmp_path / "run", model="patternnet", compare=True, arch=PATTERN, epochs=3,
        augment=augmentation, views=1, means=Means(telling=Telling(epoch=told.append)),
    )  # fmt: skip
    assert [each.strategy for each in done.strategies] == ["bottleneck", "finetune", "scratch"]
    assert [row.strategy for row in told] == ["bottleneck"] * 3 + ["finetune"] * 3 + ["scratch"] * 3
    losses = {each.strategy: each.loss or 0.0 for each in done.strategies}
    [kept] = [each.strategy for each in done.strategies if each.kept]
    assert kept == done.strategy == min(losses, key=lambda name: losses[name])
    assert {len(line) for line in done.lines()} == {len(done.columns())}
    assert [row.share is None for row in done.strategies] == [True, False, True]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "scratch" in page
    assert "as the network saw them" in page


def test_the_copy_of_the_augmentation_is_the_runs_own(
    data: Path, tmp_path: Path, augmentation: str
) -> None:
    run = tmp_path / "run"
    finetune(data, out=run, model="patternnet", strategy="finetune", epochs=1, augment=augmentation)
    assert (run / "augment.toml").read_text() == Path(augmentation).read_text()
    assert str(run / "augment.toml") in (run / "config.toml").read_text()


def test_a_pattern_is_trained_from_nothing(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = finetune(data, out=run, strategy="scratch", arch=PATTERN, epochs=2, seed=4)
    card = json.loads((run / "bundle.json").read_text())
    assert (card["backbone"], card["features"]) == (PATTERN, 16)
    recipe = json.loads((run / "recipe.json").read_text())
    assert (recipe["height"], recipe["width"]) == (32, 32)
    assert done.classes == 3
    [answer] = classify(next((data / "brick").iterdir()), model=str(run), top=3)
    assert {each.label for each in answer.predictions} == set(CLASSES)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("rescale = 0.5\nrotation_range = 9", {"rescale"}),
        ("zca_whitening = true", {"featurewise_normalization", "zca_whitening"}),
    ],
)
def test_what_tensors_go_through_is_inside_the_network(
    data: Path, tmp_path: Path, text: str, layers: set[str]
) -> None:
    import keras

    file, run = tmp_path / "tensors.toml", tmp_path / "run"
    file.write_text(f"[augment]\n{text}\n")
    finetune(data, out=run, strategy="scratch", arch=PATTERN, epochs=2, augment=file)
    model = keras.models.load_model(run / "model.keras", compile=False)
    names = {layer.name for layer in model.layers}
    assert layers <= names and "recipe_scaling" not in names
    [answer] = classify(next((data / "brick").iterdir()), model=str(run), top=3)
    assert sum(each.score for each in answer.predictions) == pytest.approx(1, abs=1e-3)  # type: ignore[union-attr,misc]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"strategy": "finetune", "model": "patternnet"}, "that are trained already"),
        ({"strategy": "scratch", "model": "patternnet"}, "at most 32 × 32"),
    ],
)
def test_tensors_that_do_not_suit_are_refused_before_anything_is_made(
    data: Path, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "tensors.toml"
    file.write_text("zca_whitening = true\n")
    with pytest.raises(UsageError, match=reason):
        finetune(data, out=tmp_path / "run", augment=file, **options)
    with pytest.raises(UsageError, match=reason):
        plan(data, augment=file, **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options",
    [{"contrast": 0.5, "strategy": "scratch"}, {"views": 2, "strategy": "bottleneck"}],
    ids=["contrast", "views"],
)
@pytest.mark.parametrize("text", ["rotation_range = 0\n", "width_shift_range = 1\n"])
def test_copies_have_to_differ(
    data: Path, tmp_path: Path, text: str, options: dict[str, Any]
) -> None:
    file = tmp_path / "still.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match="nothing varies"):
        finetune(data, out=tmp_path / "run", model="patternnet", augment=file, **options)
    assert not (tmp_path / "run").exists()


def test_two_copies_of_each_picture_may_be_brought_together(
    data: Path, tmp_path: Path, augmentation: str
) -> None:
    told: list[Step] = []
    runs = {}
    for contrast in (0.0, 0.5):
        done = finetune(
            data, out=tmp_path / str(contrast), model="patternnet", strategy="scratch", epochs=2,
            contrast=contrast, augment=augmentation, means=Means(telling=Telling(step=told.append)),
        )  # fmt: skip
        runs[contrast] = (tmp_path / done.run / "history.jsonl").read_text()
    assert {step.pictures for step in told} == {24, 48}
    assert told[-1].done == 48
    assert runs[0.0] != runs[0.5]


def test_scores_are_those_of_plain_keras_on_the_same_pixels(data: Path, tmp_path: Path) -> None:
    import keras

    from cnnkit.images.loading import loader
    from cnnkit.zoo.bundles import find

    run = tmp_path / "run"
    finetune(data, out=run, model="patternnet", strategy="bottleneck", epochs=3)
    paths = sorted(map(str, data.rglob("*.jpg")))[::5]
    pixels = np.concatenate([loader(find(str(run)).recipe)(path) for path in paths])
    model = keras.models.load_model(run / "model.keras", compile=False)
    expected = model.predict_on_batch(pixels.astype(np.float32))
    told = [row.predictions for row in classify(paths, model=str(run), top=3)]  # type: ignore[union-attr]
    labels = [pair[1] for _, pair in sorted(json.loads((run / "labels.json").read_text()).items())]
    for row, predictions in zip(expected, told, strict=True):
        scores = {each.label: each.score for each in predictions}
        assert [scores[label] for label in labels] == pytest.approx(row, abs=2e-5)


def test_the_reported_accuracy_is_that_of_the_saved_network(data: Path, tmp_path: Path) -> None:
    from cnnkit import evaluate

    run = tmp_path / "run"
    done = finetune(data, out=run, model="patternnet", epochs=3, batch_size=8)
    judged = evaluate(run / "split.jsonl", model=str(run), split="val")
    assert judged.pictures == done.val
    assert judged.top1 == pytest.approx(done.accuracy)
    assert judged.ece == pytest.approx(done.ece, abs=1e-4)


def test_with_refit_the_validation_pictures_are_learnt_too(data: Path, tmp_path: Path) -> None:
    plain = finetune(data, out=tmp_path / "a", model="patternnet", strategy="bottleneck")
    again = finetune(
        data, out=tmp_path / "b", model="patternnet", strategy="bottleneck", refit=True
    )
    assert again.accuracy == plain.accuracy  # that of the fit that had not seen them
    assert json.loads((tmp_path / "b" / "bundle.json").read_text())["refit"] is True
    hashes = [
        json.loads((tmp_path / name / "bundle.json").read_text())["sha256"] for name in ("a", "b")
    ]
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_refit_goes_no_further_than_validation_did(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    from cnnkit.nets import averaging

    settled = averaging.settle_between

    def at(model: Any, before: Any, judge: Any) -> float:
        return settled(model, before, share if callable(judge) else judge)

    monkeypatch.setattr(averaging, "settle_between", at)
    answers = {}
    for strategy in ("bottleneck", "finetune"):
        run = tmp_path / strategy
        done = finetune(data, out=run, model="patternnet", strategy=strategy, refit=True)
        assert done.refit
        told = classify(data, model=str(run), engine="keras")
        answers[strategy] = [row.predictions[0].score for row in told]  # type: ignore[union-attr]
    apart = np.abs(np.subtract(answers["bottleneck"], answers["finetune"])).max()
    assert apart < 1e-5 if share == 0 else apart > 1e-3, apart


@pytest.mark.parametrize("strategy", ["bottleneck", "scratch"])
def test_what_kept_no_epoch_is_not_refitted_and_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, strategy: str
) -> None:
    from cnnkit.tasks.strategies import Outcome

    monkeypatch.setattr(Outcome, "kept_epoch", property(lambda self: 0))
    monkeypatch.setattr(logging.getLogger("cnnkit"), "propagate", True)
    wishes: dict[str, Any] = {"model": "patternnet", "epochs": 2, "strategy": strategy}
    done = finetune(data, out=tmp_path / "run", refit=True, **wishes)
    assert not done.refit
    assert f"Nothing is fitted once more: no epoch of {strategy} was kept." in caplog.text
    assert done.strategies[0].weights == "as they were"


def test_ctrl_c_while_it_is_refitted_leaves_the_fit_before(data: Path, tmp_path: Path) -> None:
    begun = 0

    def press(step: Step) -> None:
        nonlocal begun
        begun += step.epoch == 1
        if begun == 2:
            _press_ctrl_c()

    wishes: dict[str, Any] = {"model": "patternnet", "strategy": "bottleneck", "epochs": 8}
    plain = finetune(data, out=tmp_path / "plain", **wishes)
    means = Means(telling=Telling(step=press))
    done = finetune(data, out=tmp_path / "run", refit=True, means=means, **wishes)
    assert done.interrupted
    assert not done.refit
    assert done.accuracy == plain.accuracy
    one, two = (_weights(tmp_path / name) for name in ("plain", "run"))
    for mine, its in zip(one, two, strict=True):
        np.testing.assert_array_equal(mine, its)
    assert resume(tmp_path / "run").refit


def _weights(run: Path) -> list[Any]:
    import keras

    return list(keras.models.load_model(run / "model.keras", compile=False).get_weights())


def test_ctrl_c_leaves_a_network_and_a_run_that_goes_on(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    steps = 0

    def press(step: Step) -> None:
        nonlocal steps
        steps += step.strategy == "finetune"
        if steps == 7:
            _press_ctrl_c()

    wishes: dict[str, Any] = {
        "model": "patternnet", "strategy": "finetune", "epochs": 5, "batch_size": 8,
    }  # fmt: skip
    first = finetune(data, out=run, means=Means(telling=Telling(step=press)), **wishes)
    assert first.interrupted
    assert list(classify(next((data / "brick").iterdir()), model=str(run)))
    last = resume(run)
    assert not last.interrupted
    whole = finetune(data, out=tmp_path / "whole", **wishes)
    assert last.strategies[-1].loss == whole.strategies[-1].loss
    assert _history(run) == _history(tmp_path / "whole")
    with pytest.raises(InputError, match="finished"):
        resume(run)


def _history(run: Path) -> list[tuple[object, ...]]:
    rows = (json.loads(line) for line in (run / "history.jsonl").read_text().splitlines())
    return [EpochRow.of(row).same() for row in rows]


def test_a_picture_that_has_changed_since_is_named(data: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(data, tmp_path / "data")
    run = tmp_path / "run"

    def stop(row: EpochRow) -> None:
        _press_ctrl_c()

    means = Means(telling=Telling(epoch=stop))
    wishes: dict[str, Any] = {"model": "patternnet", "strategy": "finetune"}
    assert finetune(tmp_path / "data", out=run, means=means, **wishes).interrupted
    changed = next((tmp_path / "data" / "brick").iterdir())
    shutil.copyfile(next((data / "dotted").iterdir()), changed)
    with pytest.raises(InputError, match=changed.name):
        resume(run)


def test_what_cannot_be_is_said_before_anything_is_made(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no_such_layer"):
        finetune(data, out=tmp_path / "a", model="patternnet", unfreeze="no_such_layer")
    assert not (tmp_path / "a").exists()
    done = finetune(data, out=tmp_path / "b", model="patternnet", strategy="bottleneck", epochs=1)
    assert isinstance(done, Trained)
    with pytest.raises(OutputError, match="new or empty"):
        finetune(data, out=tmp_path / "b", model="patternnet")
    with pytest.raises(UsageError, match="trained already"):
        finetune(data, out=tmp_path / "c", model=str(tmp_path / "b"))


def test_curves_for_tensorboard(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    run = tmp_path / "run"
    finetune(data, out=run, model="patternnet", strategy="bottleneck", epochs=2,
             means=Means(tensorboard=True))  # fmt: skip
    [events] = (run / "tensorboard" / "bottleneck").iterdir()
    assert b"val_accuracy" in events.read_bytes()


def test_a_plan_knows_what_a_run_will_do(data: Path, tmp_path: Path) -> None:
    told = plan(data, model="patternnet")
    assert told.strategies == ("bottleneck", "finetune")
    assert (told.train, told.val, told.parameters) == (24, 6, 484_297)
    pattern = plan(data, strategy="scratch", arch=PATTERN)
    # 3·3·3·8 + 8, 3·3·8·8 + 8, 8·8·8·16 + 16, 16·3 + 3
    assert pattern.parameters == 224 + 584 + 8208 + 51
    assert told.seconds > 0
    assert told.memory > 100_000_000
