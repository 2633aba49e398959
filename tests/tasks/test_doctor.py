"""What works on this machine, and what is missing."""

import sys
from pathlib import Path

import pytest

from cnnkit.engines import cache
from cnnkit.errors import CnnkitError
from cnnkit.records import Finding
from cnnkit.tasks import doctor
from cnnkit.tasks.doctor import examine, raise_if_ill
from cnnkit.tasks.network import Job


@pytest.mark.network
def test_a_sound_machine_classifies_a_picture_with_nothing_but_the_package() -> None:
    findings = {finding.matter: finding for finding in examine()}
    assert findings["patternnet on the engine openvino"].state == "ok"
    assert "brick" in findings["patternnet on the engine openvino"].detail
    assert findings["engine openvino"].state == "ok"
    assert "float32" in findings["engine openvino"].detail
    assert findings["cache folder"].state == "ok"
    assert "converted network" in findings["converted networks"].detail
    assert findings["tensorflow"].state == "ok"
    assert "cores" in findings["processor"].detail
    assert findings["resnet50"].mend == "cnnkit weights pull resnet50"
    raise_if_ill(findings.values())


def test_what_cannot_run_is_told_and_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ImportError("libcudart.so.99 is not there")

    monkeypatch.setattr(doctor, "classify", broken)
    last = list(examine())[-1]
    assert last.state == "broken"
    assert "libcudart" in last.detail
    with pytest.raises(CnnkitError, match="libcudart"):
        raise_if_ill([Finding("python", "ok", ""), last])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("cnnkit", "no-such-package"))
    findings = {finding.matter: finding for finding in doctor._versions()}
    assert findings["no-such-package"].state == "broken"
    assert findings["no-such-package"].mend == "pip install no-such-package"


def test_without_openvino_the_finding_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    found = doctor._openvino()
    assert (found.state, found.mend) == ("missing", "pip install openvino")


def test_a_cache_folder_that_cannot_be_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path / "file"))
    found = next(each for each in doctor._folders() if each.matter == "cache folder")
    assert found.state == "missing"
    assert str(tmp_path / "file") in found.detail
    assert found.mend == "export CNNKIT_CACHE_DIR=FOLDER"


def test_the_verdicts_of_converted_networks_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNKIT_CACHE_DIR", str(tmp_path))
    entry = cache.keep(cache.key_of("vgg16", {}), {"model": "vgg16"}, lambda folder: {})
    entry.keep_verdict(
        {"pictures": 64, "same_label": 0.5, "median_cosine": 0.9, "least_cosine": 0.1}
    )
    assert doctor._converted().detail.endswith("; vgg16: same label 50.0 %, cosine 0.9000: float32")


def test_an_openvino_that_cannot_be_loaded_is_not_fatal_and_has_its_own_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = doctor._openvino()
    assert (found.state, found.mend) == ("missing", "pip install --force-reinstall openvino")
    assert "installed, but cannot be loaded" in found.detail
    raise_if_ill([found])


@pytest.mark.parametrize(
    ("compiled", "mend"),
    [
        ("pip install --force-reinstall openvino", "pip install --force-reinstall openvino"),
        ("pip install openvino", "pip install --force-reinstall cnnkit"),
        ("", "pip install --force-reinstall cnnkit"),
    ],
)
def test_the_last_finding_says_which_package_is_to_be_mended(
    monkeypatch: pytest.MonkeyPatch, compiled: str, mend: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ImportError("a library is not there")

    monkeypatch.setattr(doctor, "_openvino", lambda: Finding("engine", "missing", "", compiled))
    monkeypatch.setattr(Job, "of", broken)
    assert list(examine())[-1].mend == mend
