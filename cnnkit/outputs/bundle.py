"""A training run's folder: made anew, filled as it trains, and a network once its card is written.

What lies in it is said in `records/bundle`.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from cnnkit.errors import InputError, OutputError
from cnnkit.records import EpochRow, Example, Recipe, Settings
from cnnkit.records import bundle as names

_RUNS = "runs"
_LARGEST_LINE = 1 << 20
_STATE = "run.json"
# What a run is told that is not an option of the command, or has a file of its own.
_NO_OPTIONS = ("data",)


def new_run(out: str | os.PathLike[str] | None, stem: str) -> Path:
    """Make the folder of a run: `out`, or the first of `runs/STEM-001`, `-002`, … that is free.

    Raises `OutputError` for a folder that holds something, or cannot be made.
    """
    if out is not None:
        return _made(Path(out))
    plain = re.sub(r"[^\w.+-]+", "_", stem, flags=re.ASCII).strip("._") or "run"
    for number in count(1):
        folder = Path(_RUNS) / f"{plain[:100]}-{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror}.") from error
        return folder
    raise AssertionError  # numbers do not end


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = min(folder.iterdir(), default=None)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}.") from error
    if taken is not None:
        going_on = f", or go on with it: --resume {folder}" if _is_unfinished(folder) else ""
        raise OutputError(
            f"Expected a folder that is new or empty after --out. Received: {folder}, which holds "
            f"{taken.name!r}. Name another{going_on}."
        )
    return folder


def _is_unfinished(folder: Path) -> bool:
    return (folder / names.CHECKPOINTS / _STATE).is_file()


def write_json(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """One JSON file of the run, whole or as it was before."""
    write_text(folder, name, json.dumps(content, indent=1) + "\n")


def write_text(folder: Path, name: str, text: str) -> None:
    """One file of the run, whole or as it was before. Raises `OutputError` for a disk's refusal."""
    part = folder / f".{name}.part"
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / name)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(f"{folder / name} cannot be written: {error.strerror}.") from error


def write_labels(folder: Path, labels: Sequence[str]) -> None:
    """The classes in the order of the network's outputs, in the layout of Keras's class index."""
    write_json(folder, names.LABELS, {str(at): [each, each] for at, each in enumerate(labels)})


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """How a picture becomes the pixels that `model.keras` takes, which scales them itself."""
    write_json(folder, names.RECIPE, asdict(pixels_of(recipe)))


def pixels_of(recipe: Recipe) -> Recipe:
    """The recipe without its scaling: RGB from 0 to 255."""
    return Recipe(recipe.height, recipe.width, recipe.fit, recipe.interpolation, recipe.margin)


def write_split(folder: Path, examples: Sequence[Example], contents: Sequence[str]) -> None:
    """Every picture, by its absolute path; what it was labelled, and which side it is on."""
    rows = zip(examples, contents, strict=True)
    lines = (
        json.dumps({**asdict(each), "path": os.path.abspath(each.path), "sha256": content})
        for each, content in rows
    )
    write_text(folder, names.SPLIT, "".join(f"{line}\n" for line in lines))


def read_split(folder: Path) -> tuple[list[Example], list[str]]:
    """What `write_split` wrote. Raises `InputError` for a folder that is no run."""
    path = folder / names.SPLIT
    try:
        with path.open(encoding="utf-8") as file:
            rows = [
                dict(json.loads(line)) for line in iter(lambda: file.readline(_LARGEST_LINE), "")
            ]
        contents = [str(row.pop("sha256")) for row in rows]
        return [Example(**row) for row in rows], contents
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"Expected a training run, a folder that cnnkit finetune made. Received: {folder}, "
            f"whose {names.SPLIT} cannot be read: {getattr(error, 'strerror', None) or error}. "
            "Runs lie in runs/, unless --out named another place; type: ls runs"
        ) from error


def keep_copy(folder: Path, augmentation: str) -> str:
    """Copy a file of augmentation parameters into the run; the copy's path."""
    try:
        shutil.copyfile(augmentation, folder / names.AUGMENTATION)
    except OSError as error:
        raise OutputError(f"{augmentation} cannot be copied: {error.strerror}.") from error
    return str(folder / names.AUGMENTATION)


def write_history(folder: Path, rows: Iterable[EpochRow]) -> None:
    """Every epoch so far, a line each."""
    write_text(folder, names.HISTORY, "".join(f"{json.dumps(row.to_dict())}\n" for row in rows))


def append_history(folder: Path, row: EpochRow) -> None:
    """One more epoch; an epoch that a resumed run repeats stands there twice until the end."""
    try:
        with (folder / names.HISTORY).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(row.to_dict())}\n")
    except OSError as error:
        raise OutputError(f"{folder / names.HISTORY} cannot be written: {error}.") from error


def write_configuration(folder: Path, settings: Settings) -> None:
    """The options as run, as `--config` takes them: those that were not left to the program."""
    lines = [
        f"# cnnkit --config {_typed(folder / names.CONFIG)} finetune {_typed(settings.data)}",
        "", "[finetune]",
    ]  # fmt: skip
    for name, value in asdict(settings).items():
        if value is not None and name not in _NO_OPTIONS:
            lines.append(_toml(name, value))
    write_text(folder, names.CONFIG, "\n".join(lines) + "\n")


def _typed(path: str | os.PathLike[str]) -> str:
    """A path as a person types it, on one line whatever is in it."""
    quoted = shlex.quote(os.fspath(path))
    return quoted if quoted.isprintable() else ascii(os.fspath(path))


def _toml(name: str, value: str | float | bool) -> str:
    """One line; TOML cannot hold bytes of a name that are not UTF-8."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"# {name} = {value!a}"
    return f"{name} = {text}"


def digest(path: Path) -> tuple[int, str]:
    """A file's size in bytes and its sha256."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def write_state(folder: Path, told: Mapping[str, Any]) -> None:
    """What a run is, for as long as it is not finished. Raises `OutputError`."""
    try:
        (folder / names.CHECKPOINTS).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from error
    write_json(folder / names.CHECKPOINTS, _STATE, told)


def read_state(folder: Path) -> dict[str, Any]:
    """What `write_state` wrote. Raises `InputError` for a run that is finished."""
    path = folder / names.CHECKPOINTS / _STATE
    try:
        told = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} is finished: there is nothing to go on with.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    return dict(told)


def remove_run(folder: Path) -> None:
    """Remove what this program has written of a run, and its folder if that holds nothing else."""
    close_run(folder)
    for name in names.FILES:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def close_run(folder: Path) -> None:
    """Forget the checkpoints of a run that is finished."""
    shutil.rmtree(folder / names.CHECKPOINTS, ignore_errors=True)
