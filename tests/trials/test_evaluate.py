"""The evaluate command agrees with the training's own scores, with MS-TCN's, and says what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.forked import shell
from tests.trials.conftest import Command, Exit, Trained, tree
from trials import predict
from trials.evaluate import main
from trials.training.checkpoint import load_checkpoint, save_checkpoint
from trials.training.metrics import METRICS

Videos = dict[str, str]
"""Frames of each video, one letter a frame."""


@pytest.fixture
def evaluate(tmp_path: Path, command: Command, capsys: Any) -> Any:
    """``evaluate(true, predicted, *options)``: the JSON that the command prints."""

    def run(true: Videos, predicted: Videos, *options: object) -> dict[str, Any]:
        for part, videos in (("true", true), ("predicted", predicted)):
            (tmp_path / part).mkdir()
            for video, frames in videos.items():
                (tmp_path / part / f"{video}.txt").write_text("".join(f"{letter}\n" for letter in frames))
        words = ("--ground-truth", tmp_path / "true", "--predictions", tmp_path / "predicted", "--json")
        command(main, *words, *options)
        return json.loads(capsys.readouterr().out)

    return run


TRUE = {"one": "aaaabbbb", "two": "aaaa"}
PREDICTED = {"one": "abbbbbaa", "two": "aaaa"}


def test_equals_what_the_training_reported(trained: Trained, tmp_path: Path, command: Command, capsys: Any) -> None:
    predictions = tmp_path / "predictions"
    options = ("--data-root", trained.data_root, "--split", 1, "--output", predictions)
    command(predict.main, "--checkpoint", trained.checkpoint, *options)
    before = tree(trained.data_root)
    capsys.readouterr()
    words = ("--ground-truth", trained.dataset / "groundTruth", "--predictions", predictions)
    command(main, *words, "--background", "class_0", "--json")
    found = json.loads(capsys.readouterr().out)
    assert {name: found[name] for name in METRICS} == trained.metrics["test"]
    assert (found["videos"], found["background"]) == (4, ["class_0"])
    assert tree(trained.data_root) == before


@pytest.mark.parametrize("style", ["one class a line", "MS-TCN"])
def test_golden_values_through_files(
    real_data: Path, tmp_path: Path, style: str, command: Command, capsys: Any
) -> None:
    name = "50salads_mid_edtcn_split1"
    golden = json.loads((real_data / "metrics_fixture.json").read_text())["fixtures"][name]
    with np.load(real_data / "metrics_fixture.npz") as arrays:
        ends = np.cumsum(arrays[f"{name}/lengths"])[:-1]
        parts = {part: np.split(arrays[f"{name}/{part}"], ends) for part in ("pred", "gt")}
    for part, videos in parts.items():
        (tmp_path / part).mkdir()
        for video, frames in zip(golden["videos"], videos, strict=True):
            names = [golden["class_names"][frame] for frame in frames]
            if style == "MS-TCN" and part == "pred":
                (tmp_path / part / video).write_text("### Frame level recognition: ###\n" + " ".join(names))
            else:
                (tmp_path / part / f"{video}.txt").write_text("\n".join(names))
    for options, expected in (((), "mstcn_bg_ignored"), (("--background",), "mstcn_bg_counted")):
        command(main, "--ground-truth", tmp_path / "gt", "--predictions", tmp_path / "pred", "--json", *options)
        found = json.loads(capsys.readouterr().out)
        assert {name: found[name] for name in METRICS} == pytest.approx(golden[expected], abs=1e-6)


def test_json_by_hand(evaluate: Any) -> None:
    found = evaluate(TRUE, PREDICTED)
    assert (found.pop("videos"), found.pop("background")) == (2, [])
    assert found == pytest.approx(
        {
            "acc": 100 * 7 / 12,  # 3 of 8 and 4 of 4
            "edit": 100 * (2 / 3 + 1) / 2,
            "f1@10": 100 * 6 / 7,  # 2 + 1 right, 1 wrong
            "f1@25": 100 * 6 / 7,
            "f1@50": 100 * 2 / 7,  # 1 right, 3 wrong, 2 missed
        }
    )


def test_per_class_by_hand(evaluate: Any) -> None:
    found = evaluate(TRUE, PREDICTED, "--per-class", "--background", "b")
    assert found["classes"]["a"] == pytest.approx({"acc": 62.5, "f1@10": 80, "f1@25": 80, "f1@50": 40})
    assert found["classes"]["b"] == {"acc": 50, "f1@10": None, "f1@25": None, "f1@50": None}


def test_table(tmp_path: Path, exit_of: Exit) -> None:
    for part, text in (("true", "a\na\nb\nb\n"), ("predicted", "a\na\na\nb\n")):
        (tmp_path / part).mkdir()
        (tmp_path / part / "x.txt").write_text(text)
    words = ("--ground-truth", tmp_path / "true", "--predictions", tmp_path / "predicted")
    outcome = exit_of(main, *words, "--per-class", "--background", "b")
    assert (outcome.code, outcome.err) == (0, "")
    assert [line.split() for line in outcome.out.splitlines()] == [
        list(METRICS),
        ["1", "videos", "75.0", "100.0", "100.0", "100.0", "100.0"],
        ["a", "100.0", "-", "100.0", "100.0", "100.0"],
        ["b", "50.0", "-", "-", "-", "-"],
    ]


# Background.


@pytest.mark.parametrize(
    ("options", "background"),
    [
        ((), ["background"]),
        (("--background",), []),
        (("--background", "pour"), ["pour"]),
        (("--background", "pour", "background"), ["background", "pour"]),
    ],
    ids=str,
)
def test_background_with_and_without_names(
    tmp_path: Path, command: Command, capsys: Any, options: tuple[str, ...], background: list[str]
) -> None:
    for part, text in (("true", "background\npour\nstir\n"), ("predicted", "background\nstir\nstir\n")):
        (tmp_path / part).mkdir()
        (tmp_path / part / "x.txt").write_text(text)
    words = ("--ground-truth", tmp_path / "true", "--predictions", tmp_path / "predicted", "--json")
    command(main, *words, *options)
    found = json.loads(capsys.readouterr().out)
    assert found["background"] == background
    true, predicted = (
        set(names) - set(background) for names in (("background", "pour", "stir"), ("background", "stir"))
    )
    assert found["edit"] == pytest.approx(100 * len(predicted) / len(true))


def test_unknown_background_is_refused(evaluate: Any) -> None:
    with pytest.raises(BadInput, match="background class 'c' is in none of the label files"):
        evaluate(TRUE, PREDICTED, "--background", "c")


# Which videos.


def test_all_predicted_videos_are_scored(evaluate: Any) -> None:
    found = evaluate({**TRUE, "three": "b"}, PREDICTED)
    assert found["videos"] == 2


def test_bundle_chooses_videos(evaluate: Any, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("two.txt\n")
    found = evaluate(TRUE, PREDICTED, "--videos", tmp_path / "bundle")
    assert (found["videos"], found["acc"]) == (1, 100)


def test_missing_prediction_is_refused(evaluate: Any, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("one.txt\ntwo.txt\n")
    with pytest.raises(BadInput, match=r"predicted/two\.txt: no such file"):
        evaluate(TRUE, {"one": "aaaabbbb"}, "--videos", tmp_path / "bundle")


def test_missing_ground_truth_is_refused(evaluate: Any) -> None:
    with pytest.raises(BadInput, match=r"true/two\.txt: no such file"):
        evaluate({"one": "aaaabbbb"}, PREDICTED)


# Lengths.


@pytest.mark.parametrize("predicted", ["a" * 24, "a" * 40 + "b" * 16], ids=["shorter", "longer"])
def test_small_differences_are_cut_with_one_warning(evaluate: Any, predicted: str) -> None:
    with pytest.warns(UserWarning, match="2 of 3 predictions differ in length: cut to the shorter") as warned:
        found = evaluate(dict.fromkeys("xyz", "a" * 40), {"x": predicted, "y": predicted, "z": "a" * 40})
    assert (found["acc"], found["f1@50"], len(warned)) == (100, 100, 1)


@pytest.mark.parametrize("length", [23, 57])
def test_large_differences_are_refused(evaluate: Any, length: int) -> None:
    with pytest.raises(BadInput, match=rf"x\.txt: {length} frames, but 40 are labelled"):
        evaluate({"x": "a" * 40}, {"x": "a" * length})


@pytest.mark.parametrize(
    ("true", "predicted", "file"), [("", "a", "true/x"), ("a", "", "predicted/x")], ids=["true", "predicted"]
)
def test_empty_files_are_refused(evaluate: Any, true: str, predicted: str, file: str) -> None:
    with pytest.raises(BadInput, match=rf"{file}\.txt: empty label file"):
        evaluate({"x": true}, {"x": predicted})


@pytest.mark.parametrize(("true", "predicted"), [("a\n\na", "aaa"), ("aaa", "a\n\na")], ids=["true", "predicted"])
def test_blank_lines_are_no_class(tmp_path: Path, command: Command, true: str, predicted: str) -> None:
    for folder, text in (("true", true), ("predicted", predicted)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(text)
    with pytest.raises(BadInput, match=r"/x\.txt, line 2: no class name"):
        command(main, "--ground-truth", tmp_path / "true", "--predictions", tmp_path / "predicted")


def test_heading_alone_is_empty(tmp_path: Path, command: Command) -> None:
    (tmp_path / "x").write_text("### Frame level recognition: ###\n")
    (tmp_path / "x.txt").write_text("a\n")
    (tmp_path / "predicted").mkdir()
    (tmp_path / "x").rename(tmp_path / "predicted" / "x")
    with pytest.raises(BadInput, match="predicted/x: empty label file"):
        command(main, "--ground-truth", tmp_path, "--predictions", tmp_path / "predicted")


def test_folders_without_predictions_are_refused(tmp_path: Path, command: Command) -> None:
    with pytest.raises(BadInput, match="no label files there"):
        command(main, "--ground-truth", tmp_path, "--predictions", tmp_path)
    with pytest.raises(BadInput, match="no such folder"):
        command(main, "--ground-truth", tmp_path, "--predictions", tmp_path / "nowhere")


def test_a_shell_sees_one_line_and_no_traceback(tmp_path: Path) -> None:
    outcome = shell("trials.evaluate", "--ground-truth", tmp_path, "--predictions", tmp_path / "nowhere")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr == f"error: {tmp_path / 'nowhere'}: no such folder\n"


# Training videos among them.


@pytest.fixture
def all_predicted(trained: Trained, tmp_path: Path, command: Command) -> Path:
    """Predictions of all videos, of those of the training, too."""
    words = ("--checkpoint", trained.checkpoint, "--features", trained.dataset / "features")
    with pytest.warns(UserWarning, match="was trained on 12 of these 16 videos"):
        command(predict.main, *words, "--output", tmp_path / "all")
    return tmp_path / "all"


@pytest.mark.filterwarnings("default")  # as a user has them
def test_training_videos_are_scored_apart(trained: Trained, all_predicted: Path, exit_of: Exit) -> None:
    folders = ("--ground-truth", trained.dataset / "groundTruth", "--predictions", all_predicted)
    words = (*folders, "--background", "class_0", "--checkpoint", trained.checkpoint)
    outcome = exit_of(main, *words, "--json")
    found = json.loads(outcome.out)
    assert found["videos"] == 16
    assert (found["seen"]["videos"], found["unseen"]["videos"]) == (12, 4)
    assert found["unseen"]["names"] == ["p06-1", "p06-2", "p07-1", "p07-2"]
    assert {name: found["unseen"][name] for name in METRICS} == trained.metrics["test"]
    edit = (12 * found["seen"]["edit"] + 4 * found["unseen"]["edit"]) / 16
    assert edit == pytest.approx(found["edit"])
    assert outcome.err == (
        f"warning: {trained.checkpoint} was trained on 12 of these 16 videos (p00-1, p00-2, p01-1, ...)\n"
    )
    rows = exit_of(main, *words).out.splitlines()
    assert [row.split("  ")[0] for row in rows[1:]] == ["16 videos", "12 of the training", "4 not of the training"]


def test_new_videos_are_said_to_be_new(trained: Trained, all_predicted: Path, tmp_path: Path, exit_of: Exit) -> None:
    (tmp_path / "new.bundle").write_text("p06-1.txt\np07-2.txt\n")
    words = ("--ground-truth", trained.dataset / "groundTruth", "--predictions", all_predicted)
    outcome = exit_of(main, *words, "--videos", tmp_path / "new.bundle", "--checkpoint", trained.checkpoint)
    assert (outcome.code, outcome.err) == (0, "")
    assert [row.split("  ")[0] for row in outcome.out.splitlines()[1:]] == ["2 videos", "2 not of the training"]


@pytest.mark.filterwarnings("default")  # as a user has them
def test_a_checkpoint_of_an_earlier_version_does_not_know_them(
    trained: Trained, all_predicted: Path, tmp_path: Path, exit_of: Exit
) -> None:
    save_checkpoint(tmp_path / "old.pt", replace(load_checkpoint(trained.checkpoint), train_videos=None))
    words = ("--ground-truth", trained.dataset / "groundTruth", "--predictions", all_predicted)
    outcome = exit_of(main, *words, "--checkpoint", tmp_path / "old.pt", "--json")
    assert outcome.code == 0
    assert not {"seen", "unseen"} & json.loads(outcome.out).keys()
    assert "old.pt: made by an earlier version, which did not note the training videos" in outcome.err
