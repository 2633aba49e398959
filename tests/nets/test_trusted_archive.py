"""Files from strangers that are no such zip file: broken, hostile, or with other members."""

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnkit.errors import WeightsError
from tests.nets.stranger_files import CONFIG, METADATA, WEIGHTS, load, members, refusal, zipped

pytestmark = pytest.mark.network


def test_no_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nothing.keras")
    assert "is no file" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK", b"garbage" * 999, b"PK\5\6" + bytes(18)])
def test_garbage(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_short(share: float, honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    whole = honest.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "no zip file" in refusal(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_byte_wrong(honest: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(honest.read_bytes())
    # Half of them in the directory at the end, where zip files are most easily hurt.
    first = data.draw(st.sampled_from([0, len(whole) - 220]))
    place = data.draw(st.integers(first, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "model.keras"
    path.write_bytes(whole)
    try:
        model = load(path)
    except WeightsError as error:
        assert str(path) in str(error)
    else:
        assert model.output_shape == (None, 2)


@pytest.mark.parametrize(
    "name", ["../../evil", "/tmp/evil", "assets/x", "assets/", "model.weights.npz", "CONFIG.JSON"]
)
def test_another_member(name: str, honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members(honest) | {name: b"evil"})
    assert name in refusal(path)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["model.keras"]


def test_a_member_is_missing(honest: Path, tmp_path: Path) -> None:
    for name in (CONFIG, METADATA, WEIGHTS):
        content = members(honest)
        del content[name]
        assert name in refusal(zipped(tmp_path / "model.keras", content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members(honest))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CONFIG, b"{}")
    assert "4 members" in refusal(path)


def test_links_and_encryption(honest: Path, tmp_path: Path) -> None:
    content = members(honest)
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            info = zipfile.ZipInfo(name)
            link = name == METADATA
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if link else 0
            archive.writestr(info, b"/etc/passwd" if link else data)
    assert "'metadata.json' as a link" in refusal(path)
    raw = bytearray(zipped(path, content).read_bytes())
    raw[raw.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(raw)
    assert "encrypted" in refusal(path)
    assert "in an unknown way" in refusal(zipped(path, content, zipfile.ZIP_LZMA))


def test_a_compressed_file_is_as_good(honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members(honest), zipfile.ZIP_DEFLATED)
    assert load(path).name == "net"


@pytest.mark.parametrize("name", [CONFIG, METADATA, WEIGHTS])
def test_compression_bombs(name: str, honest: Path, tmp_path: Path) -> None:
    content = members(honest) | {name: bytes(200 << 20)}
    path = zipped(tmp_path / "model.keras", content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    assert f"claims 209,715,200 bytes of {name}" in refusal(path)


def test_a_directory_of_a_million_names(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number:0100}", b"")
    assert "too many members" in refusal(path)
