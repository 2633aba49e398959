"""The weight store's verbs as a library: rows, states, and what is refused."""

import hashlib
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from cnnkit.errors import GateFailed, InputError, UnknownName, WeightsError
from cnnkit.tasks import weights as task
from cnnkit.tasks.weights import (
    import_weights,
    list_weights,
    raise_if_wrong,
    remove_weights,
    verify_weights,
    weights_path,
)
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import CLASS_INDEX, Network, WeightFile, catalog, find

SMALL = find("mobilenet_0.25")
HASHED = find("resnet50")


@pytest.fixture
def models() -> Path:
    """The folder of the store, there already."""
    store.folder().mkdir(parents=True)
    return store.folder()


@pytest.fixture
def real(data: Path) -> Path:
    return data / "keras_home" / "models"


def tensors(path: Path, *shapes: tuple[int, ...], seed: float = 0) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [f"layer_{number}" for number in range(len(shapes))]
        for number, shape in enumerate(shapes):
            file[f"layer_{number}/kernel"] = np.full(shape, seed, "f4")
    return path


@pytest.fixture
def two_tensors(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Every network has two tensors, the second for the top: no Keras is needed."""
    shapes: list[tuple[int, ...]] = [(3, 2), (5,)]
    monkeypatch.setattr(task, "_expected_shapes", lambda network: [shapes, shapes[:1]])
    return shapes


def states(*models: str, accept: bool = False) -> dict[str, str]:
    """What verify says of each file, but for patternnet's, which is always here and right."""
    found = {row.file: row.state for row in verify_weights(models, accept=accept)}
    if not models:
        assert found.pop(find("patternnet").top.name) == "verified"
    return found


# ---- list, path, remove


def test_list_tells_what_is_here(models: Path) -> None:
    tensors(models / SMALL.top.name, (3,))
    rows = list(list_weights("mobilenet_0.25"))
    assert [(row.model, row.state) for row in rows] == [
        ("mobilenet_0.25", "present"), ("mobilenet_0.25", "absent"),
    ]  # fmt: skip
    assert rows[0].size == (models / SMALL.top.name).stat().st_size
    assert rows[1].size == SMALL.no_top.size and "about" in rows[1].note
    everything = list(list_weights())
    assert len(everything) == 2 * len(catalog())  # patternnet has one file, the labels one
    assert everything[-1].model == "labels"
    assert [row.file for row in list_weights("labels")] == [CLASS_INDEX.name]
    with pytest.raises(UnknownName):
        list(list_weights("nothing*"))


def test_path(models: Path) -> None:
    with pytest.raises(WeightsError, match=r"cnnkit weights pull mobilenet_0\.25"):
        weights_path("mobilenet_0.25")
    tensors(models / SMALL.no_top.name, (3,))
    assert weights_path("MobileNet-0.25", top=False) == models / SMALL.no_top.name
    with pytest.raises(UnknownName):
        weights_path("mobilenet_9")


def test_remove(models: Path) -> None:
    size = tensors(models / SMALL.top.name, (3,)).stat().st_size
    (models / f".{SMALL.no_top.name}.part").write_bytes(b"left")
    (row,) = remove_weights(["mobilenet_0.25"])
    assert (row.file, row.state, row.size) == (SMALL.top.name, "removed", size)
    assert list(models.iterdir()) == []
    states = [row.state for row in remove_weights(["mobilenet_0.25", "labels"])]
    assert states == ["absent", "absent"]


# ---- verify


def test_verify_states(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states("mobilenet_0.25") == {SMALL.top.name: "absent"}
    tensors(models / SMALL.top.name, (3,))
    assert states("mobilenet_0.25") == {SMALL.top.name: "recorded"}
    tensors(models / SMALL.top.name, (4,))
    assert states("mobilenet_0.25") == {SMALL.top.name: "changed"}
    assert states("mobilenet_0.25", accept=True) == {SMALL.top.name: "recorded"}
    assert states("mobilenet_0.25") == {SMALL.top.name: "recorded"}
    tensors(models / HASHED.top.name, (3,))
    assert states() == {SMALL.top.name: "recorded", HASHED.top.name: "unpublished"}
    assert states("resnet50", accept=True) == {HASHED.top.name: "unpublished"}


def test_verify_verified(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tensors(models / "published.h5", (3,))
    file = WeightFile(path.name, "", hashlib.md5(path.read_bytes()).hexdigest(), 1)
    monkeypatch.setattr(task, "_files", lambda name: (file, file))
    assert states("any") == {"published.h5": "verified"}


def test_a_change_that_size_and_time_hide_is_found(models: Path) -> None:
    path = tensors(models / SMALL.top.name, (3,))
    states()
    status = path.stat()
    tensors(path, (3,), seed=1)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert states() == {SMALL.top.name: "changed"}


def test_verify_damaged(models: Path) -> None:
    path = tensors(models / SMALL.top.name, (300, 300))
    path.write_bytes(path.read_bytes()[:-1000])
    (row,) = verify_weights(["mobilenet_0.25"])
    assert row.state == "damaged" and "cannot be opened" in row.note
    assert states(accept=True) == {SMALL.top.name: "damaged"}, "acceptance mends nothing"


@pytest.mark.real
def test_verify_the_real_ones(keras_home: Path) -> None:
    found = states()
    assert found.pop(CLASS_INDEX.name) == "verified"
    assert len(found) == 5 and set(found.values()) == {"recorded"}, "MobileNets have no hash"


def test_raise_if_wrong(models: Path) -> None:
    tensors(models / SMALL.top.name, (3,))
    raise_if_wrong(list(verify_weights()))
    raise_if_wrong([])
    with pytest.raises(GateFailed, match="1 of 2 files are not right: resnet50_") as caught:
        raise_if_wrong(list(verify_weights(["mobilenet_0.25", "resnet50"])))
    assert caught.value.exit_code == 4


# ---- import


def test_import_by_keras_name(tmp_path: Path, two_tensors: list[tuple[int, ...]]) -> None:
    source = tensors(tmp_path / SMALL.top.name, *two_tensors)
    before, time = source.read_bytes(), source.stat().st_mtime_ns
    (row,) = import_weights(source)
    assert (row.model, row.file, row.state) == ("mobilenet_0.25", SMALL.top.name, "imported")
    assert store.path_of(SMALL.top).read_bytes() == before
    assert (source.read_bytes(), source.stat().st_mtime_ns) == (before, time)
    assert [row.state for row in import_weights(source)] == ["present"]
    assert states() == {SMALL.top.name: "recorded"}


def test_import_of_a_folder(tmp_path: Path, two_tensors: list[tuple[int, ...]]) -> None:
    source = tmp_path / "stick"
    source.mkdir()
    with pytest.raises(InputError, match="No file in"):
        list(import_weights(source))
    tensors(source / SMALL.top.name, *two_tensors)
    tensors(source / HASHED.no_top.name, *two_tensors[:1])
    (source / "holiday.jpg").write_bytes(b"not ours")
    (source / find("vgg16").top.name).mkdir()
    rows = {row.file: row for row in import_weights(source)}
    assert set(rows) == {SMALL.top.name, HASHED.no_top.name}
    assert "not the file that Keras publishes" in rows[HASHED.no_top.name].note
    assert "not the file" not in rows[SMALL.top.name].note


def test_the_published_file_needs_no_look_at_its_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tensors(tmp_path / "foreign.h5", (3,))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    network = catalog()["vgg16"]
    file = WeightFile(network.no_top.name, "", digest, 1)
    known = Network(
        network.name, "", {}, network.recipe, "", 1, 1, network.top, file, CLASS_INDEX
    )  # fmt: skip
    monkeypatch.setattr(task, "find", lambda name: known)
    monkeypatch.setattr(task, "_expected_shapes", lambda network: pytest.fail("Keras was asked"))
    (row,) = import_weights(path, model="vgg16")
    assert (row.file, row.note) == (file.name, "the published hash holds")


def test_an_unknown_name_needs_a_model(tmp_path: Path, two_tensors: list[tuple[int, ...]]) -> None:
    source = tensors(tmp_path / "mine.h5", *two_tensors)
    with pytest.raises(InputError, match="cnnkit weights import --model NAME"):
        list(import_weights(source))
    with pytest.raises(UnknownName):
        list(import_weights(source, model="resnet51"))
    (row,) = import_weights(source, model="ResNet50")
    assert row.file == HASHED.top.name
    (row,) = import_weights(tensors(tmp_path / "bare.h5", (3, 2)), model="resnet50")
    assert row.file == HASHED.no_top.name


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([(3, 2), (6,)], r"one of them of shape \(6,\)"),
        ([(3, 2), (5,), (5,)], "Received 3"),
        ([(5,)], "Expected 2 tensors, or 1 without top. Received 1"),
        ([(2, 3), (5,)], r"one of them of shape \(2, 3\)"),
        ([], "Received 0"),
    ],
)
def test_other_shapes_are_refused(
    tmp_path: Path, two_tensors: list[tuple[int, ...]], shapes: list[tuple[int, ...]], said: str
) -> None:
    source = tensors(tmp_path / "mine.h5", *shapes)
    with pytest.raises(WeightsError, match=f"is not for resnet50.*{said}"):
        list(import_weights(source, model="resnet50"))
    assert not store.folder().exists()


def test_a_different_file_is_replaced_by_force_only(
    tmp_path: Path, models: Path, two_tensors: list[tuple[int, ...]]
) -> None:
    source = tensors(tmp_path / SMALL.top.name, *two_tensors)
    target = tensors(models / SMALL.top.name, *two_tensors, seed=1)
    old = target.read_bytes()
    with pytest.raises(WeightsError, match="--force"):
        list(import_weights(source))
    assert target.read_bytes() == old
    assert states() == {SMALL.top.name: "recorded"}
    assert [row.state for row in import_weights(source, force=True)] == ["imported"]
    assert target.read_bytes() == source.read_bytes()
    assert states() == {SMALL.top.name: "recorded"}, "who forces it, trusts it"


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / SMALL.top.name).write_bytes(b"garbage")
    with pytest.raises(WeightsError, match="cannot be opened as an HDF5 weight file"):
        list(import_weights(tmp_path / SMALL.top.name))
    with pytest.raises(InputError, match="no file or folder"):
        list(import_weights(tmp_path / "nothing.h5"))
    with h5py.File(tmp_path / SMALL.no_top.name, "w") as file:
        file["x"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(WeightsError, match="links elsewhere"):
        list(import_weights(tmp_path / SMALL.no_top.name))
    assert not store.folder().exists()


@pytest.mark.real
def test_import_of_the_class_index(tmp_path: Path, real: Path) -> None:
    shutil.copyfile(real / CLASS_INDEX.name, tmp_path / "names.json")
    (row,) = import_weights(tmp_path / "names.json", model="labels")
    assert (row.model, row.file, row.state) == ("labels", CLASS_INDEX.name, "imported")
    assert [row.state for row in import_weights(real / CLASS_INDEX.name)] == ["present"]
    assert states("labels") == {CLASS_INDEX.name: "verified"}
    (tmp_path / "names.json").write_text("{}")
    with pytest.raises(WeightsError, match="class names cannot be read"):
        list(import_weights(tmp_path / "names.json", model="labels", force=True))
    assert states("labels") == {CLASS_INDEX.name: "verified"}


@pytest.mark.real
@pytest.mark.network
def test_real_files_are_known_by_their_shapes(tmp_path: Path, real: Path) -> None:
    for file in (SMALL.top, SMALL.no_top):
        source = tmp_path / "foreign.h5"
        shutil.copyfile(real / file.name, source)
        (row,) = import_weights(source, model="mobilenet_0.25")
        assert (row.file, row.state) == (file.name, "imported")
        assert store.path_of(file).read_bytes() == source.read_bytes()


@pytest.mark.real
@pytest.mark.network
def test_real_files_of_another_network_are_refused(real: Path) -> None:
    with pytest.raises(WeightsError, match=r"is not for mobilenet_0\.75.*of shape \(") as caught:
        list(import_weights(real / SMALL.top.name, model="mobilenet_0.75"))
    assert "Expected 137 tensors, or 135 without top" in str(caught.value)
    assert not store.folder().exists()


def test_another_layout_with_the_right_shapes_is_refused(
    tmp_path: Path, two_tensors: list[tuple[int, ...]]
) -> None:
    path = tensors(tmp_path / "new.weights.h5", *two_tensors)
    with h5py.File(path, "r+") as file:
        del file.attrs["layer_names"]
    with pytest.raises(WeightsError, match=r"another layout .* --weights"):
        import_weights(path, model="vgg16")


def test_one_bad_file_in_a_folder_stops_no_other(
    tmp_path: Path, two_tensors: list[tuple[int, ...]]
) -> None:
    tensors(tmp_path / SMALL.top.name, *two_tensors)
    (tmp_path / HASHED.top.name).write_bytes(b"cut off")
    rows = {row.file: row for row in import_weights(tmp_path)}
    assert rows[SMALL.top.name].state == "imported"
    assert rows[HASHED.top.name].state == "refused"
    assert rows[HASHED.top.name].failed


def test_one_name_is_as_good_as_a_list(models: Path) -> None:
    assert [row.file for row in verify_weights("mobilenet_0.25")] == [SMALL.top.name]
    with pytest.raises(UnknownName, match="'vgg'"):
        verify_weights("vgg")
