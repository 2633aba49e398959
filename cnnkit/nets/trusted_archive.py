"""The three members of a `.keras` file that nobody vouches for, taken out one by one."""

import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# NASNet Large has a configuration of 1.3 MB, ConvNeXt XLarge has weights of 1.4 GB.
_LARGEST = {CONFIG: 16 << 20, METADATA: 1 << 20, WEIGHTS: 8 << 30}
# Three members need a few hundred bytes; more would fill the memory with names.
_LONGEST_DIRECTORY = 1 << 16
# Keras does not compress weights. Numbers other than zeros would not pack any tighter.
_TIGHTEST, _MAY_BE_TIGHT = 20, 64 << 20


def extract(path: Path, folder: Path) -> None:
    """Write the three members of the zip file to the folder, under their names.

    Nothing else is written, and no more than each claims. Raises `ValueError` or `BadZipFile`,
    whose message goes on after the file's name, for a file that is not just these three, is
    encrypted, cut short or damaged, or claims more than any network needs; and `OSError`.
    """
    # Opening a pipe would wait for ever.
    if path.exists() and not path.is_file():
        raise ValueError("is no file")
    with path.open("rb") as file:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            _check_members(archive.infolist())
            for name in _LARGEST:
                _copy(archive, folder / name)


def _check_directory(file: IO[bytes]) -> None:
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if not end:
        raise ValueError("is no zip file, or cut short")
    if end[zipfile._ECD_SIZE] > _LONGEST_DIRECTORY:  # type: ignore[attr-defined]
        raise ValueError("lists too many members")


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [each.filename for each in members]
    if sorted(names) != sorted(_LARGEST):
        odd = sorted(set(names) - set(_LARGEST)) or sorted(set(_LARGEST) - set(names)) or names
        raise ValueError(
            f"holds {len(names)} members, not {', '.join(_LARGEST)} once each: {odd[0]!r:.80}"
        )
    for each in members:
        if each.flag_bits & 1:
            raise ValueError(f"holds {each.filename!r} encrypted")
        if stat.S_ISLNK(each.external_attr >> 16):
            raise ValueError(f"holds {each.filename!r} as a link")
        if each.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"holds {each.filename!r} compressed in an unknown way")
        most = _LARGEST[each.filename]
        if each.filename == WEIGHTS:
            most = min(most, max(_MAY_BE_TIGHT, _TIGHTEST * each.compress_size))
        if each.file_size > most:
            raise ValueError(
                f"claims {each.file_size:,} bytes of {each.filename}, more than {most:,}"
            )


def _copy(archive: zipfile.ZipFile, target: Path) -> None:
    try:
        with archive.open(target.name) as member, target.open("wb") as copy:
            # Never more than the member claims: zipfile stops there.
            while block := member.read(1 << 20):
                copy.write(block)
    except (RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(f"is damaged: {target.name}: {error}") from error
