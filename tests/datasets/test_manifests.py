"""Lists of pictures and labels: what they may hold, and where they are wrong."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.datasets.manifests import listed
from cnnkit.datasets.notices import Notices
from cnnkit.datasets.reading import read
from cnnkit.errors import InputError
from cnnkit.records import Drawn, Example, Skipped


def written(folder: Path, text: str | bytes, name: str = "list.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return str(path)


class TestCsv:
    def test_rows_in_their_order(self, tmp_path: Path) -> None:
        file = written(
            tmp_path,
            "\ufeffGroup, label,Path,colour,split\r\n"
            'film 7,rose,b.jpg,red,Training\r\n\r\n,tulip,"a,1.jpg",blue,VALID\n'
            ",10,/abs/c.jpg,,\n,9,../d.jpg,,test,\n",
        )
        dataset = read(file)
        assert dataset.examples == (
            Example(f"{tmp_path}/b.jpg", "rose", "train", "film 7"),
            Example(f"{tmp_path}/a,1.jpg", "tulip", "val"),
            Example("/abs/c.jpg", "10"),
            Example(f"{tmp_path}/../d.jpg", "9", "test"),
        )
        assert (dataset.name, dataset.labels) == ("list", ("9", "10", "rose", "tulip"))
        told = ("class only in val: tulip", "class only in test: 9")
        assert sorted(dataset.notices) == sorted(told)

    def test_a_list_in_the_folder_where_one_stands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written(tmp_path, "path,label\na.jpg,rose\n")
        monkeypatch.chdir(tmp_path)
        assert read("list.csv").examples == (Example("a.jpg", "rose"),)

    def test_names_that_are_no_text_come_through(self, tmp_path: Path) -> None:
        file = written(tmp_path, b"path,label\nr\xf6se.jpg,r\xf6se\n")
        (example,) = read(file).examples
        assert os.fsencode(example.path).endswith(b"/r\xf6se.jpg")
        assert example.label == os.fsdecode(b"r\xf6se")

    def test_a_file_named_twice(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").touch()
        file = written(
            tmp_path, "path,label\na.jpg,rose\n./a.jpg,rose\na.jpg,tulip\nx.jpg,b\n./x.jpg,b\n"
        )
        dataset = read(file)
        assert [example.label for example in dataset.examples] == ["rose", "tulip", "b"]
        assert dataset.notices == (
            f"named twice (2): {tmp_path}/./a.jpg, {tmp_path}/./x.jpg",
            f"one file under several labels: {tmp_path}/a.jpg (rose, tulip)",
        )

    def test_one_file_on_two_sides_stays_on_both(self, tmp_path: Path) -> None:
        file = written(tmp_path, "path,label,split\na.jpg,rose,train\na.jpg,rose,test\n")
        assert [example.split for example in read(file).examples] == ["train", "test"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a.jpg,rose\n", "first line that names the columns.*'a.jpg,rose'"),
            ("path;label\na.jpg;rose\n", "first line that names the columns"),
            ("path,split\na.jpg,train\n", "first line that names the columns"),
            ("path,label,label\na.jpg,a,b\n", "first line that names the columns"),
            ("path,label\n\na.jpg\n", r"line 3: expected 2 columns \(path, label\).*Received 1"),
            ("path,label\na,b.jpg,rose\n", "line 2: .*comma stands in .quotes.*Received 3"),
            ("path,label\na.jpg,\n", "line 2: expected a path and a label"),
            ("path,label\na.jpg,  \n", "line 2: expected a path and a label"),
            ("path,label\n,rose\n", "line 2: expected a path and a label"),
            ('path,label\n"a\nb.jpg",\n', "line 3: expected a path and a label"),
            ("path,label,split\na.jpg,rose,dev\n", "line 2: expected a split.*'dev'"),
            ("path,label\n" + "x" * 200_000 + ",rose\n", "line 2: this is no CSV"),
            ("", "No labelled picture"),
            ("path,label\n", "No labelled picture"),
        ],
    )
    def test_what_is_wrong_is_an_error_with_its_line(
        self, tmp_path: Path, text: str, expected: str
    ) -> None:
        with pytest.raises(InputError, match=f"(?s){expected}"):
            read(written(tmp_path, text))

    @given(st.binary(max_size=200))
    def test_any_bytes_are_rows_or_an_error(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        folder = tmp_path_factory.mktemp("any")
        for name in ("list.csv", "list.jsonl"):
            for head in (b"path,label\n", b'{"path":"a","label":"b"}\n'):
                file = written(folder, head + content, name)
                try:
                    assert all(e.label and e.path for e in listed(file, Notices()))
                except InputError as error:
                    assert file in str(error)

    def test_a_list_that_cannot_be_opened(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read: No such file"):
            listed(str(tmp_path / "absent.csv"), Notices())
        (tmp_path / "folder.jsonl").mkdir()
        with pytest.raises(InputError, match="has no class folder"):
            read(tmp_path / "folder.jsonl")


class TestJsonl:
    def test_records_as_cnnkit_prints_them(self, tmp_path: Path) -> None:
        drawn = Drawn("brick/1.jpg", "brick", 7, 0, "drawn")
        failed = Skipped("b.jpg", "empty", "the file has no content")
        lines = [json.dumps(record.to_dict()) for record in (drawn, failed)]
        dataset = read(written(tmp_path, "\n".join([*lines, "", ""]), "L.JSONL"))
        assert dataset.examples == (Example(f"{tmp_path}/brick/1.jpg", "brick"),)
        assert (dataset.name, dataset.notices) == ("L", ("record of an error: b.jpg",))

    def test_all_fields(self, tmp_path: Path) -> None:
        rows = [
            {"path": "a.jpg", "label": 3, "split": "valid", "group": 12, "more": [1]},
            {"path": "\udcff \u2028.jpg", "label": " rose ", "split": None, "group": None},
        ]
        file = written(tmp_path, "".join(json.dumps(row) + "\r\n" for row in rows), "l.jsonl")
        assert read(file).examples == (
            Example(f"{tmp_path}/a.jpg", "3", "val", "12"),
            Example(f"{tmp_path}/\udcff \u2028.jpg", "rose"),
        )

    def test_a_line_ends_where_a_newline_is_and_nowhere_else(self, tmp_path: Path) -> None:
        file = written(tmp_path, '{"path": "a\u2028\x85b.jpg", "label": "rose"}\n', "l.jsonl")
        assert read(file).examples[0].path == f"{tmp_path}/a\u2028\x85b.jpg"

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("{", "expected an object such as"),
            ("[1]", "expected an object such as"),
            ('"a.jpg"', "expected an object such as"),
            ("[" * 100_000, "expected an object such as"),
            ('{"path": "a.jpg"}', "expected a path and a label"),
            ('{"label": "rose"}', "expected a path and a label"),
            ('{"path": 5, "label": "rose"}', "expected a text as path. Received: 5"),
            ('{"path": "a.jpg", "label": true}', "expected a text as label. Received: True"),
            ('{"path": "a.jpg", "label": ["a"]}', "expected a text as label"),
            ('{"path": "a.jpg", "label": "a", "split": 1}', "expected a text as split"),
            ('{"path": "a.jpg", "label": "a", "split": "all"}', "expected a split.*'all'"),
        ],
    )
    def test_what_is_wrong_is_an_error_with_its_line(
        self, tmp_path: Path, line: str, expected: str
    ) -> None:
        good = '{"path": "a.jpg", "label": "rose"}'
        file = written(tmp_path, f"{good}\n\n{line}\n", "l.jsonl")
        with pytest.raises(InputError, match=f"l.jsonl, line 3: {expected}"):
            read(file)
