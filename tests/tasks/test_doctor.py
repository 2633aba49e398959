"""What works on this machine, and what is missing."""

import pytest

from cnnkit.errors import CnnkitError
from cnnkit.records import Finding
from cnnkit.tasks import doctor
from cnnkit.tasks.doctor import examine, raise_if_ill


@pytest.mark.network
def test_a_sound_machine_classifies_a_picture_with_nothing_but_the_package() -> None:
    findings = {finding.matter: finding for finding in examine()}
    assert findings["patternnet on the engine keras"].state == "ok"
    assert "brick" in findings["patternnet on the engine keras"].detail
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
