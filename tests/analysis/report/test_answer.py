from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.final import aggregate, compared_with_hand
from analysis.report.answer import explanation, headline, total_cost
from analysis.report.subject import Subject
from tests.analysis.report.conftest import SmallRun


def test_the_interval_is_told(small_run: SmallRun) -> None:
    """Split 1: local is better by 2 and 4, so by 3; split 2: by 5 and 7, so by 6. Mean 4.5, standard error 1.5."""
    subject = Subject.of(str(small_run.folder))
    rows = aggregate(subject.runs)
    assert headline(subject, compared_with_hand(rows)) == (
        "The result of the local search does not differ significantly from the hand-designed dilations "
        "on the test videos."
    )
    told = explanation(subject, compared_with_hand(rows))
    assert "over 2 splits and 2 seeds, with 95 % intervals of differences paired over splits" in told
    # global is better by 1 everywhere.
    assert "global \u2212 hand = +1.0 (+1.0 to +1.0); local \u2212 hand = +4.5 (\u221214.6 to +23.6)." in told


@pytest.mark.parametrize(("mean", "word"), [(3.0, "better"), (-3.0, "worse")])
def test_a_difference_is_said_as_it_is(small_run: SmallRun, mean: float, word: str) -> None:
    row = {"better_than_hand": {"mean": mean, "standard_error": 0.5, "samples": 5}}
    said = headline(Subject.of(str(small_run.folder)), compared_with_hand({"local": row}))
    assert (
        said == f"The result of the local search is {word} than the hand-designed dilations by 3.0 on the test videos."
    )


def test_only_what_all_structures_have_is_compared(small_run: SmallRun, tmp_path: Path) -> None:
    """Only split 1 of local has finished: its two seeds, in which it is better by 2 and 4, are the samples."""
    folder = tmp_path / "small"
    shutil.copytree(small_run.folder, folder)
    shutil.rmtree(folder / "final" / "local" / "split2")
    subject = Subject.of(str(folder))
    rows = aggregate(subject.runs)
    assert {name: row["trainings"] for name, row in rows.items()} == {"hand": 2, "global": 2, "local": 2}
    told = explanation(subject, compared_with_hand(rows))
    assert "over 1 split and 2 seeds" in told
    assert "paired over seeds" in told
    assert "local \u2212 hand = +3.0" in told
    assert subject.unfinished == ("4 final trainings of splits and seeds that some structures were not trained on",)


def test_costs_add_up(small_run: SmallRun) -> None:
    # Each split: three global trials of 2 epochs and one local of 3, 36 seconds each; one failure.
    cost = total_cost(Subject.of(str(small_run.folder)))
    assert cost[:3] == (8, 2, 18)
    assert cost.hours == pytest.approx(8 * 36 / 3600)
