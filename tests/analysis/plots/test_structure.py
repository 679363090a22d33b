from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.plots.structure import draw_structures, titles
from common.bad_input import BadInput
from nas_space.network import LARGEST_DILATION
from nas_space.networks import find_network
from nas_space.structure import Structure
from tests.analysis.plots.texts import assert_legible

NETWORK = find_network("ms-tcn:stages=2,layers=3")
ONE, TWO = Structure((1, 2, 4, 1, 1, 1024), NETWORK), Structure((7, 8, 9, 10, 11, 12), NETWORK)


def cells(axes: Axes) -> dict[tuple[float, float], str]:
    """The texts in a map by stage (from left to right) and layer (from top to bottom)."""
    return {text.get_position(): text.get_text() for text in axes.texts}


def test_a_map_shows_dilations_and_what_the_stages_see() -> None:
    first, second, _ = draw_structures({"one": ONE, "two": TWO}).axes
    assert [cells(first)[stage, layer] for stage in range(2) for layer in range(3)] == ["1", "2", "4", "1", "1", "1024"]
    assert [cells(second)[stage, layer] for stage in range(2) for layer in range(3)] == [
        "7",
        "8",
        "9",
        "10",
        "11",
        "12",
    ]
    assert [text for (_, layer), text in cells(first).items() if layer > 2.5] == [
        "15",
        "2053",
    ]  # 1 + 2 (1 + 2 + 4), ...
    assert (first.get_title(), second.get_title()) == ("one\nsees 2067 frames", "two\nsees 115 frames")
    assert [label.get_text() for label in first.get_xticklabels()] == ["stage 1", "stage 2"]
    assert [label.get_text() for label in first.get_yticklabels()] == ["l0", "l1", "l2", "sees (frames)"]


def test_several_branches_are_shown_from_the_shortest_to_the_longest() -> None:
    structure = Structure.from_labels({**ONE.to_labels(), "s1l1": [[3, 0.2], [4, 0.2], [5, 0.6]]}, ONE.network)
    axes = draw_structures({"one": structure}).axes[0]
    assert [cells(axes)[0, layer] for layer in range(3)] == ["1", "3-5", "4"]
    assert cells(axes)[0, 3.2] == "21"  # 1 + 2 (1 + 5 + 4)


def test_partners_lie_side_by_side_and_the_cells_below_a_short_block_stay_empty() -> None:
    network = find_network("ms-tcn++:prediction=3,refinements=2,layers=2,shared=1")
    axes = draw_structures({"one": Structure((4, 1, 2, 3, 8, 5, 6, 7), network)}).axes[0]
    expected: dict[tuple[float, float], str] = {
        **{(0, 0): "4", (1, 0): "1", (0, 1): "2", (1, 1): "3", (0, 2): "8", (1, 2): "5"},
        **{(2, 0): "6", (2, 1): "7"},
        # The longer of each pair, 1 + 2 x (4 + 3 + 8), and twice the others, 1 + 2 x 2 x (6 + 7).
        **{(0.5, 3.2): "31", (2, 3.2): "53"},
    }
    assert cells(axes) == expected
    opacity = np.asarray(axes.images[0].get_array())[..., 3]
    assert opacity.tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["stage 1", "stage 2"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["l0", "l1", "l2", "sees (frames)"]
    assert axes.get_title() == "one\nsees 83 frames"


def test_a_causal_network_sees_the_past() -> None:
    axes = draw_structures({"one": Structure(ONE.dilations, find_network("causal-ms-tcn:stages=2,layers=3"))}).axes[0]
    assert axes.get_title() == "one\nsees 2067 frames\nof the present and the past"


def test_equal_dilations_have_one_colour_in_all_maps() -> None:
    first, second, _ = draw_structures({"one": ONE, "two": Structure((1024, 4, 2, 1, 1, 1), NETWORK)}).axes
    one, two = (np.asarray(axes.images[0].get_array()) for axes in (first, second))
    assert (one[2, 0] == two[1, 0]).all()
    assert (one[2, 1] == two[0, 0]).all()
    assert not (one[2, 0] == one[2, 1]).all()


def test_seconds_are_shown_on_request() -> None:
    axes = draw_structures({"one": ONE}, fps=10).axes[0]
    assert [text for (_, layer), text in cells(axes).items() if layer > 3.5] == ["1.5", "205.3"]
    assert axes.get_title() == "one\nsees 2067 frames, 206.7 s"


@pytest.mark.parametrize("text", ["ms-tcn", "ms-tcn++", "ms-tcn++:shared=1", "causal-ms-tcn"])
@pytest.mark.parametrize(("count", "dilation"), [(1, 1), (3, 512), (9, LARGEST_DILATION)])
def test_maps_are_legible(count: int, dilation: int, text: str) -> None:
    network = find_network(text)
    structure = Structure((dilation,) * len(network.layers), network)
    figure = draw_structures({f"a/long/folder/{number}/local.json": structure for number in range(count)}, fps=15)
    assert len(figure.axes) == count + 1
    assert figure.get_size_inches()[0] <= 16
    assert_legible(figure)


@pytest.mark.parametrize("network", ["ms-tcn:stages=40,layers=3", "ms-tcn:stages=1,layers=101"])
def test_what_cannot_be_legible_is_refused(network: str) -> None:
    described = find_network(network)
    with pytest.raises(BadInput, match=f"1 maps of {network} are not legible in one figure"):
        draw_structures({"large": Structure((1,) * len(described.layers), described)})


def test_titles_tell_files_of_one_name_apart() -> None:
    assert titles(["hand", "x/runs/split1/local.json"]) == ["hand", "split1/local.json"]
    assert titles(["a/split1/local.json", "b/split1/local.json"]) == ["a/split1/local.json", "b/split1/local.json"]
    assert titles(["hand"]) == ["hand"]
