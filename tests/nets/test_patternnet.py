"""patternnet: its shape, its shipped weights, its training."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnkit.images.drawn import CLASSES, draw
from cnnkit.nets.contrast import nt_xent
from cnnkit.nets.patternnet import EMBEDDING_WIDTH, PatternNet
from cnnkit.nets.train_patternnet import (
    Settings,
    batches,
    load_state,
    save_half,
    save_state,
    train,
)
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import find
from cnnkit.zoo.labels import read_labels

NETWORK = find("patternnet")
SHIPPED = store.path_of(NETWORK.top)

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def shipped() -> keras.Model:
    return PatternNet(weights=SHIPPED)


def pixels(pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack(pictures).astype(np.float32) / 127.5 - 1.0


def test_the_network_is_flat_standard_and_small() -> None:
    model = PatternNet()
    assert model.output_shape == (None, len(CLASSES))
    assert model.get_layer("embedding").output.shape == (None, EMBEDDING_WIDTH)
    assert model.count_params() < 700_000
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Lambda)]


def test_any_size_goes_through_the_trunk() -> None:
    model = PatternNet(include_top=False, input_shape=(None, None, 3))
    for height, width in ((32, 48), (130, 97)):
        assert model(np.zeros((2, height, width, 3), np.float32)).shape == (2, EMBEDDING_WIDTH)


def test_the_embedding_is_mean_and_deviation_of_every_layer() -> None:
    model = PatternNet(include_top=False)
    inside = keras.Model(
        model.input, [model.get_layer("conv2_relu").output, model.get_layer("pooled").output]
    )
    layer, pooled = inside(np.random.default_rng(0).normal(size=(3, 112, 112, 3)).astype("f4"))
    start = 2 * 24
    layer, pooled = np.asarray(layer), np.asarray(pooled)
    assert np.allclose(pooled[:, start : start + 48], layer.mean(axis=(1, 2)), atol=1e-5)
    deviation = np.sqrt(layer.var(axis=(1, 2)) + 1e-4)
    assert np.allclose(pooled[:, start + 48 : start + 96], deviation, atol=1e-4)


def test_saving_and_loading_changes_nothing(shipped: keras.Model, tmp_path: Path) -> None:
    batch = pixels([draw(name, 5, 0) for name in CLASSES[:4]])
    shipped.save(tmp_path / "whole.keras")
    whole = keras.models.load_model(tmp_path / "whole.keras")
    assert np.array_equal(whole.predict_on_batch(batch), shipped.predict_on_batch(batch))
    save_half(shipped, tmp_path / "half.weights.h5")
    # The shipped weights are float16 already, so writing them as float16 is exact.
    half = PatternNet(weights=tmp_path / "half.weights.h5")
    assert np.array_equal(half.predict_on_batch(batch), shipped.predict_on_batch(batch))
    assert half.variables[0].dtype == "float32"


def test_the_network_without_a_top_is_the_same_network(shipped: keras.Model) -> None:
    batch = pixels([draw(name, 5, 0) for name in CLASSES[:4]])
    cut = keras.Model(shipped.input, shipped.get_layer("embedding").output)
    bare = PatternNet(include_top=False, weights=SHIPPED)
    assert np.allclose(bare.predict_on_batch(batch), cut.predict_on_batch(batch), atol=1e-5)


def test_the_shipped_files_agree_with_the_catalog(shipped: keras.Model) -> None:
    labels = read_labels(store.path_of(NETWORK.labels), NETWORK.classes)
    assert [label for _, label in labels] == list(CLASSES)
    assert SHIPPED.stat().st_size == NETWORK.top.size < 1_500_000
    assert shipped.count_params() == NETWORK.parameters
    assert NETWORK.features == EMBEDDING_WIDTH
    assert shipped.input_shape[1:3] == (NETWORK.recipe.height, NETWORK.recipe.width)


def test_the_shipped_weights_name_held_out_pictures(shipped: keras.Model) -> None:
    right = 0
    for label, name in enumerate(CLASSES):
        batch = pixels([draw(name, 880_001, k) for k in range(13)])
        right += int((shipped.predict_on_batch(batch).argmax(axis=1) == label).sum())
    assert right / (13 * len(CLASSES)) >= 0.80


def test_an_edited_picture_stays_nearest_to_its_original(shipped: keras.Model) -> None:
    embed = keras.Model(shipped.input, shipped.get_layer("embedding").output)
    originals = [draw(name, 880_002, 0) for name in CLASSES]
    edited = [np.clip(p[6:-6, ::-1][:, 6:-6] * 0.8, 0, 255).astype(np.uint8) for p in originals]
    gallery, queries = (np.asarray(embed.predict_on_batch(pixels(p))) for p in (originals, edited))
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    assert ((queries @ gallery.T).argmax(axis=1) == np.arange(len(CLASSES))).mean() >= 0.9


def test_nt_xent_of_known_vectors() -> None:
    # Two pairs on two axes: a partner has cosine 1, the two strangers 0.
    rows = tf.constant([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 5.0]])
    expected = np.log(np.exp(1 / 0.5) + 2.0) - 1 / 0.5
    assert abs(float(nt_xent(rows, 0.5)) - expected) < 1e-5


def test_the_curriculum_rises_and_the_rate_falls() -> None:
    settings = Settings(steps=1000, ramp=450, small=500, cool=200)
    assert settings.strength(0) < 0.1 < settings.strength(200) < settings.strength(450) == 1.0
    assert settings.rate(0) < settings.rate(199) > settings.rate(999) > 0.0
    assert (settings.plan(499).size, settings.plan(500).size) == (80, 112)


def test_batches_come_in_order_whoever_draws_them() -> None:
    settings = Settings(steps=7, pictures=3, small_size=32)
    alone = list(batches(settings, 1, workers=0))
    shared = list(batches(settings, 1, workers=2))
    assert len(alone) == len(shared) == 6
    for (views, labels), (same, names) in zip(alone, shared, strict=True):
        assert np.array_equal(views, same)
        assert np.array_equal(labels, names)


def test_a_run_cut_in_two_ends_where_a_whole_one_does(tmp_path: Path) -> None:
    settings = Settings(steps=3, pictures=4, small_size=32, held_out=1, cool=1)
    assert train(settings, tmp_path / "whole", workers=0, minutes=9.0)
    # No time at all: the run stops after its first step, and goes on when it is called again.
    assert not train(settings, tmp_path / "cut", workers=0, minutes=0.0)
    assert train(settings, tmp_path / "cut", workers=0, minutes=9.0)
    with np.load(tmp_path / "whole/state.npz") as a, np.load(tmp_path / "cut/state.npz") as b:
        assert int(a["step"]) == int(b["step"]) == 3
        assert set(a.files) == set(b.files)
        for key in set(a.files) - {"settings"}:
            assert np.allclose(a[key], b[key], rtol=1e-3, atol=1e-4), key


def test_a_state_comes_back_whole(tmp_path: Path) -> None:
    model, optimizer = PatternNet(), keras.optimizers.AdamW(0.1)
    optimizer.build(model.trainable_variables)
    assert load_state(tmp_path / "none.npz", Settings(), model, optimizer) == 0
    save_state(tmp_path / "state.npz", 17, Settings(), model, optimizer)
    other = PatternNet()
    fresh = keras.optimizers.AdamW(0.1)
    fresh.build(other.trainable_variables)
    assert load_state(tmp_path / "state.npz", Settings(), other, fresh) == 17
    for one, two in zip(model.variables, other.variables, strict=True):
        assert np.array_equal(one, two)
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]
    with pytest.raises(ValueError, match="Received: Settings"):
        load_state(tmp_path / "state.npz", Settings(steps=1), other, fresh)
