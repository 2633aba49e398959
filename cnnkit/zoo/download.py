"""One file from a URL, so that a right one or none lies under its final name.

lock → partial file → size → hash → fsync → rename. A partial file is continued by the next try,
in this process or a later one, as long as the server says that it is still the same file.
"""

import hashlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from cnnkit.errors import WeightsError

# Called with the number of bytes that are here and of those to come (None: the server is silent).
Progress = Callable[[int, int | None], None]
SCHEMES = ("http", "https", "file")
_ATTEMPTS = 4
_BLOCK = 1 << 18
# Answers that will not change by asking again.
_FINAL = (400, 401, 403, 404, 405, 410, 451)


def fetch(url: str, target: Path, published: str = "", progress: Progress | None = None) -> None:
    """Bring `url` to `target`; nothing happens where it is there already.

    `published` is the md5 or sha256 that the content must have ("" for any). Two processes at
    once: one fetches, the other waits. Raises `WeightsError` with the reason, and then `target`
    does not exist.
    """
    from filelock import FileLock

    if url.partition(":")[0].lower() not in SCHEMES:
        raise WeightsError(f"Expected a URL of {', '.join(SCHEMES)}. Received: {url!r}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if not target.exists():
                _fetch(url, target, published, progress or (lambda done, total: None))
    except OSError as error:
        raise WeightsError(
            f"{target.name} cannot be written to {target.parent}: {error.strerror or error}."
        ) from error


def _fetch(url: str, target: Path, published: str, progress: Progress) -> None:
    part = target.with_name(f".{target.name}.part")
    continued = part.exists()
    _attempts(url, part, progress)
    wrong = _difference(part, published)
    if wrong and continued:  # the older half may be of another file
        _discard(part)
        _attempts(url, part, progress)
        wrong = _difference(part, published)
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
        time.sleep(0.25 * 2**attempt)


def _try(url: str, part: Path, progress: Progress) -> tuple[str, bool]:
    """One request: what went wrong ("" for nothing), and whether asking again is no use."""
    try:
        return _receive(url, part, progress), False
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing lies behind what we have: it is not this file's beginning
            _discard(part)
        return f"the server answered {error.code} {error.reason}", error.code in _FINAL
    except urllib.error.URLError as error:
        return f"no connection ({error.reason})", isinstance(error.reason, FileNotFoundError)
    except TimeoutError:
        return f"the server stalled: nothing came for {_timeout():g} seconds", False
    except (ConnectionError, HTTPException) as error:
        return f"the connection broke ({error})", False


def _receive(url: str, part: Path, progress: Progress) -> str:
    """Append what the server sends to `part`; say what is missing ("" for nothing)."""
    with urllib.request.urlopen(_request(url, part), timeout=_timeout()) as response:
        start = part.stat().st_size if response.status == 206 else 0
        _validator(part).write_text(_mark(response.headers), "utf-8")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with part.open("ab" if start else "wb") as file:
            progress(start, total)
            while block := response.read1(_BLOCK):
                file.write(block)
                progress(file.tell(), total)
            done = file.tell()
    if total is not None and done != total:
        return f"it ended after {done:,} of {total:,} bytes"
    return ""


def _request(url: str, part: Path) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": "cnnkit"})
    mark = _validator(part)
    if part.exists() and mark.exists() and mark.read_text("utf-8"):
        request.add_header("Range", f"bytes={part.stat().st_size}-")
        request.add_header("If-Range", mark.read_text("utf-8"))
    return request


def _mark(headers: Any) -> str:
    """What tells this version of the file from another, for `If-Range`."""
    etag = str(headers.get("ETag") or "")
    return etag if etag and not etag.startswith("W/") else str(headers.get("Last-Modified") or "")


def _validator(part: Path) -> Path:
    return part.with_suffix(".version")


def _difference(part: Path, published: str) -> str:
    if not published:
        return ""
    algorithm = "sha256" if len(published) == 64 else "md5"
    with part.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    return "" if found == published else f"expected {algorithm} {published}, received {found}"


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _timeout() -> float:
    return float(os.environ.get("CNNKIT_TIMEOUT", "30"))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
