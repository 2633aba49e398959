"""One file from a URL, so that a right one or none lies under its final name.

lock → partial file → size → hash → fsync → rename. A partial file is continued by the next try,
in this process or a later one, as long as the server says that it is still the same file.
"""

import hashlib
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import Any

from cnnkit.errors import UsageError, WeightsError

# More than any published file has.
_MOST = 4 << 30
# Called with the number of bytes that are here and of those to come (None: the server is silent).
Progress = Callable[[int, int | None], None]
SCHEMES = ("http", "https", "file")
_ATTEMPTS = 4
# Seconds before the first of the further attempts; doubled for each that follows.
_PAUSE = 0.5
_BLOCK = 1 << 18
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Answers that will not change by asking again.
_FINAL = (400, 401, 403, 404, 405, 410, 451)


class FileTooLong(WeightsError):
    """A server sends more than the file can have."""


def fetch(
    url: str,
    target: Path,
    published: str = "",
    progress: Progress | None = None,
    *,
    anew: bool = False,
    most: int = _MOST,
) -> None:
    """Bring `url` to `target`; nothing happens where it is there already, unless `anew` is set.

    `published` is the md5 or sha256 that the content must have ("" for any), and `most` how many
    bytes it may have. Two processes at
    once: one fetches, the other waits. Raises `WeightsError` with the reason, and then `target`
    is as it was.
    """
    if url.partition(":")[0].lower() not in SCHEMES:
        raise WeightsError(f"Expected a URL of {', '.join(SCHEMES)}. Received: {url!r}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock(target):
            if anew or not target.is_file():
                _fetch(url, target, published, _bounded(progress, most))
    except OSError as error:
        raise WeightsError(
            f"{target.name} cannot be written to {target.parent}: {error.strerror or error}."
        ) from error


def lock(target: Path, timeout: float = -1) -> Any:
    """The lock of whoever writes `target`; raises `filelock.Timeout` after `timeout` seconds."""
    from filelock import FileLock

    return FileLock(target.with_name(f".{target.name}.lock"), timeout=timeout)


def _bounded(progress: Progress | None, most: int) -> Progress:
    """Report on, but only as far as the file may reasonably be long."""

    def report(done: int, total: int | None) -> None:
        if max(done, total or 0) > most:
            raise FileTooLong(f"it is longer than {most:,} bytes: not the file that was asked for")
        if progress:
            progress(done, total)

    return report


def _fetch(url: str, target: Path, published: str, progress: Progress) -> None:
    part = target.with_name(f".{target.name}.part")
    continued = part.exists()
    try:
        _attempts(url, part, progress)
    except FileTooLong:
        _discard(part)
        raise
    wrong = _difference(part, target.name, published)
    if wrong and continued:  # the older half may be of another file
        _discard(part)
        _attempts(url, part, progress)
        wrong = _difference(part, target.name, published)
    if wrong:
        _discard(part)
        raise WeightsError(f"{url} is not the published file: {wrong}.")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    _validator(part).unlink(missing_ok=True)
    _sync_folder(target.parent)


def _attempts(url: str, part: Path, progress: Progress) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        reason, final = _try(url, part, progress)
        if not reason:
            return
        if final or attempt == _ATTEMPTS:
            raise WeightsError(f"{url}: {reason}.")
        time.sleep(_PAUSE * 2 ** (attempt - 1))


def _try(url: str, part: Path, progress: Progress) -> tuple[str, bool]:
    """One request: what went wrong ("" for nothing), and whether asking again is no use."""
    try:
        return _receive(url, part, progress), False
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing lies behind what we have: it is not this file's beginning
            _discard(part)
        return f"the server answered {error.code} {error.reason}", error.code in _FINAL
    except urllib.error.URLError as error:
        return f"no connection ({error.reason})", url.lower().startswith("file:")
    except TimeoutError:
        return f"the server stalled: nothing came for {_timeout():g} seconds", False
    except (ValueError, InvalidURL) as error:
        return f"it is no URL that can be asked for ({error})", True
    except (ConnectionError, HTTPException) as error:
        return f"the connection broke ({error})", False


def _receive(url: str, part: Path, progress: Progress) -> str:
    """Append what the server sends to `part`; say what is missing ("" for nothing)."""
    with urllib.request.urlopen(_request(url, part), timeout=_timeout()) as response:
        start, total = _span(response)
        if start and not _continues(part, start, response.headers):
            _discard(part)
            return "it sent another part, or one of another file, than was asked for"
        with part.open("ab" if start else "wb") as file:
            if not start:  # only now that the old content is gone: a mark is never on other bytes
                _validator(part).write_text(_mark(response.headers), "latin-1")
            progress(start, total)
            for block in _blocks(response):
                file.write(block)
                progress(file.tell(), total)
            done = file.tell()
    if total is not None and done != total:
        return f"it ended after {done:,} of {total:,} bytes"
    return ""


def _blocks(response: Any) -> Iterator[bytes]:
    """What the server sends. An error in here is the network's, and never the disk's."""
    try:
        while block := response.read1(_BLOCK):
            yield block
    except (TimeoutError, ConnectionError):
        raise
    except OSError as error:
        raise ConnectionError(str(error)) from error


def _span(response: Any) -> tuple[int, int | None]:
    """At which byte the answer begins, and at which the whole file ends (None: unsaid)."""
    length = response.headers.get("Content-Length") or ""
    size = int(length) if length.isdecimal() else None
    if response.status != 206:
        return 0, size
    told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range") or "")
    if told is None:
        raise ConnectionError("a part without a Content-Range")
    start, total = int(told[1]), told[2]
    return start, int(total) if total != "*" else None if size is None else start + size


def _continues(part: Path, start: int, headers: Any) -> bool:
    """Whether a partial answer begins where `part` ends, and is of the same file."""
    same_file = _mark(headers) in ("", _known_mark(part))
    return part.exists() and start == part.stat().st_size and same_file


def _request(url: str, part: Path) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": "cnnkit"})
    mark = _known_mark(part)
    if mark and part.exists():
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        request.add_header("If-Range", mark)
    return request


def _mark(headers: Any) -> str:
    """What tells this version of the file from another, for `If-Range`."""
    etag = str(headers.get("ETag") or "")
    return etag if etag and not etag.startswith("W/") else str(headers.get("Last-Modified") or "")


def _known_mark(part: Path) -> str:
    """The mark of what `part` is the beginning of, "" where it is unknown or unfit for a header."""
    try:
        mark = _validator(part).read_text("latin-1")
    except FileNotFoundError:
        return ""
    return mark if mark.isprintable() else ""


def _validator(part: Path) -> Path:
    return part.with_suffix(".version")


def _difference(part: Path, name: str, published: str) -> str:
    """How the content differs from the file that it is to be; "" where it does not."""
    if not published:
        # All that can be known. A proxy's login page in a file's stead is the usual wrong answer.
        with part.open("rb") as file:
            begins = file.read(len(_HDF5))
        right = begins == _HDF5 or not name.endswith(".h5")
        return "" if right else f"expected an HDF5 file, received one that begins with {begins!r}"
    algorithm = "sha256" if len(published) == 64 else "md5"
    with part.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    return "" if found == published else f"expected {algorithm} {published}, received {found}"


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _timeout() -> float:
    """How many seconds of silence are borne."""
    text = os.environ.get("CNNKIT_TIMEOUT", "30")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:  # "nan" is neither, and sockets take no more
        raise UsageError(
            f"Expected seconds above 0 in CNNKIT_TIMEOUT. Received: {text!r}. "
            "Type: export CNNKIT_TIMEOUT=30"
        )
    return seconds


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
