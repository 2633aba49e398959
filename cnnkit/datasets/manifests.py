"""A CSV or JSONL list of pictures with their labels → examples.

Columns or keys: `path` and `label`, and if you like `split` and `group`; others are passed over.
A path that is not absolute is relative to the folder that the list is in.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cnnkit.datasets.notices import Notices
from cnnkit.errors import InputError
from cnnkit.records import Example

SUFFIXES: Final = (".csv", ".jsonl")
SIDES: Final = ("train", "val", "test")
# How the sides of a split are called in lists and folders, in any case.
SPLITS: Final = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_FIELDS: Final = ("path", "label", "split", "group")
_Row = Mapping[str, Any]


def listed(file: str, notices: Notices) -> list[Example]:
    """The examples of a list, in its order.

    Lines that are empty are passed over, and so are cnnkit's own records of what failed. Raises
    `InputError`, with the number of the line, for what is no row, or a row without a path or a
    label, or with a split of another name.
    """
    rows = _from_csv(file) if file.lower().endswith(".csv") else _from_jsonl(file)
    folder = os.path.dirname(file)
    try:
        return [
            _example(row, folder, f"{file}, line {line}")
            for line, row in rows
            if not _failed(row, notices)
        ]
    except OSError as error:
        raise InputError(f"{file!r} cannot be read: {error.strerror}.") from error


def _from_csv(file: str) -> Iterator[tuple[int, _Row]]:
    with open(file, newline="", encoding="utf-8-sig", errors="surrogateescape") as lines:  # noqa: PTH123
        table = csv.reader(lines)
        header: list[str] = []
        try:
            for cells in table:
                if not any(cell.strip() for cell in cells):
                    continue
                if header:
                    yield table.line_num, _row(header, cells, f"{file}, line {table.line_num}")
                else:
                    header = _header(cells, file)
        except csv.Error as error:
            raise InputError(f"{file}, line {table.line_num}: this is no CSV ({error}).") from error


def _header(cells: list[str], file: str) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    for name in _FIELDS:
        if header.count(name) > 1 or (name in _FIELDS[:2] and name not in header):
            raise InputError(
                f"{file}: expected a first line that names the columns, with path and label once "
                f"each, and split or group at most once, such as path,label. "
                f"Received: {','.join(cells)[:60]!r}."
            )
    return header


def _row(header: list[str], cells: list[str], where: str) -> _Row:
    if len(cells) < len(header) or any(cells[len(header) :]):
        raise InputError(
            f"{where}: expected {len(header)} columns ({', '.join(header)[:60]}); what holds a "
            f'comma stands in "quotes". Received {len(cells)}: {",".join(cells)[:60]!r}.'
        )
    return dict(zip(header, cells, strict=False))


def _from_jsonl(file: str) -> Iterator[tuple[int, _Row]]:
    with open(file, newline="\n", encoding="utf-8-sig", errors="surrogateescape") as lines:  # noqa: PTH123
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise InputError(
                    f'{file}, line {number}: expected an object such as {{"path": "a.jpg", '
                    f'"label": "rose"}}. Received: {line.strip()[:60]!r}.'
                )
            yield number, row


def _failed(row: _Row, notices: Notices) -> bool:
    failed = row.get("status") == "error" and "label" not in row
    if failed:
        notices.add("record of an error", str(row.get("path")))
    return failed


def _example(row: _Row, folder: str, where: str) -> Example:
    path, label, split, group = (_text(row, name, where) for name in _FIELDS)
    if not path or not label:
        raise InputError(
            f"{where}: expected a path and a label. Received: {path[:60]!r}, {label[:60]!r}."
        )
    if split and split.lower() not in SPLITS:
        raise InputError(
            f"{where}: expected a split that is empty or one of {', '.join(SPLITS)}. "
            f"Received: {split[:60]!r}."
        )
    return Example(os.path.join(folder, path), label, SPLITS.get(split.lower(), ""), group)


def _text(row: _Row, name: str, where: str) -> str:
    """A row's text; numbers may stand for labels and groups, and null for what is not there."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name in ("label", "group"):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: expected a text as {name}. Received: {value!r:.60}.")
    return (value or "") if name == "path" else (value or "").strip()
