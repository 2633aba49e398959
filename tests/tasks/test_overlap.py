import hashlib
from pathlib import Path

import pytest

from cnnkit.outputs import bundle
from cnnkit.records import Example
from cnnkit.tasks.overlap import learnt_from
from cnnkit.zoo.bundles import find
from tests.zoo.test_bundles import write


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Three files, one for each side."""
    paths = [tmp_path / f"{side}.png" for side in ("train", "val", "test")]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [str(path) for path in paths]


@pytest.mark.parametrize(("refit", "count"), [(False, 1), (True, 2)])
def test_pictures_of_the_training_side_are_known_by_content(
    tmp_path: Path, pictures: list[str], refit: bool, count: int
) -> None:
    run = write(tmp_path / "run", refit=refit)
    rows = [Example(path, "a", Path(path).stem) for path in pictures]
    contents = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in pictures]
    bundle.write_split(run, rows, contents)
    network = find(str(run))
    assert learnt_from(network, pictures) == count
    Path(pictures[0]).rename(tmp_path / "renamed.png")
    assert learnt_from(network, [str(tmp_path / "renamed.png"), "not/there.png"]) == 1


def test_of_other_networks_nothing_is_known(tmp_path: Path, pictures: list[str]) -> None:
    assert learnt_from(find("resnet50"), pictures) == 0
    assert learnt_from(find(str(write(tmp_path / "run"))), pictures) == 0
