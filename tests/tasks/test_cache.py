"""The cache of converted networks as a person handles it: what is listed, what goes, what stays."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cnnkit.engines import cache as store
from cnnkit.errors import OutputError, UnknownName
from cnnkit.records import CacheRow
from cnnkit.tasks.cache import cache_info, clear_cache, summary

GOOD = {"pictures": 64, "same_label": 0.984, "median_cosine": 0.9986, "least_cosine": 0.99}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "own"))
    return tmp_path / "own" / "engines"


def kept(model: str, size: int = 1000, weights: str = "ab" * 32, **said: str) -> store.Entry:
    def build(folder: Path) -> Mapping[str, Any]:
        (folder / "model.bin").write_bytes(bytes(size))
        return said

    facts = {"model": model, "weights": weights}
    return store.keep(store.key_of(model, facts | {"size": size}), facts, build)


def test_nothing_is_listed_and_nothing_cleared_where_nothing_is(folder: Path) -> None:
    assert cache_info() == []
    assert clear_cache() == []
    assert clear_cache("vgg16") == [CacheRow("vgg16", "absent", note="nothing of it is kept")]
    assert summary([]).startswith("0 converted networks, 0.0 of at most ")
    assert not folder.exists()


def test_each_network_is_listed_with_what_is_known_of_it(folder: Path) -> None:
    entry = kept("vgg16", 5_000_000)
    os.utime(entry.folder / "engine.json", (1_000_000_000, 1_000_000_000))
    (row,) = cache_info()
    assert (row.model, row.state, row.weights) == ("vgg16", "kept", "ab" * 6)
    assert row.path == str(entry.folder)
    assert row.used.startswith("2001-09-")
    assert row.size == entry.size > 5_000_000
    assert row.text()[3] == "5.0 MB"
    assert (row.verdict, row.note) == (None, "bfloat16: not yet known")
    assert len(row.text()) == len(row.cells()) == len(row.columns())
    assert summary([row]) == f"1 converted network, 5.0 of at most 8590 MB, in {folder}"


def test_the_summary_counts_networks_and_tells_the_rest_apart(folder: Path) -> None:
    kept("vgg16", unfit="strays from Keras by 2.0e-01")
    assert summary(cache_info()).startswith("0 converted networks and 1 unfit, 0.0 of at most ")
    entry = kept("vgg19")
    (folder / f".{entry.folder.name}.building").mkdir()
    assert summary(cache_info()).startswith("1 converted network, 1 unfit and 1 unfinished, ")
    (entry.folder / "model.bin").write_bytes(b"short")
    states = {"1 unfit", "1 unfinished", "1 damaged"}
    told = summary(cache_info()).replace(" and ", ", ").split(", ")
    assert (told[0], set(told[1:4])) == ("0 converted networks", states)


def test_looking_is_no_use() -> None:
    entry = kept("vgg16")
    os.utime(entry.folder / "engine.json", (1_000_000_000, 1_000_000_000))
    cache_info()
    assert entry.used == 1_000_000_000


@pytest.mark.parametrize(
    ("figures", "note", "precision"),
    [
        ({}, "same label 98.4 %, cosine 0.9986: bfloat16", "bfloat16"),
        ({"same_label": 0.9}, "same label 90.0 %, cosine 0.9986: float32", "float32"),
        ({"median_cosine": 0.99}, "same label 98.4 %, cosine 0.9900: float32", "float32"),
    ],
)
def test_the_verdict_is_told_in_figures_and_in_words(
    figures: dict[str, float], note: str, precision: str
) -> None:
    kept("vgg16").keep_verdict(GOOD | figures | {"processor": "an abacus"})
    (row,) = cache_info()
    assert row.note == row.cells()["note"] == note
    expected = {"precision": precision, **GOOD, **figures, "processor": "an abacus"}
    assert row.to_dict()["verdict"] == expected


@pytest.mark.parametrize("strange", [{}, {"pictures": 1}, GOOD | {"same_label": "all"}])
def test_a_verdict_of_another_version_is_none(strange: dict[str, Any]) -> None:
    kept("vgg16").keep_verdict(strange)
    assert cache_info()[0].note == "bfloat16: not yet known"


def test_what_keras_runs_instead_is_told() -> None:
    kept("vgg16", unfit="strays from Keras by 2.0e-01")
    (row,) = cache_info()
    assert (row.state, row.note) == (
        "unfit", "strays from Keras by 2.0e-01: keras runs instead",
    )  # fmt: skip


def test_only_what_is_named_goes() -> None:
    entries = [kept("vgg16"), kept("vgg16", 2000), kept("vgg19"), kept("mobilenet_0.25")]
    removed = clear_cache(["VGG-16", "xception"])
    assert [(row.model, row.state) for row in removed] == [
        ("vgg16", "removed"), ("vgg16", "removed"), ("xception", "absent"),
    ]  # fmt: skip
    assert [entry.folder.exists() for entry in entries] == [False, False, True, True]
    assert [row.model for row in clear_cache("vgg19")] == ["vgg19"]


def test_clear_takes_what_killed_processes_left_and_nothing_else(folder: Path) -> None:
    entry = kept("vgg16")
    key = entry.folder.name
    ours = [f".{key}.building", f".{key}.abcd_123.old"]
    alien = ["photos", ".hidden", "vgg16", f"{key}.backup", f".{key}.notes", "vgg16-beef"]
    for name in ours + alien:
        (folder / name).mkdir()
        (folder / name / "file").write_bytes(bytes(10))
    (folder / f".{store.key_of('gone', {})}.lock").touch()
    (folder / "readme.txt").touch()
    (folder.parent / "neighbour").touch()
    assert [row.state for row in cache_info()] == ["unfinished", "unfinished", "kept"]
    assert [row.state for row in clear_cache()] == ["removed"] * 3
    assert sorted(path.name for path in folder.iterdir()) == sorted([*alien, "readme.txt"])
    assert all((folder / name / "file").exists() for name in alien)
    assert (folder.parent / "neighbour").exists()


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    entry = kept("vgg16")
    elsewhere = tmp_path / "elsewhere"
    entry.folder.rename(elsewhere)
    entry.folder.symlink_to(elsewhere)
    assert [row.state for row in clear_cache()] == ["removed"]
    assert not entry.folder.is_symlink()
    assert (elsewhere / "model.bin").exists()


def test_a_damaged_network_is_told_and_goes() -> None:
    entry = kept("vgg16")
    (entry.folder / "model.bin").write_bytes(b"short")
    assert [(row.state, row.model) for row in cache_info()] == [("damaged", "vgg16")]
    assert [row.state for row in clear_cache("vgg16")] == ["removed"]
    assert not entry.folder.exists()


def test_what_is_being_converted_is_left_alone(folder: Path) -> None:
    key = store.key_of("vgg16", {})
    building = folder / f".{key}.building"
    building.mkdir(parents=True)
    other = kept("vgg19")
    with FileLock(folder / f".{key}.lock"):
        states = {row.model: row.state for row in clear_cache()}
        assert states == {"vgg16": "busy", "vgg19": "removed"}
        assert building.exists()
        assert not other.folder.exists()
    assert [row.state for row in clear_cache()] == ["removed"]
    assert list(folder.iterdir()) == []


def test_a_cleared_network_can_be_kept_again() -> None:
    first = kept("vgg16")
    clear_cache()
    assert kept("vgg16").folder == first.folder
    assert [row.state for row in cache_info()] == ["kept"]


def test_unknown_names_get_near_misses_and_nothing_goes() -> None:
    entry = kept("vgg16")
    with pytest.raises(UnknownName, match="vgg16"):
        clear_cache(["vgg16", "vgg17"])
    assert entry.folder.exists()


def test_what_an_older_catalog_named_can_be_cleared() -> None:
    kept("oldnet")
    assert [row.state for row in clear_cache("oldnet")] == ["removed"]


@pytest.mark.parametrize("file", ["own", "own/engines"])
def test_a_folder_in_or_below_a_file_is_a_clear_error(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(OutputError, match=r"cannot be read: Not a directory\..*CACHE_DIR"):
        cache_info()


def test_a_folder_that_cannot_be_written_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = kept("vgg16")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match=r"cannot be cleared: Permission denied\..*CACHE_DIR"):
        clear_cache()
    assert entry.folder.exists()
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(OutputError, match=r"cannot be read: Permission denied\."):
        cache_info()
