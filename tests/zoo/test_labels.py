"""The class index: the real one, and whatever else may lie in its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from cnnkit.errors import WeightsError
from cnnkit.zoo import ledger
from cnnkit.zoo.catalog import CLASS_INDEX
from cnnkit.zoo.labels import numbered_labels, read_labels

INDEX: dict[str, Any] = {str(n): [f"n{n:08}", f"label {n}"] for n in range(1000)}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "index.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.real
def test_the_real_index(data: Path) -> None:
    path = data / "keras_home" / "models" / CLASS_INDEX.name
    labels = read_labels(path)
    assert len(labels) == len({identity for identity, _ in labels}) == 1000
    assert labels[0] == ("n01440764", "tench")
    assert labels[207] == ("n02099601", "golden_retriever")
    assert labels[999] == ("n15075141", "toilet_tissue")
    assert path.stat().st_size == CLASS_INDEX.size
    assert CLASS_INDEX.hash in ledger.digests(path)


def test_the_order_is_by_number_not_by_line(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, dict(reversed(INDEX.items()))))
    assert labels[:2] == (("n00000000", "label 0"), ("n00000001", "label 1"))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"[" * 100_000, b"<html>", None, 3, "text", [], {},
        list(INDEX.values()),
        dict(list(INDEX.items())[:999]),
        INDEX | {"1000": ["n", "one too many"]},
        {str(n + 1): pair for n, pair in enumerate(INDEX.values())},
        INDEX | {"7": None},
        INDEX | {"7": "ab"},
        INDEX | {"7": ["n07"]},
        INDEX | {"7": ["n07", "a", "b"]},
        INDEX | {"7": ["n07", 7]},
        INDEX | {"7": {"n07": "a", "b": "c"}},
    ],
)  # fmt: skip
def test_malformed_ones(tmp_path: Path, content: object) -> None:
    path = written(tmp_path, content)
    with pytest.raises(WeightsError, match="class names cannot be read") as caught:
        read_labels(path)
    assert str(path) in str(caught.value)
    assert "cnnkit weights pull --force labels" in str(caught.value)


def test_absent_and_oversized_ones(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="class names cannot be read"):
        read_labels(tmp_path / "nothing.json")
    with pytest.raises(WeightsError, match="class names cannot be read"):
        read_labels(tmp_path)
    sized = written(tmp_path, json.dumps(INDEX).encode() + b" " * (1 << 20))
    with pytest.raises(WeightsError, match="larger than 1 MiB"):
        read_labels(sized)


def test_numbered_labels() -> None:
    assert numbered_labels(2) == (("0", "class 0"), ("1", "class 1"))
    assert numbered_labels(0) == ()
