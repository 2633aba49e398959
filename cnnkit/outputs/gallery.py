"""Strips of pictures → one HTML file that needs nothing but itself."""

import base64
import io
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from PIL import Image

from cnnkit.errors import OutputError, UsageError
from cnnkit.outputs.strips import Shown, Strip, readable, shortened, within

if TYPE_CHECKING:
    from jinja2.environment import TemplateModule

_SUFFIXES = (".html", ".htm")
_THUMBNAIL, _QUALITY = 200, 80
# Longer ones are shortened on the page; their `title` has them in full.
_LONGEST_NAME, _LONGEST_FOLDER = 96, 160


class Gallery:
    """A context manager that writes a page strip by strip, and holds none of them.

    The file lies under a temporary name until all is written; after an error nothing is left of
    it, and an older file of that name is as it was.
    """

    def __init__(self, path: str, *, title: str, subtitle: str = "") -> None:
        """Raises `UsageError` unless `path` ends in .html or .htm: so it is never a picture."""
        if not path.lower().endswith(_SUFFIXES):
            raise UsageError(f"Expected a file name that ends in .html. Received: {path!r}.")
        self._target = Path(path)
        # A name of its own length: one made from the target's could be longer than names may be.
        self._part = self._target.with_name(f".{secrets.token_hex(8)}.part")
        self._made: list[Path] = []
        self._words = {"title": title, "subtitle": subtitle}
        self._count = 0

    def __enter__(self) -> Self:
        """Write the head. Raises `OutputError` where the file cannot be written."""
        self._page = _page()
        self._file = self._opened()
        try:
            self._put("head", **self._words)
        except BaseException:
            self._discard()
            raise
        return self

    def add(self, strip: Strip) -> None:
        """Write one strip. Raises `OutputError` where it cannot be written."""
        others = [_tile(shown) for shown in strip.others]
        self._put("strip", query=_tile(strip.head), others=others)
        self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the foot and give the file its name, or after an error, remove it."""
        try:
            if kind is None:
                self._put("foot", count=self._count)
                self._finish()
        finally:
            self._discard()

    def _opened(self) -> BinaryIO:
        try:
            with suppress(FileNotFoundError):
                # Said now, as a name that cannot be, and not after all the work.
                if stat.S_ISDIR(self._target.stat().st_mode):
                    raise IsADirectoryError(None, "it is a folder")
            self._made = [folder for folder in self._target.parents if not folder.exists()]
            self._target.parent.mkdir(parents=True, exist_ok=True)
            return self._part.open("xb")
        except (OSError, ValueError) as error:  # ValueError: NUL in the name
            self._remove()
            raise self._refused(error) from error

    def _put(self, macro: str, **values: object) -> None:
        text: str = getattr(self._page, macro)(**values)
        try:
            self._file.write(text.encode())
        except OSError as error:
            raise self._refused(error) from error

    def _finish(self) -> None:
        try:
            self._file.close()
            self._part.replace(self._target)
        except OSError as error:
            raise self._refused(error) from error
        self._made = []

    def _discard(self) -> None:
        with suppress(OSError):  # told already, where the gallery should have been whole
            self._file.close()
        self._remove()

    def _remove(self) -> None:
        """Remove what is not yet the gallery, and the folders that were made for it."""
        with suppress(OSError):
            self._part.unlink(missing_ok=True)
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()

    def _refused(self, error: Exception) -> OutputError:
        reason = (isinstance(error, OSError) and error.strerror) or error
        return OutputError(f"{os.fspath(self._target)!r} cannot be written: {reason}.")


def _page() -> "TemplateModule":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cnnkit.outputs"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    return environment.get_template("gallery.html").module


def _finalized(value: object) -> object:
    """Every value goes through it, so that none can be forgotten; what a macro made is done."""
    return readable(value) if type(value) is str else value


def _tile(shown: Shown) -> dict[str, str]:
    path = shown.path or ""
    folder, slash, name = path.rpartition("/")
    return {
        "path": path,
        "folder": shortened(folder + slash, _LONGEST_FOLDER),
        "name": shortened(name, _LONGEST_NAME),
        "caption": shown.caption,
        "note": shown.note or "no picture",
        "source": _data_uri(shown.image) if shown.image else "",
    }


def _data_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    within(image, _THUMBNAIL).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
