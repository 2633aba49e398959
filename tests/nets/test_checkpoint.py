"""Where a fit stands, on disk."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnkit.errors import InputError, OutputError
from cnnkit.records import EpochRow


def moment(**changes: Any) -> Any:
    from cnnkit.nets.checkpoint import Checkpoint, Progress

    rows = [
        EpochRow("scratch", 1, 0.5, 0.25, None, None, 1e-3, True, 0.1),
        EpochRow("scratch", 2, 1 / 3, 0.5, 0.1 + 0.2, 1.0, 5e-4, False, 0.2),
    ]
    progress = Progress(
        epoch=2, step=5, sums=(0.1, 2.0, 8.0), best_loss=1 / 3, waited=1, since_reduced=1,
        reductions=2, history=rows,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    # More than ten of them, so that numbers of two digits are among the names.
    arrays = [rng.random((n % 3, 2), np.float32) for n in range(12)]
    arrays.append(np.array([1, 1 << 31], np.uint32))
    made = Checkpoint("of this", progress, arrays, arrays[::-1], [np.array(0.5), *arrays[:2]])
    for name, value in changes.items():
        setattr(made.progress, name, value)
    return made


def same(one: Any, two: Any) -> None:
    assert (one.identity, one.progress) == (two.identity, two.progress)
    for name in ("now", "kept", "optimizer"):
        mine, its = getattr(one, name), getattr(two, name)
        assert [(np.shape(a), np.asarray(a).dtype) for a in mine] == [
            (np.shape(a), np.asarray(a).dtype) for a in its
        ]
        assert all(np.array_equal(a, b) for a, b in zip(mine, its, strict=True))


@pytest.mark.parametrize("best", [1 / 3, float("inf")])
def test_what_is_saved_is_what_is_loaded(best: float, tmp_path: Path) -> None:
    from cnnkit.nets.checkpoint import load, save

    save(moment(epoch=9), tmp_path / "fit.npz")
    save(moment(best_loss=best), tmp_path / "fit.npz")
    same(load(tmp_path / "fit.npz"), moment(best_loss=best))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.npz"]


def test_a_copy_of_the_progress_goes_on_by_itself() -> None:
    progress = moment().progress
    copy = progress.copy()
    copy.history.append(copy.history[0])
    copy.epoch += 1
    assert progress == moment().progress != copy


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    from cnnkit.nets.checkpoint import save

    with pytest.raises(OutputError, match="cannot be written"):
        save(moment(), tmp_path / "absent" / "fit.npz")
    (tmp_path / "fit.npz").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        save(moment(), tmp_path / "fit.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["fit.npz"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_as_it_was(tmp_path: Path, data: st.DataObject) -> None:
    """Every byte of the contents has its checksum; those of the directory may say nothing."""
    from cnnkit.nets.checkpoint import load, save

    path = tmp_path / "fit.npz"
    save(moment(), path)
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    try:
        same(load(path), moment())
    except InputError as error:
        assert "cannot be read as a checkpoint" in str(error)


class Trap:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was opened",))


def written(path: Path, **arrays: Any) -> None:
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    "told",
    [
        [],
        None,
        "x",
        {},
        {"identity": "x"},
        {"identity": "x", "history": 3, "sums": [1, 2, 3]},
        {"identity": "x", "history": [{}], "sums": [1, 2, 3]},
        {"identity": "x", "history": [], "sums": None},
        {"identity": "x", "history": [], "sums": [], "nonsense": 1},
    ],
)
def test_a_progress_that_is_none(told: Any, tmp_path: Path) -> None:
    from cnnkit.nets.checkpoint import load

    written(tmp_path / "fit.npz", progress=np.array(json.dumps(told)))
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        load(tmp_path / "fit.npz")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    from cnnkit.nets.checkpoint import load

    paths = {name: tmp_path / name for name in ("absent", "empty", "text", "npy", "pickle", "trap")}
    paths["empty"].touch()
    paths["text"].write_text("nothing")
    with paths["npy"].open("wb") as file:
        np.save(file, np.zeros(3))
    paths["pickle"].write_bytes(pickle.dumps(Trap()))
    trap = np.empty(1, object)
    trap[0] = Trap()
    with paths["trap"].open("wb") as file:
        np.savez(file, progress=trap)
    for path in (*paths.values(), tmp_path):
        with pytest.raises(InputError, match="cannot be read as a checkpoint"):
            load(path)


def test_numbered_arrays_with_one_missing(tmp_path: Path) -> None:
    from cnnkit.nets.checkpoint import load, save

    save(moment(), tmp_path / "fit.npz")
    with np.load(tmp_path / "fit.npz") as stored:
        arrays = {name: stored[name] for name in stored.files if name != "now3"}
    written(tmp_path / "fit.npz", **arrays)
    with pytest.raises(InputError, match="now3"):
        load(tmp_path / "fit.npz")


@pytest.mark.network
def test_values_that_do_not_fit() -> None:
    import keras

    from cnnkit.nets.checkpoint import assign

    variables = [keras.Variable(np.zeros((2, 3))), keras.Variable(np.zeros(()))]
    good: list[Any] = [np.ones((2, 3), np.float32), np.float32(2)]
    assign(variables, good, "weights")
    assert [float(np.sum(each)) for each in variables] == [6.0, 2.0]
    for bad in (good[:1], [], [good[0].T, good[1]], [*good, good[1]]):
        with pytest.raises(InputError, match="The checkpoint's moments are those of another"):
            assign(variables, bad, "moments")
