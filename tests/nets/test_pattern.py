"""Pattern → `keras.Model`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.errors import UsageError
from cnnkit.zoo import patterns
from cnnkit.zoo.patterns import EXAMPLE, embedding_layer, parameters

pytestmark = pytest.mark.network

STEPS = st.sampled_from(
    [
        *("CONV3-2", "CONV1-3/2", "CONV2-2v", "CONV3-2/2v", "CONV-3", "CONV4-2/3", "RELU", "BN"),
        *("POOL2", "POOL3/2", "AVGPOOL2", "AVGPOOL2/1", "DROP0.5"),
    ]
)
VECTORS = st.sampled_from(["FC-3", "RELU", "BN", "DROP0.5"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    inner = " -> ".join(draw(st.lists(STEPS, min_size=1, max_size=3)))
    maps = f"[{inner}]*{draw(st.integers(1, 2))}"
    ends = draw(st.sampled_from([[], ["GAP"], ["FC-4"]]))
    vectors = draw(st.lists(VECTORS, max_size=3)) if ends else []
    return " -> ".join(["INPUT", maps, *ends, *vectors, "FC"])


@settings(max_examples=40, deadline=None)
@given(texts(), st.integers(9, 24), st.integers(9, 24), st.integers(1, 5))
def test_what_is_counted_is_what_keras_builds(text: str, h: int, w: int, classes: int) -> None:
    from cnnkit.nets.pattern import build_pattern

    try:
        expected = patterns.layers(text, h, w, classes)
    except UsageError:
        with pytest.raises(UsageError):
            build_pattern(text, height=h, width=w, classes=classes)
        return
    model = build_pattern(text, height=h, width=w, classes=classes)
    assert model.count_params() == parameters(text, h, w, classes)
    assert [(e.name, tuple(e.output.shape[1:]), e.count_params()) for e in model.layers] == [
        (layer.name, layer.shape, layer.parameters) for layer in expected
    ]
    vector = model.get_layer(embedding_layer(text)).output
    assert len(vector.shape) == 2
    assert vector.shape[1] == model.layers[-1].kernel.shape[0]


def test_logits_and_probabilities() -> None:
    from cnnkit.nets.pattern import build_pattern

    pictures = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)

    def answers(activation: str | None) -> np.ndarray:
        model = build_pattern(EXAMPLE, height=16, width=16, classes=5, activation=activation)
        return np.asarray(model(pictures))

    logits, scores = answers(None), answers("softmax")
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(scores, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)
    assert logits.dtype == np.float32


def test_the_first_values_are_a_function_of_the_seed() -> None:
    from cnnkit.nets.pattern import build_pattern

    def values(seed: int) -> list[np.ndarray]:
        model = build_pattern(EXAMPLE, height=9, width=9, classes=2, seed=seed)
        return model.get_weights()

    once, again, other = values(1), values(1), values(2)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(once, other, strict=True) if a.ndim > 1)
    # Layers of one shape do not begin alike.
    assert not np.array_equal(once[2], once[4])


def test_the_first_values_are_hes() -> None:
    from cnnkit.nets.pattern import build_pattern

    model = build_pattern("INPUT -> CONV3-500 -> GAP -> FC", height=4, width=4, classes=2)
    kernel = model.get_layer("conv1").get_weights()[0]
    assert kernel.std() == pytest.approx(np.sqrt(2 / 27), rel=0.03)


def test_settings_of_the_caller_do_not_matter() -> None:
    import keras

    from cnnkit.nets.pattern import build_pattern

    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    try:
        text = "INPUT -> CONV-4 -> BN -> RELU -> POOL2 -> DROP0.5 -> AVGPOOL2 -> FC-3 -> FC"
        model = build_pattern(text, height=8, width=8, classes=2)
        gap = build_pattern("INPUT -> CONV-4 -> GAP -> FC", height=8, width=8, classes=2)
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_image_data_format("channels_last")
    assert {layer.output.dtype for layer in model.layers} == {"float32"}
    assert model.get_layer("pool1").output.shape == (None, 4, 4, 4)
    assert gap.get_layer("gap1").output.shape == (None, 4)


def test_nothing_large_is_built() -> None:
    from cnnkit.nets.pattern import build_pattern

    with pytest.raises(UsageError, match="2,000,000,000 parameters"):
        build_pattern("INPUT -> FC-900000000 -> FC", height=99, width=99, classes=2)
