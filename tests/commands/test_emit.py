"""What `-o` refuses to overwrite, by any verb, and that nothing is done before it does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run, picture
from tests.stores import names, vectors, write_store

VALUES = vectors(20)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_store(Path("img_emb.h5"), VALUES)


def everything() -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in Path().rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


VERBS = [
    ("similar", "-k", "1"), ("dedupe",), ("extract-features", "photo.png"),
    ("classify", "--knn", "img_emb.h5", names(20)[0]), ("store", "info"), ("store", "verify"),
    ("store", "compact"), ("store", "merge", "other.h5"), ("store", "remove", names(20)[0]),
    ("store", "export", "--out", "v.npy"),
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_store_itself(verb: tuple[str, ...], cnnkit: Run) -> None:
    write_store(Path("other.h5"), VALUES[:3], list("abc"))
    picture().save("photo.png")
    Path("link.h5").symlink_to("img_emb.h5")
    before = everything()
    for output in ("img_emb.h5", "./img_emb.h5", "link.h5"):
        done = cnnkit(*verb, "-o", output)
        assert (done.returncode, done.stdout) == (2, b""), done.stderr
        assert b"Expected another file after -o" in done.stderr
    assert everything() == before


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_another_store(verb: tuple[str, ...], cnnkit: Run) -> None:
    write_store(Path("other.h5"), VALUES[:3], list("abc"))
    write_store(Path("precious"), VALUES)
    picture().save("photo.png")
    before = everything()
    done = cnnkit(*verb, "-o", "precious")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"'precious' holds vectors or weights" in done.stderr
    assert everything() == before


def _labels() -> tuple[str, ...]:
    Path("labels.csv").write_text("".join(f"{path},alike\n" for path in names(20)))
    return ("classify", "--knn", "img_emb.h5", "--labels", "labels.csv", names(20)[0])


def _merged() -> tuple[str, ...]:
    write_store(Path("labels.csv"), VALUES[:3], list("abc"))
    return ("store", "merge", "labels.csv")


def _new_store() -> tuple[str, ...]:
    return ("store", "merge", "img_emb.h5", "--store", "labels.csv")


def _picture() -> tuple[str, ...]:
    picture().save("labels.csv", "PNG")
    return ("classify", "-m", "patternnet", "labels.csv")


@pytest.mark.parametrize(
    ("set_up", "named"),
    [(_labels, "--labels"), (_merged, "OTHER"), (_new_store, "--store"), (_picture, "IMAGES")],
)
def test_what_the_command_names(
    set_up: Callable[[], tuple[str, ...]], named: str, cnnkit: Run
) -> None:
    verb = set_up()
    before = everything()
    done = cnnkit(*verb, "-o", "labels.csv")
    assert (done.returncode, done.stdout) == (2, b"")
    said = done.stderr.decode()
    assert f"'labels.csv' is also what {named}" in said and "after -o" in said
    assert everything() == before


def test_anything_else_is_replaced(cnnkit: Run) -> None:
    Path("out.csv").write_text("older answers")
    assert cnnkit("similar", "-k", "1", "-o", "out.csv").returncode == 0
    assert Path("out.csv").read_text().startswith("query,")
    assert cnnkit("store", "verify", "-o", "-").stdout.endswith(b"0 of 20 rows damaged\n")
