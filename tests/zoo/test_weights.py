"""The weight store: where things are, what is fetched, what is said where that fails."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnkit.errors import WeightsError, WeightsUnavailable
from cnnkit.zoo import weights as store
from cnnkit.zoo.catalog import CLASS_INDEX, WeightFile, find
from cnnkit.zoo.download import lock
from tests.zoo.mirror import Mirror, Turn, content

SMALL = find("mobilenet_0.25")
FILE = SMALL.top
HASHED = find("resnet50").top
WHOLE = content(200_000)


@pytest.fixture
def served(mirror: Mirror) -> Mirror:
    mirror.files[FILE.name] = WHOLE
    return mirror


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the store logs; the program stops its logger's propagation, tests may have too."""
    logger = logging.getLogger("cnnkit")
    before, logger.propagate = logger.propagate, True
    level, logger.level = logger.level, logging.WARNING
    yield caplog
    logger.propagate, logger.level = before, level


def test_the_folder_is_keras_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.folder() == tmp_path / "keras" / "models"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.folder() == tmp_path / ".keras" / "models"
    monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    assert store.folder() == tmp_path / "elsewhere" / "models", "Keras expands it"


@pytest.mark.parametrize("mirror_url", ["https://m.example/keras", "https://m.example/keras/"])
def test_a_mirror_holds_files_of_the_same_names(
    mirror_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNKIT_WEIGHTS_URL", mirror_url)
    assert store.url_of(FILE) == "https://m.example/keras/mobilenet_2_5_224_tf.h5"
    monkeypatch.setenv("CNNKIT_WEIGHTS_URL", "")
    assert store.url_of(FILE) == FILE.url
    monkeypatch.delenv("CNNKIT_WEIGHTS_URL")
    assert store.url_of(CLASS_INDEX) == CLASS_INDEX.url


@pytest.mark.parametrize(
    ("text", "offline"),
    [("1", True), ("true", True), ("YES", True), ("on", True), ("", False), ("0", False),
     ("false", False), ("No", False), ("off", False), ("n", False), ("f", False)],
)  # fmt: skip
def test_is_offline(text: str, offline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not store.is_offline()
    monkeypatch.setenv("CNNKIT_OFFLINE", text)
    assert store.is_offline() is offline


def test_pull_and_pull_again(served: Mirror) -> None:
    path = store.pull(FILE, needed_by="a test")
    assert path == store.path_of(FILE) and path.read_bytes() == WHOLE
    store.pull(FILE, needed_by="a test")
    store.obtain(SMALL)
    assert len(served.requests) == 1


@pytest.mark.parametrize("file", [FILE, HASHED, CLASS_INDEX], ids=lambda file: file.name)
@pytest.mark.parametrize("by_variable", [True, False])
def test_offline_never_opens_a_socket_and_says_all(
    file: WeightFile, by_variable: bool, no_sockets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNKIT_WEIGHTS_URL", "")
    if by_variable:
        monkeypatch.setenv("CNNKIT_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable) as caught:
        store.pull(file, needed_by="resnet50", offline=not by_variable)
    message = str(caught.value)
    assert caught.value.exit_code == 1
    for told in (
        "resnet50", "offline mode", file.name, f"{file.size / 1e6:,.1f} MB", file.url,
        file.hash or "not published", str(store.folder()), "cnnkit weights import",
        "CNNKIT_WEIGHTS_URL",
    ):  # fmt: skip
        assert told in message
    assert not store.folder().exists()


def test_offline_uses_what_is_here(served: Mirror, no_sockets: None) -> None:
    store.folder().mkdir(parents=True)
    store.path_of(FILE).write_bytes(WHOLE)
    assert store.obtain(SMALL, offline=True) == store.path_of(FILE)


def test_no_socket_is_what_the_fixture_checks(served: Mirror, no_sockets: None) -> None:
    with pytest.raises(AssertionError, match="a socket was opened"):
        store.pull(FILE, needed_by="a test")


def test_the_wrong_file_for_a_published_hash(served: Mirror) -> None:
    served.files[HASHED.name] = b"garbage"
    with pytest.raises(WeightsUnavailable, match=f"expected md5 {HASHED.hash}, received"):
        store.pull(HASHED, needed_by="resnet50")
    assert not any(p.suffix in (".h5", ".part") for p in store.folder().iterdir())


@pytest.mark.parametrize("turn", [Turn(status=404), Turn(status=500), Turn(cut=10)])
def test_force_keeps_the_old_file_until_the_new_is_whole(served: Mirror, turn: Turn) -> None:
    old = content(seed=5)
    store.folder().mkdir(parents=True)
    store.path_of(FILE).write_bytes(old)
    served.always = turn
    with pytest.raises(WeightsUnavailable, match="as it was") as caught:
        store.pull(FILE, needed_by="a test", force=True)
    assert "is not here" not in str(caught.value)
    assert store.path_of(FILE).read_bytes() == old
    served.always = Turn()
    store.pull(FILE, needed_by="a test", force=True)
    assert store.path_of(FILE).read_bytes() == WHOLE


def test_the_class_index_travels_the_same_way(served: Mirror) -> None:
    served.files[CLASS_INDEX.name] = json.dumps({"0": ["n0", "wrong"]}).encode()
    with pytest.raises(WeightsUnavailable, match=f"expected md5 {CLASS_INDEX.hash}"):
        store.obtain_labels(find("resnet50"))
    assert not store.path_of(CLASS_INDEX).exists()


@pytest.mark.real
def test_the_real_class_index_through_a_mirror(served: Mirror, data: Path) -> None:
    served.files[CLASS_INDEX.name] = (
        data / "keras_home" / "models" / CLASS_INDEX.name
    ).read_bytes()
    served.turns = [Turn(cut=10_000)]
    assert store.obtain_labels(find("resnet50"))[0] == ("n01440764", "tench")
    assert served.requests[1].range == "bytes=10000-"


def test_the_reporter_is_told_the_name_and_the_bytes(served: Mirror) -> None:
    told: list[tuple[str, int, int | None]] = []
    store.pull(
        FILE, needed_by="a test",
        reporter=lambda name: lambda done, total: told.append((name, done, total)),
    )  # fmt: skip
    assert told[-1] == (FILE.name, len(WHOLE), len(WHOLE))


def test_a_changed_file_is_used_with_a_warning(
    served: Mirror, heard: pytest.LogCaptureFixture
) -> None:
    path = store.obtain(SMALL)
    assert not heard.records
    path.write_bytes(content(seed=9))
    assert store.obtain(SMALL) == path
    (record,) = heard.records
    assert record.levelno == logging.WARNING and record.name.startswith("cnnkit")
    assert str(path) in record.message and "seen here first" in record.message
    assert "cnnkit weights verify mobilenet_0.25" in record.message


def test_another_than_the_published_file_is_used_with_a_warning(
    served: Mirror, heard: pytest.LogCaptureFixture
) -> None:
    store.folder().mkdir(parents=True)
    store.path_of(HASHED).write_bytes(WHOLE)
    store.obtain(find("resnet50"))
    assert "is not the file published by Keras" in heard.text


def test_copy_in_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "mine.h5"
    source.write_bytes(WHOLE)

    def half(original: object, copy: object, length: int) -> None:
        copy.write(WHOLE[:1000])  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "copyfileobj", half)
        store.copy_in(source, FILE)
    assert list(store.folder().iterdir()) == []
    path = store.copy_in(source, FILE)
    assert path.read_bytes() == source.read_bytes() == WHOLE
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(store.folder().iterdir()) == [path]


def test_copy_in_says_why_not(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be copied to"):
        store.copy_in(tmp_path / "nothing.h5", FILE)
    (tmp_path / "keras" / "models").rmdir()
    (tmp_path / "keras").rmdir()
    (tmp_path / "keras").write_text("a file where a folder should be")
    source = tmp_path / "mine.h5"
    source.write_bytes(WHOLE)
    with pytest.raises(WeightsError, match="cannot be copied to"):
        store.copy_in(source, FILE)


def test_remove_takes_the_leftovers_too(served: Mirror) -> None:
    assert store.remove(FILE) is None
    served.always = Turn(cut=10_000)
    with pytest.raises(WeightsUnavailable):
        store.pull(FILE, needed_by="a test")
    killed_import = store.folder() / f".{FILE.name}.abc.import"
    killed_import.write_bytes(b"half")
    other = store.folder() / f".{SMALL.no_top.name}.part"
    other.write_bytes(b"of another file")
    assert len(list(store.folder().iterdir())) == 5, "part, version, lock and these two"
    assert store.remove(FILE) is None
    assert list(store.folder().iterdir()) == [other]


def test_what_is_just_being_fetched_is_not_removed(served: Mirror) -> None:
    path = store.pull(FILE, needed_by="a test")
    with lock(path), pytest.raises(WeightsError, match="just being fetched"):
        store.remove(FILE)
    assert path.exists()
    assert store.remove(FILE) == len(WHOLE)


def test_remove_tells_what_it_freed_and_forgets(served: Mirror) -> None:
    path = store.pull(FILE, needed_by="a test")
    assert store.remove(FILE) == len(WHOLE)
    assert list(store.folder().iterdir()) == []
    served.files[FILE.name] = content(seed=3)
    store.obtain(SMALL)
    assert path.read_bytes() == content(seed=3)


def test_remove_where_there_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "keras").write_text("a file where a folder should be")
    assert store.remove(FILE) is None
