"""Exported files answer in their own runtimes as Keras does, or are refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnkit.engines import export as module
from cnnkit.engines.base import SCORES, Source
from cnnkit.engines.conversion import probes
from cnnkit.engines.disk import takes
from cnnkit.engines.export import (
    KINDS,
    Exported,
    export_scores,
    refuse_if_astray,
    require,
)
from cnnkit.errors import CnnkitError, GateFailed, OutputError
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import find

pytestmark = pytest.mark.network


def lacking(format: str) -> str:
    return " ".join(name for name in KINDS[format].packages if find_spec(name) is None)


EACH = [
    pytest.param(
        format,
        marks=pytest.mark.skipif(bool(lacking(format)), reason=f"not installed: {lacking(format)}"),
    )
    for format in KINDS
]


@pytest.fixture(scope="module")
def keras_engine() -> Any:
    """Patternnet with its own weights: random ones answer nearly alike, whatever they see."""
    from cnnkit.engines.keras_engine import KerasEngine

    network = find("patternnet")
    source = Source(
        network, network.recipe, store.path_of(network.top), layers=(SCORES, network.embedding)
    )
    return KerasEngine(source, batch_size=8, threads=2)


@pytest.mark.parametrize("format", EACH)
def test_an_exported_file_answers_as_keras_does(
    format: str, keras_engine: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = export_scores(keras_engine.model, format, tmp_path)
    assert path.exists() and path.name == KINDS[format].file
    exported = Exported(format, path, threads=2)
    recipe = find("patternnet").recipe
    pixels = probes(recipe.height, recipe.width, 11)
    expected = keras_engine.run(pixels)[0]
    # Else equal answers would say nothing.
    assert np.ptp(expected, axis=0).max() > 0.1
    (received,) = exported.predict(pixels)
    difference = float(np.abs(received - expected).max())
    refuse_if_astray(exported, keras_engine.run, recipe)
    assert "".join(capfd.readouterr()) == ""
    with capfd.disabled():
        print(f"\n{format}: at most {difference:.1e} from Keras")
    assert received.shape == expected.shape and received.dtype == np.float32
    assert difference < 1e-4


@pytest.mark.skipif(bool(lacking("onnx")), reason=f"not installed: {lacking('onnx')}")
def test_an_onnx_file_asks_for_pixels_alone(tmp_path: Path) -> None:
    import onnx

    from cnnkit.engines.keras_engine import KerasEngine

    network = find("efficientnetb0")  # its converter leaves two inputs over that nobody can feed
    engine = KerasEngine(Source(network, network.recipe), batch_size=1, threads=2)
    path = export_scores(engine.model, "onnx", tmp_path)
    assert [value.name for value in onnx.load(str(path)).graph.input] == ["pixels"]
    refuse_if_astray(Exported("onnx", path, threads=2), engine.run, network.recipe)


def largest_file(folder: Path) -> Path:
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


# LiteRT trusts its files: one that is cut off ends the process.
@pytest.mark.parametrize("format", [each for each in EACH if each.values != ("litert",)])
def test_a_file_that_is_cut_off_is_refused(format: str, keras_engine: Any, tmp_path: Path) -> None:
    path = export_scores(keras_engine.model, format, tmp_path)
    largest = largest_file(tmp_path)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    with pytest.raises(GateFailed, match="Nothing is kept"):
        exported = Exported(format, path, threads=2)
        refuse_if_astray(exported, keras_engine.run, find("patternnet").recipe)


@pytest.mark.parametrize("format", EACH)
def test_a_few_other_weights_are_noticed(format: str, keras_engine: Any, tmp_path: Path) -> None:
    path = export_scores(keras_engine.model, format, tmp_path)
    with largest_file(tmp_path).open("rb+") as file:
        file.seek(largest_file(tmp_path).stat().st_size // 2)
        file.write(b"A" * 4096)  # as float32: 12.08
    with pytest.raises(GateFailed, match="Nothing is kept"):
        exported = Exported(format, path, threads=2)
        refuse_if_astray(exported, keras_engine.run, find("patternnet").recipe)


def test_the_message_says_how_far_and_what_to_type(keras_engine: Any, tmp_path: Path) -> None:
    path = export_scores(keras_engine.model, "saved_model", tmp_path)
    exported = Exported("saved_model", path, threads=2)

    def otherwise(pixels: Any) -> Any:
        return (keras_engine.run(pixels)[0] * np.float32(1.01),)

    with pytest.raises(GateFailed, match=r"Expected .* Received: 9\.9e-03.* type: --tolerance"):
        refuse_if_astray(exported, otherwise, find("patternnet").recipe)
    refuse_if_astray(exported, otherwise, find("patternnet").recipe, tolerance=0.02)


class Refusing:
    """Stands for a model that a converter cannot take."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *arguments: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (OSError(28, "No space left on device"), OutputError, "No space left on device"),
        (RuntimeError("op Strange\nmore"), CnnkitError, r"\(op Strange\).*--format saved_model"),
    ],
)
def test_what_goes_wrong_is_said(
    error: Exception, kind: type[CnnkitError], told: str, keras_engine: Any,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "export_model", Refusing(error))
    with pytest.raises(kind, match=told) as caught:
        export_scores(keras_engine.model, "litert", tmp_path)
    assert caught.value.exit_code == 1


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full: no file grows beyond `size` bytes."""
    resource = pytest.importorskip("resource", reason="no limits on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("format", EACH)
def test_a_full_disk_is_blamed_on_nobody_else(
    format: str, keras_engine: Any, tmp_path: Path
) -> None:
    with files_at_most(1 << 16), pytest.raises(OutputError, match="cannot be written"):
        export_scores(keras_engine.model, format, tmp_path)


def test_a_disk_takes_what_it_has_room_for(tmp_path: Path) -> None:
    with files_at_most(2 << 20):
        assert takes(tmp_path, 2 << 20) and takes(tmp_path, 0)
        assert not takes(tmp_path, (2 << 20) + 1)
    assert not takes(tmp_path / "absent", 1)
    assert not list(tmp_path.iterdir())


def test_missing_packages_come_with_the_command_that_brings_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent: Callable[[str], None] = lambda name: None  # noqa: E731
    monkeypatch.setattr(module, "find_spec", absent)
    with pytest.raises(
        CnnkitError, match=r"no onnx, tf2onnx, .* Type: pip install 'cnnkit\[onnx\]"
    ):
        require("onnx")
    with pytest.raises(CnnkitError, match="Type: pip install openvino"):
        require("openvino")
    require("saved_model")
    require("litert")


def test_only_the_networks_own_answers_are_exported(tmp_path: Path) -> None:
    """The swish of EfficientNet leaves some fifty outputs of no use in the graph."""
    ov = pytest.importorskip("openvino", reason="the compiled runtime is not installed")
    from cnnkit.engines.keras_engine import KerasEngine

    network = find("efficientnetb0")
    layers = (SCORES, network.embedding)
    engine = KerasEngine(Source(network, network.recipe, layers=layers), batch_size=1, threads=2)
    path = module.export_model(engine.model, "openvino", tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    outputs = ov.Core().read_model(path).outputs
    assert [output.partial_shape[1].get_length() for output in outputs] == [1000, 1280]
