"""Pictures → a store, from Python: what is stored, under which paths, and how a run ends."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnnkit
from cnnkit.errors import CnnkitError, InputError
from cnnkit.records import Skipped
from cnnkit.tasks import content
from tests.conftest import picture
from tests.tasks.embeddings import keras_says
from tests.tasks.extracting import CLOSE, PATHS, SMALL, again, made_by, run, stored, told

pytest.importorskip("openvino", reason="the compiled runtime is not installed")
pytestmark = [pytest.mark.network, pytest.mark.usefixtures("six_here")]


def test_it_is_public_and_streams() -> None:
    records = cnnkit.extract_features(iter(PATHS), store="s.h5", **SMALL)
    assert isinstance(records, Iterator)
    assert not Path("s.h5").exists()
    assert told(list(records)) == [(path, row, False) for row, path in enumerate(PATHS)]
    found, expected = stored(), keras_says("embedding", PATHS)
    for path, vector in zip(PATHS, expected, strict=True):
        np.testing.assert_allclose(found[path], vector, atol=1e-3 * np.abs(expected).max())


class TestSpellings:
    def test_one_picture_that_comes_several_times(self) -> None:
        many = ["p/0.png", "p/1.png", "p/0.png", "./p/0.png", "p//1.png", "p/./0.png"]
        assert [(path, row) for path, row, _ in told(run(many))] == [
            (path, int(path[-5])) for path in many
        ]
        assert list(stored()) == ["p/0.png", "p/1.png"]

    def test_one_picture_that_changed_and_comes_often(self) -> None:
        run()
        picture(64, 48, seed=80).save("p/4.png")
        records = again(["p/4.png"] * 300)
        assert told(records)[0] == ("p/4.png", 4, False)
        assert {row for _, row, _ in told(records)} == {4}
        np.testing.assert_allclose(stored()["p/4.png"], made_by(["p/4.png"])[0], atol=CLOSE)


def test_a_picture_that_changes_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = content.facts_of

    def restless(path: str) -> Any:
        facts = hashed(path)
        if path in ("p/1.png", "p/4.png"):
            other = f"{path}.{threading.get_ident()}.png"
            picture(64, 48, seed=90 + int(path[2])).save(other)
            Path(other).replace(path)
        return facts

    with monkeypatch.context() as patched:
        patched.setattr(content, "facts_of", restless)
        records = run([*PATHS, "p/4.png"])
    changed = [record for record in records if isinstance(record, Skipped)]
    assert [(each.path, each.kind) for each in changed] == [
        ("p/1.png", "changed"), ("p/4.png", "changed"), ("p/4.png", "changed"),
    ]  # fmt: skip
    assert "changed while it was read" in changed[0].message
    assert sorted(stored()) == ["p/0.png", "p/2.png", "p/3.png", "p/5.png"]
    assert sorted(told(again()))[1] == ("p/1.png", 4, False)
    np.testing.assert_allclose(stored()["p/1.png"], made_by(["p/1.png"])[0], atol=CLOSE)


def test_what_is_no_picture_is_not_stored() -> None:
    Path("p/1.png").write_text("no picture")
    Path("p/2.png").write_bytes(Path("p/2.png").read_bytes()[:200])
    os.mkfifo("p/pipe.png")
    records = run(["p/0.png", "p/1.png", "p/2.png", "p/none.png", "p/pipe.png", "p/3.png"])
    assert [isinstance(record, Skipped) for record in records] == [0, 1, 1, 1, 1, 0]
    assert list(stored()) == ["p/0.png", "p/3.png"]
    picture(seed=5).save("p/1.png")
    assert told(again("p/1.png")) == [("p/1.png", 2, False)]


class TestEnds:
    def test_closing_commits_what_was_handed_out(self) -> None:
        records = cnnkit.extract_features("p", store="s.h5", **SMALL)
        first = next(records)
        assert isinstance(records, Iterator)
        records.close()  # type: ignore[attr-defined]
        assert first.path in told([first])[0]
        assert told(run())[0] == ("p/0.png", 0, True)  # and nobody holds the lock

    def test_an_error_commits_what_is_done(self) -> None:
        def paths() -> Iterator[str]:
            yield from PATHS[:3]
            raise OSError("the disk is gone")

        seen = []
        with pytest.raises(OSError, match="the disk is gone"):
            for record in cnnkit.extract_features(paths(), store="s.h5", **SMALL):
                seen.append(record)  # noqa: PERF402
        assert [path for path, _, _ in told(seen)] == PATHS[:3] == list(stored())

    def test_errors_come_with_the_first_record(self) -> None:
        Path("s.h5").write_text("a shopping list")
        records = cnnkit.extract_features("p", store="s.h5")
        with pytest.raises(InputError, match=r"s\.h5"):
            next(records)
        assert Path("s.h5").read_text() == "a shopping list"

    def test_wishes_that_make_no_sense_at_once(self) -> None:
        wishes: list[dict[str, Any]] = [
            *({"model": "x"}, {"crops": 2}, {"dtype": "int8"}, {"pooling": "min"}),
        ]
        for wish in wishes:
            with pytest.raises(CnnkitError):
                cnnkit.extract_features("p", **wish)
