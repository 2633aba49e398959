"""The weight store, which is Keras's own cache: what lies there is found, and Keras finds ours."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from cnnkit.errors import WeightsError, WeightsUnavailable
from cnnkit.zoo import ledger
from cnnkit.zoo.catalog import PACKAGED_MODEL, Network, WeightFile
from cnnkit.zoo.download import Progress, fetch, lock
from cnnkit.zoo.labels import Labels, read_labels

log = logging.getLogger(__name__)
# Given a file's name, the function that is told how its download goes.
Reporter = Callable[[str], Progress]
_PACKAGED = Path(__file__).resolve().parent / PACKAGED_MODEL
# What Click takes for a no: the flag and the variable have to agree.
_NO = ("", "0", "false", "f", "no", "n", "off")


def folder() -> Path:
    """Where Keras keeps its weights: `KERAS_HOME/models`, a `~` in it expanded as Keras does."""
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")) / "models"


def path_of(file: WeightFile) -> Path:
    """Where a file is, or would be."""
    if file.folder:
        return Path(file.folder) / file.name
    return (_PACKAGED if file.packaged else folder()) / file.name


def packaged_folder() -> Path:
    """What comes with the package: the weights, the labels and the pictures of patternnet."""
    return _PACKAGED


def url_of(file: WeightFile) -> str:
    """Where a file comes from: the mirror in `CNNKIT_WEIGHTS_URL`, or Keras's own address."""
    mirror = os.environ.get("CNNKIT_WEIGHTS_URL")
    return f"{mirror.rstrip('/')}/{file.name}" if mirror else file.url


def is_offline() -> bool:
    """Whether `CNNKIT_OFFLINE` forbids every attempt to fetch."""
    return os.environ.get("CNNKIT_OFFLINE", "").strip().lower() not in _NO


def obtain(
    network: Network,
    *,
    top: bool = True,
    offline: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """The path of a network's weights, fetched if they are not here.

    A file that is not the published one, or not the one first seen, is used with a warning: its
    owner may have put it there. Raises `WeightsUnavailable` with all that is needed to get it.
    """
    file = network.top if top else network.no_top
    path = pull(file, needed_by=network.name, offline=offline, reporter=reporter)
    if file.folder:
        if ledger.identity(path) != file.hash:
            raise WeightsError(f"{path} is not the file that its training run wrote.")
        return path
    verdict = ledger.check(path, file.hash)
    if verdict in ("unpublished", "changed"):
        what = "published by Keras" if verdict == "unpublished" else "seen here first"
        log.warning(
            "%s is not the file %s; using it as it is. `cnnkit weights verify %s` says more.",
            path, what, network.name,
        )  # fmt: skip
    return path


def obtain_labels(
    network: Network, *, offline: bool = False, reporter: Reporter | None = None
) -> Labels:
    """The names of a network's classes, fetched if they are not here."""
    needed_by = f"the labels of {network.name}"
    path = pull(network.labels, needed_by=needed_by, offline=offline, reporter=reporter)
    return read_labels(path, network.classes)


def pull(
    file: WeightFile,
    *,
    needed_by: str,
    offline: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """Fetch one file, unless it is here and `force` is not set; its path.

    Raises `WeightsUnavailable` where it cannot be had; what was there before is then still there.
    """
    path = path_of(file)
    if path.is_file() and not force:
        return path
    _refuse_packaged(file)
    if offline or is_offline():
        raise WeightsUnavailable(_how_to_get(file, needed_by, "this is offline mode"))
    try:
        progress = reporter(file.name) if reporter else None
        # The catalog's sizes are estimates.
        most = 2 * file.size + (1 << 20)
        fetch(url_of(file), path, file.hash, progress, anew=force, most=most)
    except WeightsError as error:
        raise WeightsUnavailable(_how_to_get(file, needed_by, str(error))) from error
    ledger.forget(path)
    ledger.check(path, file.hash)
    return path


def copy_in(source: Path, file: WeightFile) -> Path:
    """Copy a file into the store under the name of `file`, whole or not at all; its path."""
    _refuse_packaged(file)
    path = path_of(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".import", delete=False
        ) as copy:
            try:
                with source.open("rb") as original:
                    shutil.copyfileobj(original, copy, 1 << 20)
                copy.flush()
                os.fchmod(copy.fileno(), 0o644)
                os.fsync(copy.fileno())
                os.replace(copy.name, path)
            except BaseException:
                Path(copy.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f"{source} cannot be copied to {path}: {reason}.") from error
    ledger.forget(path)
    ledger.check(path, file.hash)
    return path


def remove(file: WeightFile) -> int | None:
    """Delete a file and what is left of its downloads; the bytes freed, None if it was absent.

    Raises `WeightsError` where it cannot be removed, or is just being fetched.
    """
    from filelock import Timeout

    _refuse_packaged(file)
    path = path_of(file)
    if not path.parent.is_dir():
        return None
    try:
        with lock(path, timeout=0):
            size = path.stat().st_size if path.is_file() else None
            for each in (path, *_leftovers(path)):
                each.unlink(missing_ok=True)
    except Timeout as error:
        raise WeightsError(f"{path} is just being fetched by another process.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be removed: {error.strerror or error}.") from error
    if size is not None:
        ledger.forget(path)
    return size


def _leftovers(path: Path) -> list[Path]:
    """What interrupted downloads and imports of a file have left: its name, hidden, and more.

    The lock is among them: whoever waits for it sees that it is gone, and makes another.
    """
    return [each for each in path.parent.iterdir() if each.name.startswith(f".{path.name}.")]


def _refuse_packaged(file: WeightFile) -> None:
    if file.folder:
        raise WeightsError(
            f"{path_of(file)} belongs to a training run: it is not fetched, replaced or removed. "
            "Where it is missing or damaged, train anew: cnnkit finetune"
        )
    if file.packaged:
        raise WeightsError(
            f"{file.name} is a part of cnnkit: it is not fetched, replaced or removed. Where it is "
            "missing or damaged, install cnnkit anew."
        )


def _how_to_get(file: WeightFile, needed_by: str, reason: str) -> str:
    algorithm = "sha256" if len(file.hash) == 64 else "md5"
    here = path_of(file).is_file()
    state = "could not be fetched anew, and is as it was" if here else "is not here"
    return "\n".join(
        [
            f"The file that {needed_by} needs {state}"
            f"{'' if here else ' and could not be fetched'}: {reason.rstrip('.')}.",
            f"  file     {file.name} (about {file.size / 1e6:,.1f} MB)",
            f"  from     {url_of(file)}",
            f"  {algorithm:8} {file.hash or 'not published: kept from the first sight on'}",
            f"  goes to  {folder()}",
            "Fetch it elsewhere and put it there, or type: cnnkit weights import FILE",
            "A mirror that holds files of these names can be set: CNNKIT_WEIGHTS_URL=https://…",
            f"What works now, with no download: --model {PACKAGED_MODEL}",
        ]
    )
