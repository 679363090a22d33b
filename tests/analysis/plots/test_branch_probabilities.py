from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

from analysis.history import History, read_history
from analysis.plots.branch_probabilities import draw_branches, ranks_of
from analysis.plots.colours import COLOURS
from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.network import LARGEST_DILATION
from nas_space.networks import find_network
from nas_space.structure import Structure
from nni_api.records import Records
from nni_api.trial_report import TrialReport
from strategies.expectation import ExpectationSearch
from strategies.proposals import Proposal
from tests.analysis.plots.texts import assert_legible

Learn = Callable[[Proposal], dict[str, list[float]]]
NETWORK = find_network("ms-tcn:stages=1,layers=2")
HALF = Branching(count=3, rate=0.5)
LEARNT = {
    (0, 0): {"s1l0": [0.5, 0.25, 0.25], "s1l1": [0.25, 0.75]},  # 2 4 6: 3.5, towards 4; 1 2: 1.75
    (0, 1): {"s1l0": [0.0, 0.0, 1.0], "s1l1": [0.5, 0.5, 0.0]},  # 2 4 6: 6; 1 2 3: 1.5, towards 2
    (1, 0): {"s1l0": [0.0, 1.0, 0.0], "s1l1": [0.0, 1.0, 0.0]},
    (1, 1): {"s1l0": [0.0, 1.0, 0.0], "s1l1": [0.0, 1.0, 0.0]},
}
"""By chain and iteration."""


def recorded(folder: Path, starts: list[Structure], branching: Branching, iterations: int, learn: Learn) -> History:
    """The history of a local search whose trials learnt something."""
    folder.mkdir(parents=True)
    records = Records(folder)
    records.write("started", network=starts[0].network.to_json())
    search = ExpectationSearch([(start, {}) for start in starts], branching, iterations)
    while (proposal := search.ask()) is not None:
        learnt = learn(proposal)
        result = {"trial": "t", "metrics": {"default": 50.0}, "epochs": [], "seconds": 3.0, "probabilities": learnt}
        records.write("proposed", uid=proposal.uid, structure=proposal.dilations, **proposal.about)
        records.write("finished", uid=proposal.uid, structure=proposal.dilations, **result)
        search.tell(proposal.uid, TrialReport(probabilities=learnt))
    return read_history(folder)


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Two chains of two iterations."""
    starts = [Structure((4, 1), NETWORK), Structure((16, 32), NETWORK)]
    return recorded(
        tmp_path / "Ab3dE" / "checkpoint",
        starts,
        HALF,
        iterations=2,
        learn=lambda proposal: LEARNT[proposal.about["chain"], proposal.about["iteration"]],
    )


def bars(axes: Axes) -> dict[tuple[int, int], list[tuple[str, float]]]:
    """The colours and shares of each cell's bar from left to right, by iteration and layer."""
    parts: dict[tuple[int, int], list[tuple[float, float, str]]] = defaultdict(list)
    for patch in axes.patches:
        assert isinstance(patch, PathPatch)
        for corners in np.asarray(patch.get_path().vertices).reshape(-1, 5, 2):
            left, row = corners.min(axis=0)
            cell = (int(left), round(row + 0.35))
            parts[cell].append((left, corners[:, 0].max(), to_hex(patch.get_facecolor()).upper()))
    found = {}
    for cell, of_cell in parts.items():
        of_cell.sort()
        start, end = of_cell[0][0], max(right for _, right, _ in of_cell)
        assert [left for left, _, _ in of_cell[1:]] == pytest.approx([right for _, right, _ in of_cell[:-1]])
        found[cell] = [(colour, round((right - left) / (end - start), 6)) for left, right, colour in of_cell]
    return found


@pytest.mark.parametrize(
    ("branches", "dilation", "expected"),
    [
        ((90, 100, 110), 100, [-1, 0, 1]),
        ((1, 2), 1, [0, 1]),
        ((1843, 2048), 2048, [-1, 0]),
        ((1, 2, 3, 4), 2, [-1, 0, 1, 2]),
        ((90, 97, 103, 110), 100, [-2, -1, 1, 2]),
    ],
)
def test_branches_are_counted_from_the_dilation(branches: tuple[int, ...], dilation: int, expected: list[int]) -> None:
    assert ranks_of(branches, dilation) == expected


def test_bars_are_the_probabilities(history: History) -> None:
    figure = draw_branches("Ab3dE", history, chain=0)
    (axes,) = figure.axes
    below, at, above = COLOURS[0], "#BBBBBB", COLOURS[1]
    assert bars(axes) == {
        (0, 0): [(below, 0.5), (at, 0.25), (above, 0.25)],
        (0, 1): [(at, 0.25), (above, 0.75)],
        (1, 0): [(below, 0.0), (at, 0.0), (above, 1.0)],
        (1, 1): [(below, 0.5), (at, 0.5), (above, 0.0)],
    }
    (legend,) = figure.legends
    colours = [to_hex(patch.get_facecolor()).upper() for patch in legend.get_patches()]
    names = [text.get_text() for text in legend.get_texts()]
    assert dict(zip(names, colours, strict=True)) == {
        "the branch below": below,
        "the dilation itself": at,
        "the branch above": above,
    }


def test_dilations_stand_beside_the_bars_and_at_the_end(history: History) -> None:
    (axes,) = draw_branches("Ab3dE", history, chain=0).axes
    written = {(int(text.get_position()[0]), text.get_position()[1]): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "4", (0, 1): "1", (1, 0): "4", (1, 1): "2"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["s1l0", "s1l1"]
    (right,) = axes.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["6 (+2)", "2 (+1)"]


def test_the_end_is_what_the_chain_ended_with(history: History) -> None:
    (axes,) = draw_branches("Ab3dE", history, chain=1).axes
    (right,) = axes.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["16 (+0)", "32 (+0)"]


@pytest.mark.parametrize(
    ("network", "branching", "iterations", "drawn"),
    [
        ("ms-tcn:stages=2,layers=5", Branching(), 1, 1),
        ("ms-tcn:stages=2,layers=5", Branching(2), 5, 5),
        ("ms-tcn", Branching(), 10, 10),
        ("ms-tcn", Branching(5), 30, 10),
        ("ms-tcn", Branching(maximum=LARGEST_DILATION), 20, 7),
        ("ms-tcn++", Branching(), 10, 10),
    ],
)
def test_many_branches_are_legible(
    tmp_path: Path, network: str, branching: Branching, iterations: int, drawn: int
) -> None:
    random = np.random.default_rng(0)
    described = find_network(network)
    dilations = (1, *random.integers(1, branching.maximum + 1, size=len(described.layers) - 1).tolist())

    def learn(proposal: Proposal) -> dict[str, list[float]]:
        sizes = {label: len(branching.expand(dilation)) for label, dilation in proposal.dilations.items()}
        return {label: random.dirichlet([1.0] * size).tolist() for label, size in sizes.items()}

    start = Structure(dilations, described)
    figure = draw_branches("Ab3dE", recorded(tmp_path / "checkpoint", [start], branching, iterations, learn), chain=0)
    assert len(figure.axes[0].get_xticklabels()) == drawn
    assert_legible(figure)


def rewritten(history: History, old: str, new: str) -> History:
    path = history.folder / "records.jsonl"
    path.write_text(path.read_text().replace(old, new))
    return read_history(history.folder)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"branching"', '"other"', "Ab3dE: its records, of an older version, lack the branches"),
        ('"3,0.5,1,2048"', "3", "not the settings of branches: 3"),
        ('"probabilities"', '"other"', "Ab3dE: damaged: probabilities and branches of chain 0 differ"),
        ("[0.5, 0.25, 0.25]", "[0.5, 0.5]", "Ab3dE: damaged: probabilities and branches of chain 0 differ"),
    ],
)
def test_records_without_branches_are_refused(history: History, old: str, new: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        draw_branches("Ab3dE", rewritten(history, old, new), chain=0)


def test_an_unknown_chain_is_refused(history: History) -> None:
    with pytest.raises(BadInput, match="Ab3dE: no iteration of chain 2 has finished"):
        draw_branches("Ab3dE", history, chain=2)
