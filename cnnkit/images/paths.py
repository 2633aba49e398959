"""Arguments, folders, globs and lists on stdin → one ordered stream of paths.

Paths are `str` as Python's file system calls take them: bytes that are not UTF-8 are carried as
surrogate escapes, so every name that the disk can hold comes through unharmed.
"""

import fnmatch
import glob
import json
import os
import select
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from cnnkit.errors import InputError, UsageError
from cnnkit.records import PICTURE_SUFFIXES
from cnnkit.records.order import natural_key

STDIN = "-"
_READ_SIZE = 1 << 16
# No path is this long; a longer "line" is a file that is not a list, and must not fill the memory.
_LONGEST_LINE = 1 << 20


def expand(
    arguments: Iterable[str],
    *,
    stdin: BinaryIO | None = None,
    null: bool = False,
    exclude: Sequence[str] = (),
    closed: Sequence[str] = (),
) -> Iterator[str]:
    """Yield every picture's path, in the order of the arguments.

    A folder gives its pictures (known suffixes, hidden ones left out) recursively in natural
    order, a pattern what it matches, `-` the entries of `stdin`, and anything else itself,
    whether it exists or not: the decoder says what is wrong with it. Entries of a list stand for
    themselves, one each, and are never expanded. Folders in `closed` are not entered: what we
    write ourselves may lie below what we read.

    Raises `InputError` where a named folder holds no picture, `UsageError` for `-` without a
    stdin; at once, unless `arguments` is a stream itself.
    """
    for argument in arguments if isinstance(arguments, Sequence) else ():
        if os.path.isdir(argument) and next(_walk(argument, exclude, closed), None) is None:
            raise InputError(
                f"No picture in the folder {argument!r}. Expected files that end in "
                f"{' '.join(PICTURE_SUFFIXES)}; name other files themselves."
            )
        if argument == STDIN and stdin is None:
            raise UsageError("`-` reads a list from stdin, and there is none.")
    return _each(arguments, stdin, null, exclude, closed)


def _each(
    arguments: Iterable[str],
    stdin: BinaryIO | None,
    null: bool,
    exclude: Sequence[str],
    closed: Sequence[str],
) -> Iterator[str]:
    for argument in arguments:
        if argument == STDIN and stdin is not None:
            yield from (p for p in listed(stdin, null=null) if not _under_excluded(p, exclude))
        elif os.path.isdir(argument):
            yield from _walk(argument, exclude, closed)
        else:
            yield from (p for p in _matches(argument) if not _under_excluded(p, exclude))


def listed(stream: BinaryIO, *, null: bool = False) -> Iterator[str]:
    """Yield the entries of a list as soon as each is complete.

    An entry ends with a newline, or with NUL where `null` is set. A line that is a jsonl record
    with a `path`, such as cnnkit prints, stands for that path; an entry that ends with NUL is a
    name, whatever it looks like. Empty entries are passed over.
    """
    for entry in _entries(stream, b"\0" if null else b"\n"):
        if not null and entry.endswith(b"\r") and not os.path.lexists(entry):
            entry = entry[:-1]  # a list written on Windows
        if entry:
            yield (None if null else _recorded_path(entry)) or os.fsdecode(entry)


def _entries(stream: BinaryIO, separator: bytes) -> Iterator[bytes]:
    # The raw file returns what is there instead of waiting for a full buffer, and takes no lock
    # that a thread could still hold when the program ends.
    raw = getattr(stream, "raw", stream)
    rest = b""
    while (chunk := raw.read(_READ_SIZE)) != b"":
        if chunk is None:  # a pipe that somebody made non-blocking, and nothing in it yet
            select.select([raw], [], [])
            continue
        *whole, rest = (rest + chunk).split(separator)
        yield from whole
        if len(rest) > _LONGEST_LINE:
            raise InputError(
                "The list on stdin has an entry of more than 1 MiB. Expected one path per line, "
                "or NUL-separated paths with -0."
            )
    yield rest


def _recorded_path(entry: bytes) -> str | None:
    if not entry.startswith(b"{"):
        return None
    try:
        record = json.loads(entry)
    except (ValueError, RecursionError):
        return None
    path = record.get("path") if isinstance(record, dict) else None
    return path if isinstance(path, str) else None


def _matches(argument: str) -> Iterable[str]:
    if not glob.has_magic(argument) or os.path.lexists(argument):
        return [argument]
    found = sorted(_globbed(argument), key=natural_key)
    return [path for path in found if not os.path.isdir(path)] or [argument]


def _globbed(pattern: str) -> set[str]:
    """What a pattern matches; `**` enters no linked folder, for links may lead in a circle."""
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return set(glob.iglob(pattern))
    at = parts.index("**")
    above = _globbed(os.sep.join((*parts[:at], ""))) if at else {""}
    below = os.sep.join(parts[at + 1 :]) or "*"
    return {
        path
        for top in above
        for folder in _folders(top)
        for path in _globbed(os.path.join(glob.escape(folder), below))
    }


def _folders(top: str) -> Iterator[str]:
    """A folder and every visible one below it, links left out."""
    yield top
    for folder, names, _ in os.walk(top or os.curdir):
        names[:] = [name for name in names if not name.startswith(".")]
        paths = [os.path.join(folder, name) for name in names]
        yield from (p if top else p[2:] for p in paths if not os.path.islink(p))


def _walk(folder: str, exclude: Sequence[str], closed: Sequence[str] = ()) -> Iterator[str]:
    """A folder's pictures, in natural order; its folders stand among them by their names.

    A stack of our own: folders may be nested deeper than Python's functions.
    """
    shut = {_identity(path) for path in closed if os.path.isdir(path)}
    try:
        stack = [(_identity(folder), _names(folder, exclude))]
    except OSError as error:
        raise InputError(f"The folder {folder!r} cannot be read: {error.strerror}.") from error
    while stack:
        path = next(stack[-1][1], None)
        if path is None:
            stack.pop()
        elif not os.path.isdir(path):
            if path.lower().endswith(PICTURE_SUFFIXES):
                yield path
        else:
            try:
                identity = _identity(path)
                # A link may lead back to a folder that we are in.
                if identity not in shut and all(identity != above for above, _ in stack):
                    stack.append((identity, _names(path, exclude)))
            except OSError:  # one input that cannot be answered, as the decoder will say
                yield path


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return (status.st_dev, status.st_ino)


def _names(folder: str, exclude: Sequence[str]) -> Iterator[str]:
    """What is in a folder and neither hidden nor excluded, in natural order."""
    names = sorted(os.listdir(folder), key=natural_key)
    paths = (os.path.join(folder, name) for name in names if not name.startswith("."))
    return (path for path in paths if not _excluded(path, exclude))


def _excluded(path: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern matches the path or its last part."""
    name = os.path.basename(path)
    return any(
        fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(name, pattern.rstrip(os.sep))
        for pattern in patterns
    )


def _under_excluded(path: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern matches the path, or a folder that it names on its way."""
    parts = path.split(os.sep)
    return any(_excluded(os.sep.join(parts[: i + 1]), patterns) for i in range(len(parts)))
