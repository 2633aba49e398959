"""A folder of files that comes into being whole, or not at all."""

import secrets
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cnnkit.errors import OutputError


@contextmanager
def in_place(out: Path, known: Container[str], mark: str, *, force: bool) -> Iterator[Path]:
    """An empty folder beside `out` that gets its name at the end, whole, or is gone.

    `known`, `mark` and `force` are those of `refuse_if_taken`. Raises `OutputError` where `out`
    is taken, or the disk refuses.
    """
    refuse_if_taken(out, known, mark, force=force)
    made = [folder for folder in out.parents if not folder.exists()]
    token = secrets.token_hex(8)
    part, aside = (out.with_name(f".{token}{suffix}") for suffix in (".part", ".old"))
    try:
        part.mkdir(parents=True)
        yield part
        refuse_if_taken(out, known, mark, force=force)
        _exchange(part, out, aside)
        made = []
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def refuse_if_taken(out: Path, known: Container[str], mark: str, *, force: bool) -> None:
    """Raise `OutputError` unless `out` is not there, is empty or, with `force`, an earlier output.

    Such a one holds the file `mark`, and nothing but names that are `known`: whatever else lies in
    a folder is somebody's, and is never removed.
    """
    try:
        names = {path.name for path in out.iterdir()}
        here = out.samefile(Path())
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{out} cannot be a folder: {error.strerror or error}.") from error
    if here:
        raise OutputError("Expected a folder of its own. Received: the one that you are in.")
    others = sorted(name for name in names if name not in known)
    if names and (others or mark not in names):
        raise OutputError(
            f"Expected a folder that is empty or not there yet. Received: {out}, which holds "
            f"{(others or sorted(names))[0]!r}. Type: --out ANOTHER"
        )
    if names and not force:
        raise OutputError(
            f"Expected a folder that is empty or not there yet. Received: {out}, an earlier "
            "output. Type: --force to replace it, or --out ANOTHER"
        )


def _exchange(part: Path, out: Path, aside: Path) -> None:
    try:
        if out.is_dir() and any(out.iterdir()):
            out.rename(aside)
        part.rename(out)
    except BaseException:  # Ctrl-C as well: the earlier export is not lost
        if aside.exists() and not out.exists():
            aside.rename(out)
        raise
