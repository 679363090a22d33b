from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure

from analysis.plots.colours import COLOURS, DARK, PREDICTED, TEXT
from analysis.plots.figure_file import adaptive_svg, legend_below, new_figure, short, write_figure
from common.bad_input import BadInput
from tests.analysis.plots.texts import assert_legible


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG\r\n\x1a\n"), ("a.SVG", b"<?xml")], ids=["PNG", "SVG in capitals"]
)
def test_the_ending_says_the_format(tmp_path: Path, name: str, start: bytes) -> None:
    path = tmp_path / "new" / name
    for _ in range(2):
        figure = new_figure(1)
        figure.add_subplot()
        write_figure(figure, path)
        content = path.read_bytes()
        path.write_bytes(b"old")
    assert content.startswith(start)
    assert [file.name for file in path.parent.iterdir()] == [name]


def written(figure: Figure, folder: Path) -> str:
    """A figure's SVG, as it is in its file."""
    write_figure(figure, folder / "figure.svg")
    return (folder / "figure.svg").read_text()


def test_the_same_figure_gives_the_same_svg(tmp_path: Path) -> None:
    files = (tmp_path / "one.svg", tmp_path / "two.svg")
    for path in files:
        figure = new_figure(1)
        figure.add_subplot().bar([1], [1], hatch="//")
        write_figure(figure, path)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.png.txt"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"must end in \.png or \.svg"):
        write_figure(new_figure(1), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_style_of_the_user_does_not_count() -> None:
    with matplotlib.rc_context({"figure.facecolor": "black", "savefig.facecolor": "black"}):
        assert new_figure(1).get_facecolor() == (1, 1, 1, 1)
        assert matplotlib.rcParams["savefig.facecolor"] == "auto"


def test_all_of_the_frame_is_of_one_ink_on_a_transparent_sheet(tmp_path: Path) -> None:
    figure = new_figure(3)
    axes = figure.add_subplot()
    (line,) = axes.plot([1, 2], [3, 4], color=PREDICTED)
    axes.set(title="t", xlabel="x", ylabel="y")
    axes.secondary_xaxis("top").set_xlabel("z")
    figure.suptitle("s")
    figure.colorbar(axes.imshow([[1, 2]]), label="c")
    legend_below(figure, [line], ["l"])
    svg = ElementTree.fromstring(adaptive_svg(written(figure, tmp_path)))
    used = {part for element in svg.iter() for part in element.get("style", "").split("; ") if ": #" in part}
    ink, data = TEXT.lower(), PREDICTED.lower()
    assert used == {f"fill: {ink}", f"stroke: {ink}", f"stroke: {data}"}
    texts = [group for group in svg.iter("{http://www.w3.org/2000/svg}g") if group.get("id", "").startswith("text_")]
    assert texts
    assert {group[0].get("style") for group in texts} == {f"fill: {ink}"}


def test_a_dark_page_changes_the_frame_and_no_data(tmp_path: Path) -> None:
    figure = new_figure(1)
    figure.add_subplot()
    svg = adaptive_svg(written(figure, tmp_path))
    rules = re.search(r"@media \(prefers-color-scheme: dark\) {\n(.*?)}\n</style>", svg, re.DOTALL)
    assert rules is not None
    found = re.findall(r'\[style\*="(\w+): (#\w{6})"\] { (\w+): (#\w{6}) !important }', rules[1])
    expected = [(use, light.lower(), use, dark.lower()) for light, dark in DARK.items() for use in ("fill", "stroke")]
    assert sorted(found) == sorted(expected)
    assert not {*COLOURS} & {*DARK}


def test_a_written_svg_is_light_on_every_page(tmp_path: Path) -> None:
    figure = new_figure(1)
    write_figure(figure, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert "fill: #ffffff" in text
    assert "@media" not in text


def test_long_and_strange_names_are_shortened() -> None:
    assert short("cut", 7) == "cut"
    assert short("abcdefgh", 7) == "abc…fgh"
    assert short("a\nb") == "a?b"


@pytest.mark.parametrize("name", ["x", "a class with a name of some length", "_$x_1$ \\alpha{"])
def test_a_legend_is_wrapped_into_columns_that_fit(name: str) -> None:
    figure = new_figure(1)
    lines = figure.add_subplot().plot([[0] * 50, [1] * 50])
    labels = [f"{name}{number}" for number in range(50)]
    legend_below(figure, lines, labels)
    assert set(labels) <= set(assert_legible(figure))
