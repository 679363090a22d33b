from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.history import read_history
from analysis.plots.progress import Against, draw_progress, search_folder
from common.bad_input import BadInput
from nni_api.records import Records
from tests.analysis.plots.texts import assert_legible
from tests.analysis.records import write_global_records

Trial = tuple[float | None, dict[str, Any], int]


def record(folder: Path, trials: list[Trial]) -> Path:
    """Records of trials: the value, None for a failed one; where it comes from; its epochs. They are a second apart."""
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nni_api.records.time.time", itertools.count(1_700_000_000).__next__)
        write(folder, trials)
    return folder


def write(folder: Path, trials: list[Trial]) -> None:
    records = Records(folder)
    for uid, (value, about, epochs) in enumerate(trials):
        structure = {"s1l0": uid + 1}
        records.write("proposed", uid=uid, structure=structure, **about)
        if value is None:
            records.write("failed", uid=uid, trial=f"t{uid}", reason="out of memory", again=False)
        else:
            result = {"trial": f"t{uid}", "metrics": {"default": value}, "seconds": 3.0, "epochs": [{}] * epochs}
            records.write("finished", uid=uid, structure=structure, **result)


GLOBAL: list[Trial] = [
    *((40.0, {"generation": 0}, 10), (None, {"generation": 0}, 0), (30.0, {"generation": 0}, 3)),
    *((55.0, {"generation": 1}, 10), (None, {"generation": 1}, 0), (50.0, {"generation": 2}, 10)),
]


def data(axes: Axes, number: int) -> tuple[list[float], list[float]]:
    x, y = (np.asarray(values, float).tolist() for values in axes.lines[number].get_data())
    return x, y


@pytest.mark.parametrize(
    ("against", "places", "failed", "starts"),
    [
        ("trials", [1, 3, 4, 6], [2, 5], [1, 4, 6]),
        ("epochs", [10, 13, 23, 33], [10, 23], [10, 23, 33]),
        ("seconds", [3, 6, 9, 12], [3, 9], [3, 9, 12]),
    ],
)
def test_a_global_search(
    tmp_path: Path, against: Against, places: list[float], failed: list[float], starts: list[float]
) -> None:
    figure = draw_progress("Ab3dE", read_history(record(tmp_path / "checkpoint", GLOBAL)), against)
    (axes,) = figure.axes
    assert data(axes, 0) == (places, [40, 40, 55, 55])
    assert axes.lines[0].get_drawstyle() == "steps-post"
    assert data(axes, 1) == (places, [40, 30, 55, 50])
    assert data(axes, 2)[0] == failed
    assert [data(axes, number)[0][0] for number in (3, 4, 5)] == starts
    (top,) = axes.child_axes
    assert [tick.get_text() for tick in top.get_xticklabels()] == ["0", "1", "2"]
    assert axes.get_title() == "Ab3dE: global search, 4 trials succeeded, 2 failed, not finished; best 55.0 %"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["best so far", "trial", "failed trial"]
    assert_legible(figure)


def test_a_local_search_shows_its_chains(tmp_path: Path) -> None:
    abouts = [
        {"chain": chain, "iteration": iteration, "split": 1, "seed": 7} for iteration in (0, 1) for chain in (0, 1)
    ]
    values: list[float | None] = [50.0, 40.0, 45.0, 60.0]
    folder = record(tmp_path / "checkpoint", [(v, about, 3) for v, about in zip(values, abouts, strict=True)])
    figure = draw_progress("Ab3dE", read_history(folder), "epochs")
    axes, chains = figure.axes
    assert data(axes, 0) == ([3, 6, 9, 12], [50, 50, 50, 60])
    assert [data(axes, 1), data(axes, 2)] == [([3, 9], [50, 45]), ([6, 12], [40, 60])]
    assert [data(chains, 0), data(chains, 1)] == [([0, 1], [50, 45]), ([0, 1], [40, 60])]
    assert axes.lines[1].get_color() == chains.lines[0].get_color() != chains.lines[1].get_color()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][1:] == [
        "chain 0 (split 1, seed 7)",
        "chain 1 (split 1, seed 7)",
    ]
    assert axes.get_title().startswith("Ab3dE: local search, 4 trials succeeded")


def test_trials_that_did_not_report_seconds_count_none(tmp_path: Path) -> None:
    folder = record(tmp_path / "checkpoint", GLOBAL)
    records = (folder / "records.jsonl").read_text()
    (folder / "records.jsonl").write_text(records.replace('"seconds": 3.0', '"seconds": null'))
    figure = draw_progress("Ab3dE", read_history(folder), "seconds")
    (axes,) = figure.axes
    assert data(axes, 0) == ([0, 0, 0, 0], [40, 40, 55, 55])
    assert "0 where not reported" in axes.get_xlabel()
    assert_legible(figure)


@pytest.mark.parametrize("local", [False, True])
def test_a_large_search_is_legible(tmp_path: Path, local: bool) -> None:
    def about(uid: int) -> dict[str, Any]:
        where = {"chain": uid % 40, "iteration": uid // 40, "split": 1, "seed": uid % 40}
        return where if local else {"generation": uid // 5}

    folder = record(tmp_path / "checkpoint", [(50 + uid % 7, about(uid), 10) for uid in range(400)])
    assert_legible(draw_progress("Ab3dE", read_history(folder), "trials"))


def test_a_search_without_success_is_refused(tmp_path: Path) -> None:
    folder = record(tmp_path / "Ab3dE" / "checkpoint", [(None, {}, 0)])
    with pytest.raises(BadInput, match=r"Ab3dE/checkpoint/records\.jsonl: no successful trial: out of memory"):
        draw_progress("Ab3dE", read_history(folder), "trials")


def test_a_search_is_named_by_id_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = write_global_records(tmp_path / "Ab3dE" / "checkpoint", [10.0])
    assert search_folder(str(folder)) == search_folder(str(folder.parent)) == ("Ab3dE", folder)
    with pytest.raises(BadInput, match="unknown experiment 'nowhere'"):
        search_folder("nowhere")
