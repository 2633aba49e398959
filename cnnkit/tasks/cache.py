"""What is kept on disk, converted networks and embeddings: list it, clear it away."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnkit.errors import OutputError
from cnnkit.records import CacheRow
from cnnkit.tasks import feature_stores
from cnnkit.zoo.catalog import find

if TYPE_CHECKING:
    from cnnkit.engines.cache import Entry

_UNKNOWN = "bfloat16: not yet known"
_DAMAGED = "made again when it is next needed"
_UNFINISHED = "being converted now, or left by a process that was killed"
_BUSY = "another process is converting it; left alone"


def cache_info() -> list[CacheRow]:
    """A row for each converted network on disk, and for what killed processes left, by name.

    Then one for each store of embeddings that training has left.

    Raises `OutputError` where the folder cannot be read.
    """
    networks = [row for rows in _rows().values() for row in rows]
    with _told("read"):
        return networks + feature_stores.rows()


def clear_cache(models: str | Sequence[str] = ()) -> list[CacheRow]:
    """Remove the converted networks and embeddings of one model or several, or all; a row for each.

    They are made again when they are next needed. What a process is converting at this moment
    is left alone, in the state busy; a model of which nothing is kept is absent. Nothing but
    cnnkit's own is touched. Raises `UnknownName`, and `OutputError` where one cannot be removed.
    """
    from cnnkit.engines import cache

    rows = _rows()
    # What an older catalog called by another name can still be cleared by that.
    with _told("read"):
        kept = feature_stores.rows()
    here = {_model(key) for key in rows} | {row.model for row in kept}
    several = (models,) if isinstance(models, str) else models
    wanted = [name if name in here else find(name).name for name in several]
    told = []
    for key, found in rows.items():
        if not several or _model(key) in wanted:
            with _told("cleared"):
                gone = cache.clear(key)
            told += [_after(row, gone) for row in found]
    for row in kept:
        if not several or row.model in wanted:
            with _told("cleared"):
                told.append(_after(row, feature_stores.remove(Path(row.path))))
    absent = [name for name in dict.fromkeys(wanted) if name not in here]
    return told + [CacheRow(name, "absent", note="nothing of it is kept") for name in absent]


def cache_folder() -> Path:
    """Where converted networks lie, once there are any."""
    from cnnkit.engines import cache

    return cache.folder()


def summary(rows: Sequence[CacheRow]) -> str:
    """How many can be run, what else lies there, how large all are together, and where."""
    from cnnkit.engines import cache

    stores = [row for row in rows if row.state == feature_stores.STATE]
    networks = [row for row in rows if row.state != feature_stores.STATE]
    told = f"{_number(networks)}, {_of(networks, cache.LARGEST)}, in {cache.folder()}"
    if not stores:
        return told
    size = _of(stores, feature_stores.LARGEST)
    return f"{told}; {len(stores)} of embeddings, {size}, in {feature_stores.folder()}"


def _of(rows: Sequence[CacheRow], most: int) -> str:
    size = sum(row.size or 0 for row in rows)
    return f"{size / 1e6:.1f} of at most {most / 1e6:.0f} MB"


def _number(rows: Sequence[CacheRow]) -> str:
    """Such as: 2 converted networks, 1 unfit and 1 damaged."""
    states = Counter(row.state for row in rows)
    kept = states.pop("kept", 0)
    told = [f"{kept} converted network{'' if kept == 1 else 's'}"]
    told += [f"{number} {state}" for state, number in states.items()]
    return " and ".join(filter(None, (", ".join(told[:-1]), told[-1])))


def _rows() -> dict[str, list[CacheRow]]:
    """Each key's rows; none for a key of which only the lock is left."""
    from cnnkit.engines import cache

    rows: dict[str, list[CacheRow]] = {}
    with _told("read"):
        _refuse_if_no_folder(cache.folder())
        whole = {entry.folder.name: entry for entry in cache.entries()}
        for key, paths in cache.belongings().items():
            rows[key] = []
            for path in paths:
                # Another process may be clearing it.
                with suppress(FileNotFoundError):
                    rows[key] += _row(key, path, whole.get(path.name))
    return rows


def _refuse_if_no_folder(path: Path) -> None:
    """Raise `OSError` where a file is in its place or above it; it need not be there yet."""
    with suppress(FileNotFoundError), os.scandir(path):
        pass


def _row(key: str, path: Path, entry: "Entry | None") -> list[CacheRow]:
    if path.suffix == ".lock":
        return []
    row = CacheRow(_model(key), "unfinished", note=_UNFINISHED, path=str(path))
    row = replace(row, size=_size(path), used=_time(path.stat().st_mtime))
    if path.name != key:
        return [row]
    if entry is None:
        return [replace(row, state="damaged", note=_DAMAGED)]
    row = replace(row, weights=_short(entry.facts.get("weights")), used=_time(entry.used))
    if "unfit" in entry.facts:
        return [replace(row, state="unfit", note=f"{entry.facts['unfit']}: keras runs instead")]
    verdict = _verdict(entry.verdict())
    note = _in_words(verdict) if verdict else _UNKNOWN
    return [replace(row, state="kept", verdict=verdict, note=note)]


def _verdict(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The figures, and the precision that they decide for; None for another version's."""
    from cnnkit.engines.fidelity import Verdict

    verdict = Verdict.of(known or {})
    if verdict is None:
        return None
    return {"precision": "bfloat16" if verdict.holds else "float32", **(known or {})}


def _in_words(verdict: Mapping[str, Any]) -> str:
    return (
        f"same label {100 * verdict['same_label']:.1f} %, "
        f"cosine {verdict['median_cosine']:.4f}: {verdict['precision']}"
    )


def _after(row: CacheRow, gone: bool) -> CacheRow:
    return replace(row, state="removed") if gone else replace(row, state="busy", note=_BUSY)


def _model(key: str) -> str:
    return key.rpartition("-")[0]


def _short(weights: object) -> str:
    """The start of a hash; in full what tells of random weights."""
    text = str(weights or "")
    return text if " " in text else text[:12]


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


@contextmanager
def _told(done: str) -> Iterator[None]:
    """Make the system's refusal a clear error."""
    from cnnkit.engines import cache

    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The cache in {cache.folder()} cannot be {done}: {error.strerror or error}. "
            "Expected a folder of your own; CNNKIT_CACHE_DIR=FOLDER names another."
        ) from error
