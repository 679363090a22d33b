from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

from analysis.plots.figure_file import legend_below, new_figure, short, write_figure
from nas_space.bad_input import BadInput
from tests.analysis.plots.texts import assert_legible, drawn_texts


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
    assert_legible(figure)
    assert set(labels) <= {text for text, _ in drawn_texts(figure)}
