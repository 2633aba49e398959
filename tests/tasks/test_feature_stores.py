import os
from pathlib import Path

import pytest

from cnnkit.outputs.store import lock
from cnnkit.tasks import feature_stores
from cnnkit.tasks.cache import cache_info, clear_cache, summary


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three stores of 1,000 bytes, used one after another."""
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path))
    folder = feature_stores.folder()
    folder.mkdir(parents=True)
    paths = [folder / f"resnet50-{letter * 20}.h5" for letter in "abc"]
    for age, path in enumerate(paths):
        path.write_bytes(bytes(1000))
        os.utime(path, (1e9 + age, 1e9 + age))
    return paths


def test_the_least_recently_used_make_room(stores: list[Path]) -> None:
    feature_stores.bound(keep=stores[0], largest=2500)
    assert [path.exists() for path in stores] == [True, False, True]


def test_what_is_used_now_stays_however_large(stores: list[Path]) -> None:
    feature_stores.bound(keep=stores[1], largest=10)
    assert [path.exists() for path in stores] == [False, True, False]


def test_a_store_that_somebody_writes_stays(stores: list[Path]) -> None:
    with lock.lock(stores[1]):
        feature_stores.bound(keep=stores[0], largest=10)
    assert [path.exists() for path in stores] == [True, True, False]


def test_they_are_listed_and_cleared_with_the_networks(stores: list[Path]) -> None:
    rows = cache_info()
    assert [(row.model, row.state, row.size) for row in rows] == [
        ("resnet50", "embeddings", 1000)
    ] * 3
    assert "3 of embeddings" in summary(rows)
    assert [row.state for row in clear_cache("vgg16")] == ["absent"]
    assert [row.state for row in clear_cache("resnet50")] == ["removed"] * 3
    assert not any(path.exists() for path in stores)


def test_there_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "nothing"))
    assert feature_stores.rows() == []
    feature_stores.bound(keep=tmp_path / "none.h5")
