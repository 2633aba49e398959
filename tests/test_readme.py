"""The README says what the program does."""

import re
from pathlib import Path

import pytest

from cnnkit.cli import main
from cnnkit.commands.configuration import read_configuration
from cnnkit.images.augment import Augmentation, read_augmentation
from tests import readme
from tests.conftest import ROOT

NUMBER = re.compile(r"\d+\.\d+")


def test_the_reference_is_fresh() -> None:
    text = readme.README.read_text()
    assert readme.with_reference(text) == text


BLOCKS = readme.transcripts(readme.README.read_text())


@pytest.mark.network
def test_transcripts_that_need_nothing_are_what_a_person_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [block for block in BLOCKS if not readme.needs_photographs(block)]
    assert blocks
    _hold(blocks, tmp_path, monkeypatch)


@pytest.mark.real
@pytest.mark.network
def test_transcripts_on_photographs_are_what_a_person_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [block for block in BLOCKS if readme.needs_photographs(block)]
    assert len(blocks) >= 5
    _hold(blocks, tmp_path, monkeypatch)


def _hold(
    blocks: list[list[tuple[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CNNKIT_WEIGHTS_URL")
    readme.prepare(tmp_path)
    for block in blocks:
        for command, expected in block:
            found = readme.run(command, tmp_path)
            assert NUMBER.sub("#", found) == NUMBER.sub("#", expected), command
            numbers = [float(n) for n in NUMBER.findall(expected)]
            assert [float(n) for n in NUMBER.findall(found)] == pytest.approx(numbers, abs=2e-3)


def test_every_configuration_opens_with_its_command_and_is_valid() -> None:
    files = sorted((ROOT / "configs").glob("*.toml"))
    assert files
    for file in files:
        first = file.read_text().splitlines()[0]
        if file.stem.startswith("augment"):
            assert first.startswith("# cnnkit ")
            assert first.endswith(f" configs/{file.name}")
            assert read_augmentation(str(file)) != Augmentation()
        else:
            assert first.startswith(f"# cnnkit --config configs/{file.name} ")
            assert read_configuration(str(file), main)


def test_no_link_leads_nowhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", readme.README.read_text()):
        assert (ROOT / target).exists(), target
