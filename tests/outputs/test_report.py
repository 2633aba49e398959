"""A training report: whole, inert, bounded, and without what there is nothing to tell of."""

import base64
import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnkit.errors import OutputError, UsageError
from cnnkit.outputs.report import (
    Mistake,
    Neighbour,
    Report,
    Row,
    Strategy,
    write_report,
)
from cnnkit.outputs.strips import readable
from tests.outputs.reports import LABELS, PAYLOAD, drawn, epochs, full, hostile
from tests.outputs.test_gallery import HOSTILE, decoded
from tests.outputs.test_gallery import Page as GalleryPage


class Page(GalleryPage):
    """Adds what is drawn: shapes are written as elements that close themselves."""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def section(self, name: str) -> bool:
        return any(each.get("id") == name for each in self.all("section"))


def written(folder: Path, report: Report, name: str = "report.html") -> Page:
    write_report(report, folder / name, drawn)
    return Page(folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


class TestPage:
    SECTIONS = (
        *("training", "confusion", "mistakes", "classes", "calibration", "suspects"),
        *("straddles", "samples", "augmented", "reproduce"),
    )

    def test_everything_is_there(self, folder: Path) -> None:
        page = written(folder, full())
        assert page.said("title")[:1] == page.said("h1") == ["Three flowers"]
        assert "90.0\u00a0%" in page.said("strong")
        assert [s["id"] for s in page.all("section")] == list(self.SECTIONS)
        links = [a["href"] for a in page.all("a")]
        assert links[: len(self.SECTIONS)] == [f"#{name}" for name in self.SECTIONS]
        ids = [a["id"] for _, a in page.elements if a.get("id")]
        assert len(ids) == len(set(ids))
        assert {str(link).removeprefix("#") for link in links} <= set(ids)

    def test_nothing_but_a_title(self, folder: Path) -> None:
        page = written(folder, Report("Only this"))
        assert page.said("h1") == ["Only this"]
        assert not page.all("section")
        assert not page.all("nav")
        assert not page.all("img")

    def test_each_part_can_be_missing(self, folder: Path) -> None:
        empty = Report("")
        parts = {
            "strategies": "training",
            "confusion": "confusion",
            "mistakes": "mistakes",
            "scores": "classes",
            "calibration": "calibration",
            "suspects": "suspects",
            "straddles": "straddles",
            "samples": "samples",
            "augmented": "augmented",
        }
        for field, section in parts.items():
            report = replace(full(), **{field: getattr(empty, field)})
            page = written(folder, report)
            assert not page.section(section)
            assert len(page.all("section")) == len(self.SECTIONS) - 1

    def test_no_validation(self, folder: Path) -> None:
        strategy = Strategy("only", epochs(1, validated=False), None, None, 3, kept=True)
        page = written(folder, replace(full(), strategies=(strategy,)))
        assert "Validation accuracy" not in page.said("th")
        assert "validation" not in page.said("span")
        assert not [c for c in page.all("circle") if c["class"] == "dot validation"]
        assert len([c for c in page.all("circle") if c["class"] == "dot training"]) == 2

    def test_a_training_that_diverged_leaves_a_gap(self, folder: Path) -> None:
        lost = (epochs(1)[0], replace(epochs(1)[0], loss=float("nan"), val_loss=float("inf")))
        page = written(folder, replace(full(), strategies=(Strategy("x", lost, 0.5, None, 3),)))
        assert "nan" in page.said("td")
        for shape in ("path", "circle", "rect", "text"):
            for attributes in page.all(shape):
                assert not re.search("nan|inf", " ".join(map(str, attributes.values())))

    def test_a_strategy_without_epochs_is_compared_but_not_drawn(self, folder: Path) -> None:
        page = written(folder, replace(full(), strategies=(Strategy("x", (), 0.5, None, 3),)))
        assert "50.0\u00a0%" in page.said("td")
        assert not [p for p in page.all("path") if "line" in str(p.get("class"))]

    def test_the_matrix_links_the_cells_that_have_pictures(self, folder: Path) -> None:
        page = written(folder, full())
        cells = {a["id"]: a for a in page.all("a") if "id" in a}
        assert set(cells) == {"at-0-0", "at-1-2"}
        assert cells["at-1-2"]["href"] == "#cell-1-2"
        assert cells["at-1-2"]["aria-label"] == "5: roses named tulips"
        assert [a["id"] for a in page.all("aside")] == ["cell-1-2", "cell-0-0"]
        assert "roses → tulips" in page.said("a")
        tints = [str(td["class"]) for td in page.all("td") if td.get("class")]
        assert [t for t in tints if t[:3] in ("hit", "mis")] == [
            *("hit8", "miss4", "hit7", "miss8", "miss2", "hit8"),
        ]

    def test_every_picture_and_drawing_is_named(self, folder: Path) -> None:
        page = written(folder, full())
        assert all(image["alt"] for image in page.all("img"))
        for svg in page.all("svg"):
            assert svg.get("aria-hidden") == "true" or svg["aria-label"]
        for head in page.all("th"):
            assert head["scope"] in ("row", "col")

    def test_what_cannot_be_had_says_why(self, folder: Path) -> None:
        write_report(full(), folder / "a.html", lambda _: "no <such> file")
        page = Page(folder / "a.html")
        assert page.said("p").count("no <such> file") == 9
        assert len(page.all("img")) == 2  # those that were drawn

    def test_commands_can_be_copied(self, folder: Path) -> None:
        page = written(folder, full())
        assert page.said("pre") == [
            "cnnkit train flowers \\\n  --seed 7",
            "seed = 7\n\n[augment]\nflip = true",
        ]

    def test_thumbnails_are_small(self, folder: Path) -> None:
        page = written(folder, full())
        sizes = {decoded(image["src"]).size for image in page.all("img")}
        assert sizes == {(160, 107), (8, 8)}

    def test_a_great_many_pictures_stay_few_and_the_file_small(self, folder: Path) -> None:
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8))
        count = 110
        paths = tuple(f"{i}.jpg" for i in range(9))
        near = tuple(Neighbour("n.jpg", "a", 0.5) for _ in range(9))
        asked: list[str] = []
        report = replace(
            full(),
            labels=tuple(f"class {i}" for i in range(count)),
            confusion=tuple(tuple(range(1, count + 1)) for _ in range(count)),
            cells={(i, j): paths for i in range(count) for j in range(count)},
            mistakes=(Mistake("m.jpg", "a", "b", 0.5, near),) * 99,
            suspects=full().suspects * 99,
            straddles=full().straddles * 99,
            samples=tuple(Row(str(i), paths) for i in range(count)),
            augmented=(Row("drawn", np.zeros((99, 8, 8, 3), np.uint8)),),
        )

        def noisy(path: str) -> Image.Image:
            asked.append(path)
            return noise

        write_report(report, folder / "a.html", noisy)
        page = Page(folder / "a.html")
        assert 100 < len(page.all("img")) == len(asked) + 28 <= 300
        assert (folder / "a.html").stat().st_size < 8_000_000
        assert "and 75 more" in page.said("p")
        write_report(report, folder / "b.html", drawn)
        assert len(Page(folder / "b.html").all("img")) == 300


class TestNothingIsAskedOfAnyone:
    def test_the_policy_allows_pictures_within_and_one_style_sheet(self, folder: Path) -> None:
        page = written(folder, full())
        policy = str(next(m["content"] for m in page.all("meta") if "http-equiv" in m))
        style = page.raw.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert policy.split("; ")[:3] == [
            "default-src 'none'",
            "img-src data:",
            f"style-src 'sha256-{digest}'",
        ]

    @pytest.mark.parametrize("report", [full(), hostile()], ids=["plain", "hostile"])
    def test_no_scripts_and_no_addresses(self, folder: Path, report: Report) -> None:
        page = written(folder, report)
        assert not page.all("script")
        for _, attributes in page.elements:
            assert not [key for key in attributes if key.startswith("on") or key == "style"]
            for name in ("src", "href"):
                assert re.match("data:|#", attributes.get(name) or "#")
        style = page.raw.partition("<style>")[2].partition("</style>")[0]
        assert not re.search(r"url\(|@import|//", style)


class TestHostileText:
    @pytest.mark.parametrize("text", [*HOSTILE, PAYLOAD])
    def test_text_is_text_wherever_it_stands(self, folder: Path, text: str) -> None:
        page = written(folder, hostile(text))
        same = written(folder, hostile("harmless"))
        assert [tag for tag, _ in page.elements] == [tag for tag, _ in same.elements]
        assert page.said("title")[:1] == page.said("h1") == [readable(text)]
        assert "\x1b" not in page.raw

    @settings(max_examples=30, deadline=None)
    @given(text=st.text(st.characters(), max_size=40))
    def test_any_text(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        page = written(tmp_path_factory.mktemp("any"), hostile(text))
        assert not page.open
        assert page.said("h1") == ([readable(text).strip()] if readable(text).strip() else [])


class TestFile:
    def test_an_older_report_is_replaced_and_folders_are_made(self, folder: Path) -> None:
        for title in ("old", "new"):
            write_report(Report(title), folder / "deep" / "a.HTML", drawn)
        assert Page(folder / "deep" / "a.HTML").said("h1") == ["new"]
        assert os.listdir(folder / "deep") == ["a.HTML"]

    def test_an_interruption_leaves_the_older_one(self, folder: Path) -> None:
        def interrupt(_: str) -> str:
            raise KeyboardInterrupt

        write_report(Report("old"), folder / "a.html", drawn)
        with pytest.raises(KeyboardInterrupt):
            write_report(full(), folder / "a.html", interrupt)
        assert Page(folder / "a.html").said("h1") == ["old"]
        assert os.listdir(folder) == ["a.html"]

    @pytest.mark.parametrize("name", ["a.jpg", "html", "a"])
    def test_the_suffix_is_that_of_a_page(self, folder: Path, name: str) -> None:
        with pytest.raises(UsageError, match=r"ends in \.html\. Received"):
            write_report(Report(""), folder / name, drawn)
        assert os.listdir(folder) == []

    def test_where_nothing_can_be_written(self, folder: Path) -> None:
        (folder / "file").write_bytes(b"")
        (folder / "folder.html").mkdir()
        for name in ("file/a.html", "folder.html", f"n/{'x' * 300}.html", "\0.html"):
            with pytest.raises(OutputError, match="cannot be written: "):
                write_report(Report(""), folder / name, drawn)
        assert sorted(os.listdir(folder)) == ["file", "folder.html"]

    @pytest.mark.parametrize("confusion", [((1,),), ((1, 2), (3, 4)), ((1, 2, 3),) * 2])
    def test_the_matrix_fits_the_labels(self, confusion: tuple[tuple[int, ...], ...]) -> None:
        with pytest.raises(UsageError, match="Expected a confusion matrix of 3 × 3"):
            Report("", labels=LABELS, confusion=confusion)

    @pytest.mark.parametrize("cell", [(3, 0), (0, -1)])
    def test_cells_lie_in_the_matrix(self, cell: tuple[int, int]) -> None:
        with pytest.raises(UsageError, match=r"Expected cells of 0\.\.2"):
            Report("", labels=LABELS, cells={cell: ("a",)})
