"""Every format holds every record, whatever its names are made of, and can be read back."""

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnnkit.errors import SomeInputsFailed
from cnnkit.outputs.tables import FORMATS, raise_if_failed, write_records
from cnnkit.records import Classification, LabelRow, Prediction, Record, Skipped

CAT = Prediction(1, "n02123045", "tabby", 0.75)
DOG = Prediction(2, "n02099601", 'golden "retriever", big', 0.2)
OK = Classification("a.jpg", "resnet50", (CAT, DOG))
BARE = Classification("b.jpg", "resnet50", ())
BAD = Skipped("c.jpg", "empty", "the file has no content")
COLUMNS = Classification.columns_for(2)
ODD_NAMES = [
    "a b.jpg",
    'quo"te, comma.jpg',
    "new\nline.jpg",
    "carriage\rreturn.jpg",
    "both\r\n.jpg",
    "tab\t.jpg",
    "back\\slash\\n.jpg",
    "\x1b[31mred\x1b[0m.jpg",
    "\x00\x07\x7f",
    "\x9b31m.jpg",
    "ünï 日本 🦝.jpg",
    os.fsdecode(b"\xff\xfe.jpg"),
    os.fsdecode(b"half \xc3 of a letter"),
    "",
]
# What the disk can hold, and also what only a list in JSON can bring: any surrogate.
NAMES = st.binary(max_size=12).map(os.fsdecode) | st.text(
    st.characters(exclude_categories=()), max_size=12
)


def answer(path: str) -> Classification:
    return Classification(path, "resnet50", (CAT, DOG))


def printed(records: Sequence[Record], format: str, columns: Sequence[str] = COLUMNS) -> bytes:
    stream = io.BytesIO()
    count, failed = write_records(iter(records), stream, format=format, columns=columns)
    assert count == len(records)
    assert failed == sum(isinstance(record, Skipped) for record in records)
    return stream.getvalue()


class Screen(io.BytesIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        return True


def shown(records: Sequence[Record] | Iterator[Record], columns: Sequence[str] = COLUMNS) -> str:
    screen = Screen()
    write_records(records, screen, columns=columns)
    return screen.getvalue().decode("utf-8", "surrogateescape")


def unescaped(cell: str) -> str:
    """The reverse of what tsv writes."""
    named = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: named.get(m[1]) or chr(int(m[1][1:], 16)), cell)


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")))


def interrupted(*records: Record, by: type[BaseException]) -> Iterator[Record]:
    yield from records
    raise by


class TestJsonLines:
    def test_the_contract(self) -> None:
        lines = printed([OK, BARE, BAD], "jsonl").splitlines()
        assert [json.loads(line) for line in lines] == [
            {
                "path": "a.jpg",
                "status": "ok",
                "model": "resnet50",
                "predictions": [
                    {"rank": 1, "id": "n02123045", "label": "tabby", "score": 0.75},
                    {"rank": 2, "id": "n02099601", "label": DOG.label, "score": 0.2},
                ],
            },
            {"path": "b.jpg", "status": "ok", "model": "resnet50", "predictions": []},
            {
                "path": "c.jpg",
                "status": "error",
                "error": {"kind": "empty", "message": "the file has no content"},
            },
        ]

    def test_nothing_for_nothing(self) -> None:
        assert printed([], "jsonl") == b""

    def test_letters_are_not_escaped(self) -> None:
        assert "ünï 日本".encode() in printed([answer("ünï 日本")], "jsonl")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names_come_back_as_bytes(self, name: str) -> None:
        (line,) = printed([answer(name)], "jsonl").decode("utf-8").split("\n")[:-1]
        assert os.fsencode(json.loads(line)["path"]) == os.fsencode(name)

    @given(st.lists(NAMES))
    def test_any_names(self, names: list[str]) -> None:
        content = printed([Skipped(name, "kind", name) for name in names], "jsonl")
        lines = content.decode("utf-8").split("\n")  # strict: plain UTF-8 for every reader
        assert [json.loads(line)["path"] for line in lines[:-1]] == names
        assert lines[-1] == ""


class TestJson:
    @pytest.mark.parametrize("records", [[], [OK], [OK, BAD], [OK, BARE, BAD]])
    def test_it_is_one_array(self, records: list[Record]) -> None:
        content = printed(records, "json")
        assert json.loads(content) == json.loads(json.dumps([r.to_dict() for r in records]))
        assert content.endswith(b"]\n")

    @pytest.mark.parametrize("before", [[], [OK], [OK, BAD]])
    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
    def test_it_is_closed_by_an_interruption(
        self, before: list[Record], error: type[BaseException]
    ) -> None:
        stream = io.BytesIO()
        with pytest.raises(error):
            write_records(interrupted(*before, by=error), stream, format="json")
        assert len(json.loads(stream.getvalue())) == len(before)

    @given(st.lists(NAMES, max_size=4))
    def test_any_names(self, names: list[str]) -> None:
        content = printed([answer(name) for name in names], "json")
        assert [record["path"] for record in json.loads(content)] == names


class TestCsv:
    def test_one_row_per_record_under_a_header(self) -> None:
        rows = read_csv(printed([OK, BARE, BAD], "csv"))
        assert [row["path"] for row in rows] == ["a.jpg", "b.jpg", "c.jpg"]
        assert [row["status"] for row in rows] == ["ok", "ok", "error"]
        assert rows[0]["label_1"] == "tabby"
        assert rows[0]["label_2"] == DOG.label
        assert float(rows[0]["score_2"]) == 0.2
        assert rows[1]["label_1"] == rows[0]["error"] == ""
        assert rows[2]["error"] == "empty: the file has no content"

    def test_the_header_alone(self) -> None:
        assert printed([], "csv") == ",".join(COLUMNS).encode() + b"\n"

    def test_lines_end_as_on_this_system(self) -> None:
        assert b"\r" not in printed([OK, BAD], "csv")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names_come_back(self, name: str) -> None:
        (row,) = read_csv(printed([answer(name)], "csv"))
        assert (row["path"], row["error"]) == (name, "")

    @given(st.lists(st.binary(max_size=12), max_size=5))
    def test_any_name_comes_back(self, names: list[bytes]) -> None:
        rows = read_csv(printed([answer(os.fsdecode(name)) for name in names], "csv"))
        assert [os.fsencode(row["path"]) for row in rows] == names


class TestTsvAndText:
    def test_a_header_only_in_tsv(self) -> None:
        rows = printed([OK, BAD], "tsv").decode().splitlines()
        assert rows[0].split("\t") == list(COLUMNS)
        assert printed([OK, BAD], "text").decode().splitlines() == rows[1:]

    def test_cells(self) -> None:
        first, second = printed([OK, BAD], "text").decode().splitlines()
        assert first.split("\t")[:5] == ["a.jpg", "ok", "tabby", "0.75", "n02123045"]
        assert second.split("\t")[-1] == "empty: the file has no content"

    @pytest.mark.parametrize("name", ODD_NAMES)
    @pytest.mark.parametrize("format", ["tsv", "text"])
    def test_odd_names_take_one_line_and_come_back(self, name: str, format: str) -> None:
        content = printed([answer(name)], format).decode("utf-8", "surrogateescape")
        row = content.split("\n")[-2]
        assert len(row.split("\t")) == len(COLUMNS)
        assert unescaped(row.split("\t")[0]) == name

    @given(st.lists(st.binary(max_size=12), max_size=5))
    def test_any_name_comes_back(self, names: list[bytes]) -> None:
        content = printed([answer(os.fsdecode(name)) for name in names], "text")
        rows = content.decode("utf-8", "surrogateescape").split("\n")[:-1]
        assert [os.fsencode(unescaped(row.split("\t")[0])) for row in rows] == names


class TestTerminal:
    def test_answers_are_aligned_without_a_header(self) -> None:
        text = shown([OK, Skipped("a longer name.jpg", "empty", "nothing")])
        assert text.splitlines() == [
            'a.jpg              tabby 0.7500    golden "retriever", big 0.2000',
            "a longer name.jpg  error: nothing",
        ]

    def test_listings_have_a_header(self) -> None:
        rows = [LabelRow(7, "n01514668", "cock"), LabelRow(8, "n01514859", "hen")]
        assert shown(rows, LabelRow.columns()).splitlines() == [
            "INDEX  ID         LABEL",
            "7      n01514668  cock",
            "8      n01514859  hen",
        ]

    def test_columns_widen_as_they_come(self) -> None:
        lines = shown(iter([answer("a"), answer("longer"), answer("b")])).splitlines()
        assert [line.index("tabby") for line in lines] == [3, 8, 8]

    def test_one_long_name_does_not_push_all_others_away(self) -> None:
        lines = shown(iter([answer("x" * 500), answer("b")])).splitlines()
        assert lines[1].index("tabby") < 60
        assert lines[0].startswith("x" * 500 + "  tabby")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_no_name_commands_the_terminal(self, name: str) -> None:
        text = shown([answer(name), Skipped(name, "format", name)])
        assert text.count("\n") == 2
        assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) is None

    def test_escapes_can_be_read(self) -> None:
        assert "\\x1b[31mred" in shown([answer("\x1b[31mred")])
        assert "\\x9b31m" in shown([answer("\x9b31m")])

    @pytest.mark.parametrize("format", [f for f in FORMATS if f != "text"])
    def test_a_named_format_wins_over_the_terminal(self, format: str) -> None:
        screen = Screen()
        write_records([OK, BAD], screen, format=format, columns=COLUMNS)
        assert screen.getvalue() == printed([OK, BAD], format)


class TestPrint0:
    @given(st.lists(st.binary(max_size=20)))
    def test_the_bytes_of_the_names(self, names: list[bytes]) -> None:
        content = printed([answer(os.fsdecode(name)) for name in names], "print0")
        assert content == b"".join(name + b"\0" for name in names)

    def test_only_what_has_an_answer(self) -> None:
        assert printed([OK, BAD, BARE, answer("d")], "print0") == b"a.jpg\0d\0"


class TestAnyFormat:
    @pytest.mark.parametrize("format", FORMATS)
    @given(name=NAMES)
    @example(name="\ud800 stands for no byte")
    def test_no_name_stops_a_run(self, format: str, name: str) -> None:
        """One line of JSON on stdin can hold surrogates that stand for no byte."""
        content = printed([Skipped(name, "missing", "no such file"), OK], format)
        assert b"a.jpg" in content

    @pytest.mark.parametrize("format", [*FORMATS, "print0"])
    def test_each_record_is_flushed_before_the_next_is_asked_for(self, format: str) -> None:
        raw = io.BytesIO()
        sizes = []

        def records() -> Iterator[Record]:
            for number in range(3):
                sizes.append(len(raw.getvalue()))
                yield answer(f"{number}.jpg")

        stream = io.BufferedRandom(raw)  # type: ignore[arg-type]
        write_records(records(), stream, format=format, columns=COLUMNS)
        assert sizes == sorted(set(sizes))

    @pytest.mark.parametrize("format", [*FORMATS, "print0"])
    def test_nobody_reads_any_more(self, format: str) -> None:
        class Broken(io.BytesIO):
            writes = 0

            def write(self, content: object) -> int:
                self.writes += 1
                raise BrokenPipeError

        stream = Broken()
        with pytest.raises(BrokenPipeError):
            write_records([OK, OK, OK], stream, format=format, columns=COLUMNS)
        assert stream.writes == 1

    @pytest.mark.parametrize("format", [*FORMATS, "print0"])
    def test_an_interrupted_run_has_printed_whole_records(self, format: str) -> None:
        stream = io.BytesIO()
        with pytest.raises(KeyboardInterrupt):
            records = interrupted(OK, BAD, by=KeyboardInterrupt)
            write_records(records, stream, format=format, columns=COLUMNS)
        assert stream.getvalue() == printed([OK, BAD], format)


def test_failures_become_an_error_of_their_own() -> None:
    raise_if_failed(5, 0)
    with pytest.raises(SomeInputsFailed, match="2 of 5 inputs"):
        raise_if_failed(5, 2)
    assert SomeInputsFailed.exit_code == 3


@dataclass(frozen=True, slots=True)
class Measured(Record):
    """A record with nothing of its own: what `Record` gives to all."""

    name: str
    value: float | None


def test_a_record_needs_only_its_fields() -> None:
    records = [Measured("a", 0.5), Measured("b", None)]
    columns = Measured.columns()
    assert printed(records, "csv", columns) == b"name,value\na,0.5\nb,\n"
    assert printed(records, "text", columns) == b"a\t0.5\nb\t\n"
    assert json.loads(printed(records, "json")) == [
        {"name": "a", "value": 0.5},
        {"name": "b", "value": None},
    ]
