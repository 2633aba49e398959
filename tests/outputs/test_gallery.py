"""A gallery: everything in one file, nothing in it that a name brought, whole or not at all."""

import base64
import errno
import io
import os
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnkit.errors import OutputError, UsageError
from cnnkit.outputs.gallery import Gallery
from cnnkit.outputs.strips import Shown, Strip, readable
from tests.conftest import picture

# As written, and as it can be read.
HOSTILE = {
    "<script>alert(1)<\\script>.jpg": "<script>alert(1)<\\\\script>.jpg",
    "\"' onerror=alert(1) x='.jpg": "\"' onerror=alert(1) x='.jpg",
    "</title></style>": "</title></style>",
    "{{ 7 * 7 }}{% raw %}.jpg": "{{ 7 * 7 }}{% raw %}.jpg",
    "&lt;b&gt;&amp;.jpg": "&lt;b&gt;&amp;.jpg",
    "two\nlines\r\tand.jpg": "two\\nlines\\r\\tand.jpg",
    "\udcff\udc80.jpg": "\\xff\\x80.jpg",
    "\ud800.jpg": "\\ud800.jpg",
    "photo\u202egpj.exe": "photo\\u202egpj.exe",
    "\x00\x1b[31m\x9b.jpg": "\\x00\\x1b[31m\\x9b.jpg",
    "日本語 🦝 שלום.jpg": "日本語 🦝 שלום.jpg",
    "http://example.org/a.jpg": "http://example.org/a.jpg",
}
KNOWN = {
    *("html", "head", "meta", "link", "title", "style", "body", "header", "h1", "h2", "p", "main"),
    *("section", "figure", "figcaption", "img", "ol", "li", "span", "bdi", "footer"),
}
VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """What a browser would make of a file: elements, their attributes, and the text in each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.raw = path.read_bytes().decode("utf-8")
        self.feed(self.raw)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def said(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def shown(path: str | None, seed: int = 0, caption: str = "") -> Shown:
    return Shown(path, caption, picture(seed=seed))


def gone(path: str, note: str) -> Shown:
    return Shown(path, "", None, note)


def written(folder: Path, *strips: Strip, title: str = "Title", subtitle: str = "") -> Page:
    path = folder / "gallery.html"
    with Gallery(str(path), title=title, subtitle=subtitle) as gallery:
        for strip in strips:
            gallery.add(strip)
    assert os.listdir(folder) == ["gallery.html"]
    return Page(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


def decoded(source: str | None) -> Image.Image:
    assert source is not None
    return Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))))


class TestPage:
    def test_the_query_comes_first_then_the_others_with_rank_and_caption(
        self, folder: Path
    ) -> None:
        others = tuple(shown(f"b/{i}.jpg", i, f"distance {i}.5") for i in (1, 2, 3))
        page = written(folder, Strip(shown("a/q.jpg", 0, "query"), others), subtitle="in s.h5")
        assert page.said("title") == page.said("h1") == ["Title"]
        assert page.said("p") == ["in s.h5", "query", *(f"distance {i}.5" for i in (1, 2, 3))]
        assert page.said("bdi") == ["a/", "q.jpg", "b/", "1.jpg", "b/", "2.jpg", "b/", "3.jpg"]
        assert page.said("span") == ["1", "2", "3"]
        assert [image["alt"] for image in page.all("img")] == ["q.jpg", "1.jpg", "2.jpg", "3.jpg"]
        assert [h2["title"] for h2 in page.all("h2")] == ["a/q.jpg"]
        for seed, image in enumerate(page.all("img")):
            near = decoded(image["src"]).resize((5, 4)).tobytes()
            exact = picture(seed=seed).resize((5, 4)).tobytes()
            assert max(abs(a - b) for a, b in zip(near, exact, strict=True)) < 40

    def test_nothing_is_asked_of_anyone(self, folder: Path) -> None:
        page = written(folder, Strip(shown("a.jpg"), (shown("b.jpg"), gone("c.jpg", "gone"))))
        assert {tag for tag, _ in page.elements} <= KNOWN
        for text in ("http:", "https:", "//", "url(", "@import", "file:", "<script"):
            assert text not in "".join(part for part in page.raw.split('"') if "base64" not in part)
        policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
        assert policy is not None
        rules = [rule.strip() for rule in policy.split(";")]
        assert rules[:3] == ["default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"]
        for _, attributes in page.elements:
            for name in ("src", "href"):
                assert (attributes.get(name) or "data:").startswith("data:")

    def test_the_page_suits_light_and_dark(self, folder: Path) -> None:
        page = written(folder)
        assert "prefers-color-scheme: dark" in page.raw
        assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")

    def test_a_picture_that_cannot_be_had_says_why(self, folder: Path) -> None:
        page = written(folder, Strip(gone("q.jpg", "no <such> file"), (gone("b.jpg", ""),)))
        assert page.said("p") == ["no <such> file", "no picture"]
        assert not page.all("img")

    def test_no_path(self, folder: Path) -> None:
        page = written(folder, Strip(shown(None, 0, "row 7"), (shown(None, 1, "row 8"),)))
        assert page.said("p") == ["row 7", "row 8"]
        assert {image["alt"] for image in page.all("img")} == {"picture without a name"}
        assert not page.all("h2")

    def test_no_strips(self, folder: Path) -> None:
        assert written(folder).said("p") == ["Nothing to show."]

    def test_a_strip_without_others(self, folder: Path) -> None:
        page = written(folder, Strip(shown("q.jpg")))
        assert page.said("p") == ["Nothing near."]
        assert not page.all("ol")

    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((64, 48), (64, 48)),
            ((1600, 800), (200, 100)),
            ((1, 60_000), (1, 200)),
            ((1, 1), (1, 1)),
        ],
    )
    def test_pictures_are_reduced_and_never_enlarged(
        self, folder: Path, size: tuple[int, int], expected: tuple[int, int]
    ) -> None:
        page = written(folder, Strip(Shown("a.jpg", "", Image.new("RGB", size))))
        assert decoded(page.all("img")[0]["src"]).size == expected

    def test_any_mode(self, folder: Path) -> None:
        for mode in ("L", "RGBA", "P", "1", "CMYK"):
            page = written(folder, Strip(Shown("a.jpg", "", Image.new(mode, (300, 20)))))
            assert decoded(page.all("img")[0]["src"]).mode == "RGB"


class TestHostileNames:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_name_is_text_wherever_it_stands(self, folder: Path, name: str) -> None:
        tile = Shown(name, name, picture(), name)
        strip = Strip(tile, (tile, Shown(name, name, None, name)))
        page = written(folder, strip, title=name, subtitle=name)
        assert {tag for tag, _ in page.elements} <= KNOWN
        for _, attributes in page.elements:
            assert not [key for key in attributes if key.startswith("on")]
        expected = HOSTILE[name]
        assert page.said("title") == page.said("h1") == [expected]
        # The subtitle, the three captions, and the note of the one without a picture.
        assert page.said("p") == [expected] * 5
        assert "".join(page.said("bdi")) == expected * 3
        assert page.all("h2")[0]["title"] == expected
        assert {image["alt"] for image in page.all("img")} == {expected.rpartition("/")[2]}

    def test_a_long_name_is_shortened_but_there_in_full(self, folder: Path) -> None:
        path = f"{'f' * 4000}/begin{'x' * 4000}end.jpg"
        page = written(folder, Strip(shown(path), (shown(path),)))
        for text in page.said("bdi"):
            assert len(text) <= 160
            assert "…" in text
        name = page.said("bdi")[1]
        assert name.startswith("begin")
        assert name.endswith("end.jpg")
        titles = [a["title"] for _, a in page.elements if "title" in a]
        assert titles == [path, path]

    @settings(max_examples=40, deadline=None)
    @given(text=st.text(st.characters(), max_size=40))
    def test_any_text_comes_back_readable(
        self, tmp_path_factory: pytest.TempPathFactory, text: str
    ) -> None:
        path = tmp_path_factory.mktemp("any")
        page = written(path, Strip(Shown(text, text, None)), title=text)
        assert {tag for tag, _ in page.elements} <= KNOWN
        title = next((h2["title"] for h2 in page.all("h2")), "")
        assert title == readable(text)


class TestWholeOrNotAtAll:
    @pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
    def test_an_error_in_the_middle_leaves_nothing(
        self, folder: Path, error: BaseException
    ) -> None:
        with (
            pytest.raises(type(error)),
            Gallery(str(folder / "new" / "deep" / "a.html"), title="") as gallery,
        ):
            gallery.add(Strip(shown("a.jpg")))
            raise error
        assert os.listdir(folder) == []

    def test_an_interrupted_gallery_leaves_the_older_one(self, folder: Path) -> None:
        path = folder / "a.html"
        path.write_text("old")
        with pytest.raises(KeyboardInterrupt), Gallery(str(path), title="") as gallery:
            gallery.add(Strip(shown("a.jpg")))
            assert path.read_text() == "old"
            raise KeyboardInterrupt
        assert path.read_text() == "old"
        assert os.listdir(folder) == ["a.html"]

    def test_an_older_gallery_is_replaced(self, folder: Path) -> None:
        (folder / "gallery.html").write_text("old")
        assert written(folder).said("h1") == ["Title"]

    def test_folders_are_made(self, folder: Path) -> None:
        with Gallery(str(folder / "new" / "deep" / "a.HTM"), title=""):
            pass
        assert os.listdir(folder / "new" / "deep") == ["a.HTM"]

    def test_a_link_is_replaced_and_not_followed(self, folder: Path) -> None:
        photo = folder / "photo.jpg"
        photo.write_bytes(b"pixels")
        (folder / "a.html").symlink_to(photo)
        with Gallery(str(folder / "a.html"), title=""):
            pass
        assert photo.read_bytes() == b"pixels"

    @pytest.mark.parametrize("name", ["a.jpg", "a", "a.html.png", "html", ""])
    def test_the_suffix_is_that_of_a_page(self, folder: Path, name: str) -> None:
        path = folder / "a.jpg"
        path.write_bytes(b"pixels")
        with pytest.raises(UsageError, match=r"ends in \.html\. Received"):
            Gallery(name and str(folder / name), title="")
        assert path.read_bytes() == b"pixels"

    def test_where_nothing_can_be_written(self, folder: Path) -> None:
        (folder / "file").write_bytes(b"")
        (folder / "folder.html").mkdir()
        long = "x" * 300
        for name in ("file/a.html", "folder.html", f"{long}.html", f"n/n/{long}/a.html", "\0.html"):
            gallery = Gallery(str(folder / name), title="")
            with pytest.raises(OutputError, match="cannot be written: "), gallery:
                pytest.fail("nothing can be added")
        assert sorted(os.listdir(folder)) == ["file", "folder.html"]

    @pytest.mark.parametrize("method", ["write", "close"])
    def test_a_full_disk_is_told_and_leaves_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        class Full(io.BytesIO):
            pass

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        setattr(Full, method, refuse)
        monkeypatch.setattr(Path, "open", lambda *_: Full())
        with (
            pytest.raises(OutputError, match=r"'.*a\.html' cannot be written: No space left"),
            Gallery(str(folder / "a.html"), title=""),
        ):
            pass
        assert os.listdir(folder) == []

    def test_strips_are_not_held(self, folder: Path) -> None:
        strip = Strip(shown("q.jpg"), tuple(shown(f"{i}.jpg", i) for i in range(5)))
        path = folder / "a.html"
        with Gallery(str(path), title="") as gallery:
            for _ in range(20):  # what is made once is made by now
                gallery.add(strip)
            tracemalloc.start()
            for _ in range(300):
                gallery.add(strip)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 1_000_000 < path.stat().st_size
