"""A training report in a real browser: quiet, inert, and opened cell by cell."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cnnkit.outputs.report import Report, write_report
from cnnkit.outputs.strips import readable
from tests.outputs.chromium import PROGRAM, Browser
from tests.outputs.reports import drawn, full, hostile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not PROGRAM:
        pytest.skip("no chromium, chromium-browser or google-chrome on the PATH")
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


SHOWN = "[...document.querySelectorAll('.panel')].filter(p => p.offsetHeight).map(p => p.id)"


class TestInABrowser:
    def test_the_browser_would_notice(self, browser: Browser, folder: Path) -> None:
        (folder / "a.html").write_text(
            "<title>a</title><img src='http://127.0.0.1:9/x'><script>console.error(1)</script>"
        )
        browser.open((folder / "a.html").as_uri())
        assert browser.asked() == ["http://127.0.0.1:9/x"]
        assert any("consoleAPICalled" in complaint for complaint in browser.complaints())

    @pytest.mark.parametrize("report", [full(), hostile(), Report("")], ids=["full", "bad", "bare"])
    @pytest.mark.parametrize("width", [1280, 400])
    def test_it_is_quiet_inert_and_fits(
        self, browser: Browser, folder: Path, report: Report, width: int
    ) -> None:
        write_report(report, folder / "a.html", drawn)
        browser.open((folder / "a.html").as_uri(), width)
        assert browser.complaints() == []
        assert browser.asked() == []
        assert browser.run("document.title") == " ".join(readable(report.title).split())
        assert browser.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert browser.run("document.documentElement.scrollWidth") <= width
        # The style sheet was let in by its hash.
        assert browser.run("getComputedStyle(document.body).maxWidth") == "1248px"

    def test_a_link_to_a_cell_opens_its_pictures(self, browser: Browser, folder: Path) -> None:
        write_report(full(), folder / "a.html", drawn)
        browser.open(f"{(folder / 'a.html').as_uri()}#cell-1-2")
        assert browser.run(SHOWN) == ["cell-1-2"]
        titles = "[...document.querySelectorAll('#cell-1-2 img')].map(i => i.title)"
        assert browser.run(titles) == ["roses/7.jpg", "roses/89.jpg"]

    def test_a_click_and_a_key_open_and_close(self, browser: Browser, folder: Path) -> None:
        write_report(full(), folder / "a.html", drawn)
        browser.open((folder / "a.html").as_uri())
        assert browser.run(SHOWN) == []
        browser.click("#at-1-2")
        assert browser.run(SHOWN) == ["cell-1-2"]
        browser.click("#cell-1-2 a")
        assert browser.run(SHOWN) == []
        assert browser.run("document.activeElement.id") == "at-1-2"
        browser.run("document.querySelector('#at-0-0').focus()")
        browser.press_enter()
        assert browser.run(SHOWN) == ["cell-0-0"]
        assert browser.complaints() == []

    def test_the_matrix_stays_where_it_is(self, browser: Browser, folder: Path) -> None:
        write_report(full(), folder / "a.html", drawn)
        browser.open((folder / "a.html").as_uri())
        browser.run("document.querySelector('#at-1-2').scrollIntoView({block: 'center'})")
        before = browser.run("scrollY")
        browser.click("#at-1-2")
        assert browser.run(SHOWN) == ["cell-1-2"]
        assert browser.run("scrollY") == before > 0

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_stands_out(self, browser: Browser, folder: Path, scheme: str) -> None:
        write_report(full(), folder / "a.html", drawn)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.call("Emulation.setEmulatedMedia", features=[feature])
        browser.open((folder / "a.html").as_uri())
        pairs = browser.run(CONTRASTS)
        browser.call("Emulation.setEmulatedMedia", features=[])
        assert len(pairs) > 100
        grounds = {tuple(ground) for _, _, ground in pairs}
        assert ((251, 251, 250) in grounds) == (scheme == "light")
        poor = [(text, ink, ground) for text, ink, ground in pairs if contrast(ink, ground) < 4.5]
        assert not poor


# Every text with its ink and the ground that it stands on, as a canvas would paint them.
CONTRASTS = """
(() => {
  const brush = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const painted = layers => {
    brush.clearRect(0, 0, 1, 1);
    for (const layer of layers) { brush.fillStyle = layer; brush.fillRect(0, 0, 1, 1); }
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), inner = walk.currentNode.parentElement;
    if (!text || inner.tagName === 'title') continue;
    const grounds = [];
    for (let e = inner; e; e = e.parentElement)
      grounds.unshift(getComputedStyle(e).backgroundColor);
    const style = getComputedStyle(inner);
    const ink = inner.closest('svg') ? style.fill : style.color;
    found.push([text, painted([...grounds, ink]), painted(grounds)]);
  }
  return found;
})()
"""


def contrast(ink: list[int], ground: list[int]) -> float:
    """The contrast ratio of two sRGB colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""

    def luminance(colour: list[int]) -> float:
        shares = np.array(colour) / 255
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    dark, light = sorted((luminance(ink), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)
