"""Patterns: what is read, what is counted, and what is refused, with the place."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.errors import UsageError
from cnnkit.zoo.patterns import EXAMPLE, embedding_layer, input_size, layers, parameters, parse
from tests.conftest import ROOT


def kinds(text: str) -> str:
    return " ".join(step.kind for step in parse(text))


def test_the_example() -> None:
    assert kinds(EXAMPLE) == "input" + 3 * " conv relu pool" + " fc relu fc"


def test_brackets_within_brackets() -> None:
    assert kinds("INPUT -> [[CONV-8 -> RELU]*2 -> POOL2]*2 -> [FC-9]*2 -> FC") == (
        "input" + 2 * (2 * " conv relu" + " pool") + " fc fc fc"
    )
    assert kinds("INPUT -> [RELU] -> FC") == "input relu fc"


@pytest.mark.parametrize(
    "text",
    [
        "input→[conv3-32→relu→pool2]*3→fc-128→relu→fc",
        "INPUT->[CONV3-32->RELU->POOL2]*3->FC-128->RELU->FC",
        " Input ->\n [ CONV-32 -> ReLU -> POOL2/2 ] * 3 ->\t FC-128 -> RELU -> Fc\n",
    ],
)
def test_capitals_spaces_and_arrows_do_not_matter(text: str) -> None:
    assert kinds(text) == kinds(EXAMPLE)
    assert parameters(text, 32, 32, 10) == parameters(EXAMPLE, 32, 32, 10)


def test_every_word() -> None:
    text = "INPUT64x48 -> CONV5-7/2v -> BN -> AVGPOOL3/2 -> POOL2 -> DROP.25 -> GAP -> FC"
    found = list(layers(text, 1, 1, 4))
    assert [(each.name, each.shape, each.parameters) for each in found] == [
        ("input", (64, 48, 3), 0),
        ("conv1", (30, 22, 7), 532),
        ("bn1", (30, 22, 7), 28),
        ("avgpool1", (14, 10, 7), 0),
        ("pool1", (7, 5, 7), 0),
        ("drop1", (7, 5, 7), 0),
        ("gap1", (7,), 0),
        ("fc1", (4,), 32),
    ]
    conv, drop = found[1].step, found[5].step
    assert (conv.size, conv.units, conv.stride, conv.valid) == (5, 7, 2, True)
    assert (drop.rate, drop.text, text[drop.position :][:7]) == (0.25, "DROP.25", "DROP.25")


def test_cs231n_counts_alexnets_first_layer() -> None:
    """CS231n: 55 × 55 × 96 neurons, 34,944 parameters with the biases."""
    conv = layers("INPUT227 -> CONV11-96/4v -> FC", 0, 0, 1)[1]
    assert (conv.shape, conv.parameters) == ((55, 55, 96), 34_944)


def test_cs231n_counts_vgg16() -> None:
    blocks = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]
    inner = " -> ".join(f"[CONV3-{f} -> RELU]*{n} -> POOL2" for n, f in blocks)
    text = f"INPUT224 -> {inner} -> [FC-4096 -> RELU -> DROP0.5]*2 -> FC"
    assert parameters(text, 0, 0, 1000) == 138_357_544
    assert embedding_layer(text) == "relu15"


def test_the_size_of_the_input() -> None:
    assert input_size("INPUT -> FC") is None
    assert input_size("input150 -> fc") == (150, 150)
    assert input_size("INPUT150x100 -> FC") == (150, 100)
    assert parameters("INPUT2x3 -> FC", 9, 9, 2) == (2 * 3 * 3 + 1) * 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("INPUT -> FC", "flatten"),
        ("INPUT -> CONV-4 -> RELU -> FC", "flatten"),
        ("INPUT -> CONV-4 -> DROP0.5 -> FC", "flatten"),
        ("INPUT -> CONV-4 -> GAP -> FC", "gap1"),
        ("INPUT -> FC-4 -> FC", "fc1"),
        ("INPUT -> FC-4 -> RELU -> FC", "relu1"),
        ("INPUT -> CONV-4 -> RELU -> FC-4 -> BN -> RELU -> DROP0.5 -> DROP0.1 -> FC", "relu2"),
    ],
)
def test_the_embedding(text: str, name: str) -> None:
    assert embedding_layer(text) == name
    assert len(next(e.shape for e in layers(text, 8, 8, 2) if e.name == name)) == 1


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", 1, "Expected a step"),
        ("INPUT", 1, "FC, without a number, as the last step"),
        ("INPUT -> ", 10, "Received: the end"),
        ("INPUT -> CONVX -> FC", 10, "'?CONVX'? at"),
        ("INPUT -> CONV3 -> FC", 10, "CONVk-f"),
        ("INPUT -> CONV0-3 -> FC", 10, "numbers from 1"),
        ("INPUT -> CONV3-32/0 -> FC", 10, "numbers from 1"),
        ("INPUT -> DROP1.5 -> FC", 10, "DROPp from 0 to below 1"),
        ("INPUT -> POOL -> FC", 10, "POOLk"),
        ("INPUT -> RELU RELU -> FC", 15, "-> and another step"),
        ("INPUT -> [RELU -> POOL2? -> FC", 19, "leave it out"),
        ("INPUT -> [RELU -> FC", 21, "or ]"),
        ("INPUT -> RELU] -> FC", 14, "another step. Received: ]"),
        ("INPUT -> []*3 -> FC", 11, "Expected a step"),
        ("INPUT -> [RELU]*0 -> FC", 16, r"\*N"),
        ("INPUT -> [RELU]*N -> FC", 16, r"\*N"),
        ("INPUT -> [RELU]*99999999999 -> FC", 16, r"\*N"),
        ("INPUT -> [RELU]*1001 -> FC", 16, "at most 1,000 steps. Received: 1,001"),
        ("INPUT -> [[RELU]*999]*999 -> FC", 22, "at most 1,000 steps"),
        ("CONV-3 -> INPUT -> FC", 1, "INPUT once"),
        ("INPUT -> INPUT -> FC", 10, "INPUT once"),
        ("INPUT -> FC -> FC", 10, "FC-n before"),
        ("INPUT -> FC-10", 10, "as the last step"),
        ("INPUT -> GELU -> FC", 10, "INPUT, CONVk-f"),
        ("[" * 60 + "INPUT" + "]" * 60, 51, "50 deep"),
    ],
)
def test_what_is_no_pattern(text: str, place: int, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse(text)
    message = str(caught.value)
    assert f"at character {place} of the pattern" in message
    _, shown, caret, example = message.split("\n")
    if place <= len(text):
        assert shown[caret.index("^")] == text[place - 1]
    assert example.endswith(EXAMPLE)


def test_too_long() -> None:
    with pytest.raises(UsageError, match="100,000 characters"):
        parse("INPUT" + " " * 100_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("INPUT -> [CONV3-8 -> POOL2]*4 -> FC", "POOL2 on 1 × 1, of which nothing is left at"),
        ("INPUT -> POOL9 -> FC", "POOL9 on 8 × 8"),
        ("INPUT -> CONV9-3v -> FC", "CONV9-3v on 8 × 8"),
        ("INPUT8x2 -> AVGPOOL3 -> FC", "AVGPOOL3 on 8 × 2"),
        ("INPUT -> FC-9 -> CONV3-8 -> FC", "a step that takes a vector"),
        ("INPUT -> GAP -> POOL2 -> FC", "a step that takes a vector"),
        ("INPUT -> FC-20000 -> FC-200000 -> FC", "2,000,000,000 parameters"),
        ("INPUT9999 -> CONV1-9 -> FC", "268,435,456 numbers"),
        ("INPUT999999999 -> FC", "268,435,456 numbers"),
    ],
)
def test_what_cannot_be_a_network(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        layers(text, 8, 8, 2)


def test_no_picture_and_no_class() -> None:
    for sizes in ((0, 8, 2), (8, -1, 2), (8, 8, 0)):
        with pytest.raises(UsageError, match="of 1 or more"):
            layers(EXAMPLE, *sizes)


@given(st.text("INPUTCOVRELFCGADBPO0123456789->[]*/v? →.x\n", max_size=60))
def test_any_text_is_a_pattern_or_an_error(text: str) -> None:
    try:
        found = parse(text)
    except UsageError as error:
        assert "An example: " in str(error)
    else:
        assert found[0].kind == "input"


def test_the_blogs_network() -> None:
    """Three convolutions of 3 × 3, the maps halved after each: 150, 74, 36, 17."""
    blog = tomllib.loads((ROOT / "configs" / "scratch-blog.toml").read_text())["finetune"]
    convolutions = (27 + 1) * 32 + (9 * 32 + 1) * 32 + (9 * 32 + 1) * 64
    dense = (17 * 17 * 64 + 1) * 64 + (64 + 1) * 2
    assert parameters(blog["arch"], 0, 0, 2) == convolutions + dense == 1_212_578
    assert input_size(blog["arch"]) == (150, 150)
    assert embedding_layer(blog["arch"]) == "relu4"
    assert blog["strategy"] == "scratch"
