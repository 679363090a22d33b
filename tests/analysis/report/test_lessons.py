from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis import importance
from analysis.history import read_history
from analysis.report.lessons import Lessons, lessons
from analysis.report.pictures import Picture, Pictures
from analysis.searches import SearchRecord
from nas_space.networks import find_network
from nni_api.records import Records

NETWORK = find_network("ms-tcn:stages=1,layers=2")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small forest, and figures that are made but not written."""

    def draw(_: Pictures, name: str, caption: str, figure: object) -> list[Picture]:
        assert callable(figure)
        assert isinstance(figure(), Figure)
        return [Picture(name, caption, 1.0, "data:,")]

    monkeypatch.setattr(importance, "TREES", 60)
    monkeypatch.setattr(Pictures, "draw", draw)


def lessons_of(folder: Path, scores: list[list[float]], phase: str = "global", planted: bool = True) -> Lessons:
    """From trials with these scores after each epoch; if planted, the first layer has dilation 8 in the better half."""
    records = Records(folder)
    records.write("started", network=NETWORK.to_json())
    upper = np.median([of_trial[-1] for of_trial in scores])
    for uid, of_trial in enumerate(scores):
        structure = {"s1l0": 8 if planted and of_trial[-1] > upper else 1, "s1l1": uid + 1}
        epochs = [{"default": score} for score in of_trial]
        result = {"trial": f"t{uid}", "metrics": {"default": of_trial[-1]}, "epochs": epochs, "seconds": 3.0}
        records.write("finished", uid=uid, structure=structure, **result)
    search = SearchRecord("Ab3dE", {}, read_history(folder))
    return lessons(phase, "split1_global", "split 1", search, Pictures(folder))


def test_many_trials_tell_of_layers_and_epochs(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).permutation(60).tolist()
    # After the first epoch the ranking is the reverse; after the second it is the last one.
    found = lessons_of(tmp_path, [[-score, 1.0 * score, 1.0 * score] for score in scores])
    layers, top, epochs = found.notes
    assert layers.startswith("Importance: a random forest over 60 structures predicts unseen ones (out of bag: R² 0.")
    assert "are permuted: s1l0 (" in layers
    assert top == (
        "The best 20 % have these dilations more often than chance explains: s1l0: 8 (12 of 12, of all 30 of 60)."
    )
    assert "of 3 epochs with that after fewer: \N{MINUS SIGN}1.00 after 1, 1.00 after 2 (60 trials;" in epochs
    names = ["split1_global_importance", "split1_global_top_share", "split1_global_epochs_needed"]
    assert [picture.name for picture in found.pictures] == names


def test_what_the_trials_do_not_tell_is_said_and_not_shown(tmp_path: Path) -> None:
    found = lessons_of(tmp_path, [[float(score)] for score in np.random.default_rng(0).permutation(24)], planted=False)
    layers, top, epochs = found.notes
    assert layers.startswith("Importance: the trials do not tell which layers matter.")
    assert top == "The best 20 % have no dilation of any layer more often than chance explains."
    assert epochs == "Fewer epochs: the trials reported no score before that of their last epoch."
    assert [picture.name for picture in found.pictures] == ["split1_global_top_share"]


@pytest.mark.parametrize(
    ("trials", "phase", "why"),
    [
        (19, "global", "19 different structures are too few to tell anything of layers or epochs (at least 20)."),
        (30, "local", "The iterations of a chain are no independent trials: they tell nothing of single layers."),
        (30, "global", "All structures have the same score: the trials tell nothing."),
    ],
)
def test_where_trials_tell_nothing_one_sentence_says_why(trials: int, phase: str, why: str, tmp_path: Path) -> None:
    assert lessons_of(tmp_path, [[50.0, 50.0]] * trials, phase) == Lessons(phase, [why])
