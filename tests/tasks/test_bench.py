"""What `bench` measures: figures that fit one another, counted operations, pictures named."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from cnnkit.engines import base
from cnnkit.engines.base import RuntimeUnfit
from cnnkit.errors import InputError, UnknownName, UsageError
from cnnkit.records import BenchRow
from cnnkit.tasks import bench as task
from cnnkit.tasks import peak
from cnnkit.tasks.bench import bench
from cnnkit.tasks.network import Job
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import find
from tests.conftest import picture


def rows_of(rows: list[BenchRow], measure: str) -> list[BenchRow]:
    return [row for row in rows if row.measure == measure]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, converted_networks: Path) -> list[BenchRow]:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        picture(200, 100, number).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNKIT_CACHE_DIR", str(converted_networks))
        return list(bench("patternnet", images=folder, threads=2, seconds=4))


@pytest.mark.network
def test_every_engine_is_measured_in_every_way(rows: list[BenchRow]) -> None:
    engines = {(row.engine, row.precision) for row in rows_of(rows, "network")}
    assert ("keras", "float32") in engines
    assert ("openvino", "float32") in engines or not find_spec("openvino")
    assert ("keras", "bfloat16") not in engines
    assert {(row.engine, row.precision) for row in rows_of(rows, "files")} == engines
    for engine in engines:
        own = [r.batch for r in rows_of(rows, "network") if (r.engine, r.precision) == engine]
        assert own == [1, base.BATCH_SIZES[engine[0]]]
    assert {row.precision for row in rows_of(rows, "peak")} == {each for _, each in engines}
    assert len(rows_of(rows, "decode")) == 1
    assert {(row.model, row.weights, row.threads) for row in rows} == {
        ("patternnet", "imagenet", 2)
    }


@pytest.mark.network
def test_the_figures_fit_one_another(rows: list[BenchRow]) -> None:
    peaks = {row.precision: row.gflops for row in rows_of(rows, "peak")}
    for row in rows_of(rows, "network"):
        assert row.images_per_second and row.gflops and row.share_of_peak
        # 58,985,808 multiply-adds, two operations each.
        assert row.gflops == pytest.approx(0.117971616 * row.images_per_second)
        assert row.share_of_peak == pytest.approx(row.gflops / (peaks[row.precision] or 0))
        assert "58.99 million" in row.note
        assert (row.latency_ms is not None) == (row.batch == 1)
        if row.latency_ms:
            # The rate holds the pauses that a busy machine makes, the median latency does not.
            assert 0.1 < row.latency_ms / 1000 * row.images_per_second < 2
    assert all(
        row.images_per_second and row.images_per_second > 1
        for row in (*rows_of(rows, "decode"), *rows_of(rows, "files"))
    )
    # The peak of one product in a thousand GFLOP/s would be a unit that went wrong.
    assert all(peak and 0.1 < peak < 1e5 for peak in peaks.values())


@pytest.mark.network
def test_the_pictures_are_named_without_those_that_cannot_be_read(rows: list[BenchRow]) -> None:
    (row,) = rows_of(rows, "decode")
    assert row.note.startswith("3 pictures, 200 × 100, ")


@pytest.mark.network
def test_the_records_hold_four_digits(rows: list[BenchRow]) -> None:
    for row in rows:
        figures = [value for value in row.to_dict().values() if isinstance(value, float)]
        assert all(float(f"{value:.4g}") == value for value in figures)
        assert len(row.text()) == len(row.cells()) == len(row.columns())


@pytest.mark.network
@pytest.mark.parametrize(("model", "millions"), [("mobilenet_0.25", 41), ("resnet50", 3858)])
def test_multiply_adds_are_those_that_the_papers_state(model: str, millions: int) -> None:
    job = Job.of(model, weights="none", engine="keras")
    counted = peak.multiply_adds(job, job.open())
    # 41 million in Howard et al. 2017, table 7; 3.8 × 10⁹ in He et al. 2016, table 1.
    assert round(counted / 1e6) == millions


@pytest.mark.network
def test_without_openvino_keras_is_measured_against_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "find_spec", lambda name: None)
    monkeypatch.setattr(peak, "find_spec", lambda name: None)
    rows = list(bench("patternnet", seconds=0.1))
    assert [(row.measure, row.engine) for row in rows] == [
        ("peak", "numpy"), ("network", "keras"), ("network", "keras"),
        ("decode", ""), ("files", "keras"),
    ]  # fmt: skip
    assert all(row.share_of_peak for row in rows_of(rows, "network"))


@pytest.mark.network
def test_a_graphics_card_has_no_share_of_the_processors_peak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task, "on_graphics", lambda engine: True)
    rows = list(bench("patternnet", engines="keras", seconds=0.1))
    assert [row.share_of_peak for row in rows_of(rows, "network")] == [None, None]
    assert all(row.gflops for row in rows_of(rows, "network"))


def test_without_openvino_numpy_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "SIDE", 64)
    monkeypatch.setattr(peak, "find_spec", lambda name: None)
    engine, work = peak.peak_work("float32", 1)
    assert engine == "numpy"
    work()


@pytest.fixture
def unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An openvino that can run no network."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeUnfit("On openvino patternnet strays.")

    monkeypatch.setattr(base, "find_spec", lambda name: True)
    monkeypatch.setattr(task, "find_spec", lambda name: True)
    monkeypatch.setattr(base, "_openvino", lambda: refuse)


@pytest.mark.network
@pytest.mark.usefixtures("unfit")
def test_an_engine_that_cannot_run_the_network_is_left_out_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("WARNING", "cnnkit"):
        rows = list(bench("patternnet", seconds=0.1))
    assert caplog.text.count("On openvino patternnet strays. Keras runs instead.") == 1
    assert {row.engine for row in rows if row.measure in ("network", "files")} == {"keras"}
    assert [row.batch for row in rows_of(rows, "network")] == [1, 32]
    assert [row.precision for row in rows_of(rows, "peak")] == ["float32"]


@pytest.mark.usefixtures("unfit")
def test_an_engine_that_was_named_and_cannot_run_is_an_error() -> None:
    with pytest.raises(RuntimeUnfit, match="On openvino patternnet strays"):
        list(bench("patternnet", engines="openvino", seconds=0.1))


@pytest.mark.network
def test_without_a_yardstick_there_is_no_share_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ImportError("libopenvino.so is not there")

    monkeypatch.setattr(task, "peak_work", broken)
    with caplog.at_level("WARNING", "cnnkit"):
        rows = list(bench("patternnet", engines="keras", seconds=0.1))
    assert "The peak in float32 cannot be measured: libopenvino.so is not there" in caplog.text
    assert rows_of(rows, "peak") == []
    assert [row.share_of_peak for row in rows_of(rows, "network")] == [None, None]


def test_wishes_are_checked_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean vgg1[69]"):
        bench("vgg17")
    with pytest.raises(UnknownName, match="Did you mean keras"):
        bench("patternnet", engines=["keros"])
    with pytest.raises(UsageError, match="Expected engines: all"):
        bench("patternnet", engines=[])
    with pytest.raises(UsageError, match=r"seconds as a number above 0\. Received: 0"):
        bench("patternnet", seconds=0)
    with pytest.raises(InputError, match="No picture in the folder"):
        bench("patternnet", images=tmp_path)


def test_a_folder_of_broken_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="None of 1 pictures can be read"):
        list(bench("patternnet", engines="keras", images=tmp_path))


def test_random_weights_are_said_to_be_so(caplog: pytest.LogCaptureFixture) -> None:
    assert not store.path_of(find("vgg16").top).is_file()
    with caplog.at_level("WARNING", "cnnkit"):
        bench("vgg16", engines="keras")
    assert "The weights of vgg16 are not here; random ones are as fast." in caplog.text
