"""A folder of files that comes into being whole, or not at all."""

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from cnnkit.errors import OutputError

# Folder → the relative POSIX paths of the files that an earlier output wrote there; none where
# there is no such output.
Written = Callable[[Path], Set[str]]


@contextmanager
def in_place(out: Path, written: Written, *, force: bool) -> Iterator[Path]:
    """An empty folder beside `out` that gets its name at the end, whole, or is gone.

    `written` and `force` are those of `refuse_if_taken`. Raises `OutputError` where `out` is
    taken, or the disk refuses.
    """
    refuse_if_taken(out, written, force=force)
    made = [folder for folder in out.parents if not folder.exists()]
    token = secrets.token_hex(8)
    part, aside = (out.with_name(f".{token}{suffix}") for suffix in (".part", ".old"))
    try:
        part.mkdir(parents=True)
        yield part
        refuse_if_taken(out, written, force=force)
        _exchange(part, out, aside)
        made = []
    except OSError as error:
        lies = f" The earlier output lies in {aside}." if os.path.lexists(aside) else ""
        raise OutputError(f"{out} cannot be written: {error.strerror or error}.{lies}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def refuse_if_taken(out: Path, written: Written, *, force: bool) -> None:
    """Raise `OutputError` unless `out` is not there, is empty or, with `force`, an earlier output.

    Such a one holds nothing but the files that `written` knows: whatever else lies in a folder is
    somebody's, and is never removed.
    """
    try:
        if not _is_there(out):
            return
        taken = any(out.iterdir())
        _refuse_if_fixed(out)
        foreign = _foreign(out, written(out)) if taken else None
    except OSError as error:
        raise OutputError(f"{out} cannot be a folder: {error.strerror or error}.") from error
    if foreign is not None:
        raise OutputError(
            f"Expected a folder that is empty or not there yet. Received: {out}, which holds "
            f"{foreign!r}. Type: --out ANOTHER"
        )
    if taken and not force:
        raise OutputError(
            f"Expected a folder that is empty or not there yet. Received: {out}, an earlier "
            "output. Type: --force to replace it, or --out ANOTHER"
        )


def _is_there(out: Path) -> bool:
    """`Path.exists`, but what cannot be found out is an error."""
    try:
        out.stat()
    except FileNotFoundError:
        return False
    return True


def _refuse_if_fixed(out: Path) -> None:
    """The new folder is renamed to `out`: said now where that would fail after all the work."""
    if out.samefile(Path()):
        raise OutputError("Expected a folder of its own. Received: the one that you are in.")
    if os.path.ismount(out):
        why = "where a disk is mounted"
    elif not os.access(out.parent, os.W_OK | os.X_OK):
        why = "which lies in one that you cannot write to"
    else:
        return
    raise OutputError(
        f"Expected a folder that can be replaced. Received: {out}, {why}. "
        f"Type: --out {out / 'FOLDER'}"
    )


def _foreign(out: Path, known: Set[str]) -> str | None:
    """The first thing below `out` that is neither a `known` file nor a folder for such."""
    for path in _below(out):
        name = path.relative_to(out).as_posix()
        mode = path.lstat().st_mode  # a link is neither
        if not known or not (stat.S_ISREG(mode) if name in known else stat.S_ISDIR(mode)):
            return name
    return None


def _below(folder: Path) -> Iterator[Path]:
    def refused(error: OSError) -> None:  # what cannot be seen into may hold anything
        raise error

    for place, folders, files in os.walk(folder, onerror=refused):
        yield from (Path(place, name) for name in sorted((*folders, *files)))


def _exchange(part: Path, out: Path, aside: Path) -> None:
    try:
        if out.is_dir() and any(out.iterdir()):
            out.rename(aside)
        part.rename(out)
    except BaseException:  # Ctrl-C as well: the earlier output is not lost
        if aside.exists() and not out.exists():
            aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)
