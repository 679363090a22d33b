"""The train command: its files, its settings, all splits at once, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.bad_input import BadInput
from nas_space.structure import Structure
from nas_space.structure_files import DIALECTS, Dialect, write_structure
from tests.conftest import write_dataset
from tests.forked import shell
from tests.trials.conftest import TINY, TINY_STRUCTURE, Command, Exit, Trained, equal_weights, read_scalars, tree
from trials.train import main
from trials.training.checkpoint import load_checkpoint, versions
from trials.training.metrics import METRICS
from trials.training.training import NonFiniteLoss, Training


@pytest.fixture
def words(small_dataset: Path, tmp_path: Path) -> list[object]:
    """A training of one epoch."""
    data = ("--data-root", small_dataset.parent, "--dataset", "small", "--split", 1)
    return [*data, *TINY, "--structure", "hand", "--epochs", 1, "--output", tmp_path / "out"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def metrics(output: Path) -> dict[str, Any]:
    return json.loads((output / "metrics.json").read_text())


def test_output_tells_all(trained: Trained) -> None:
    found = trained.metrics
    assert {path.name for path in trained.output.iterdir()} == {"model.pt", "metrics.json", "log.csv", "predictions"}
    run = found["run"]
    assert run["settings"] == {
        "epochs": 5,
        "batch_size": 2,
        "learning_rate": 5e-4,
        "decay_epochs": [50],
        "smoothing_weight": 0.15,
        "smoothing_average": "valid",
        "precision": "float32",
        "seed": 0,
    }
    assert (run["dataset"], run["split"], run["sample_rate"], run["background"]) == ("small", 1, 2, ["class_0"])
    assert run["structure"] == TINY_STRUCTURE.by_path()
    assert [len(run[f"{part}_videos"]) for part in ("train", "validation", "test")] == [12, 0, 4]
    assert found["versions"] == versions()
    assert len((trained.output / "log.csv").read_text().splitlines()) == 1 + 5


def test_it_learns(trained: Trained) -> None:
    assert trained.metrics["test"]["acc"] > 55  # three classes: chance is about 33
    losses = [row["loss"] for row in trained.metrics["history"]]
    assert losses == sorted(losses, reverse=True)


def test_table_shows_the_test_metrics(words: list[object], output: Path, exit_of: Exit) -> None:
    outcome = exit_of(main, *words)
    assert outcome.code == 0
    heading, row = outcome.out.splitlines()
    assert tuple(heading.split()) == METRICS
    assert row.split() == ["split", "1", *(f"{metrics(output)['test'][name]:.1f}" for name in METRICS)]
    packed, epoch = outcome.err.splitlines()
    assert packed.startswith("feature cache: 6 videos, ")
    assert epoch.startswith("epoch 1/1: loss ")


def test_options_reach_the_training(words: list[object], output: Path, command: Command) -> None:
    options = {
        "--batch-size": 3,
        "--learning-rate": 0.01,
        "--smoothing-weight": 0.5,
        "--smoothing-average": "padded",
        "--seed": 17,
    }
    extra = [word for pair in options.items() for word in pair]
    command(main, *words, *extra, "--decay-epochs", 1, 2, "--background", "class_1", "class_2", "--sample-rate", 3)
    run = metrics(output)["run"]
    expected = {name.removeprefix("--").replace("-", "_"): value for name, value in options.items()}
    assert run["settings"] == {**expected, "decay_epochs": [1, 2], "epochs": 1, "precision": "float32"}
    assert (run["background"], run["sample_rate"]) == (["class_1", "class_2"], 3)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_structure_of_any_dialect(
    words: list[object], output: Path, dialect: Dialect, command: Command, tmp_path: Path
) -> None:
    structure = Structure((7, 2, 9, 1, 30, 4), TINY_STRUCTURE.network)
    write_structure(structure, tmp_path / "structure.json", dialect)
    command(main, *words, "--structure", tmp_path / "structure.json")
    assert metrics(output)["run"]["structure"] == structure.by_path()
    assert load_checkpoint(output / "model.pt").structure() == structure


def test_again_is_not_trained_again(
    words: list[object], output: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = exit_of(main, *words)
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("trained again"))
    before = tree(output)
    assert exit_of(main, *words).out == first.out
    assert tree(output) == before


def test_other_settings_in_the_same_output_are_refused(words: list[object], output: Path, exit_of: Exit) -> None:
    exit_of(main, *words)
    outcome = exit_of(main, *words, "--seed", 1)
    message = f"error: {output}: holds a training with other settings; choose another --output\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", message)


def test_same_seed_gives_the_same_checkpoint(words: list[object], tmp_path: Path, command: Command) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        command(main, *words, "--seed", seed, "--output", tmp_path / name)
    one, same, other = (load_checkpoint(tmp_path / name / "model.pt").weights for name in ("one", "same", "other"))
    assert equal_weights(one, same)
    assert not equal_weights(one, other)


def test_all_splits_and_their_mean(tmp_path: Path, command: Command, output: Path, capsys: Any) -> None:
    folder = write_dataset(tmp_path / "mine", train=4, test=2, splits=3)
    words = ("--data-root", tmp_path, "--dataset", "mine", "--split", "all", *TINY, "--structure", "hand")
    command(main, *words, "--epochs", 1, "--output", output)
    rows = metrics(output)["test"]
    assert list(rows) == ["split 1", "split 2", "split 3", "mean"]
    for number in (1, 2, 3):
        own = metrics(output / f"split{number}")
        assert own["test"] == rows[f"split {number}"]
        bundle = (folder / "splits" / f"test.split{number}.bundle").read_text().split()
        assert [f"{video}.txt" for video in own["run"]["test_videos"]] == bundle
        assert (output / f"split{number}" / "model.pt").exists()
    for name in METRICS:
        assert rows["mean"][name] == pytest.approx(sum(rows[f"split {number}"][name] for number in (1, 2, 3)) / 3)
    assert capsys.readouterr().out.splitlines()[-1].split() == [
        "mean",
        *(f"{rows['mean'][name]:.1f}" for name in METRICS),
    ]


def test_event_files_lie_in_the_output(words: list[object], output: Path, command: Command) -> None:
    command(main, *words, "--tensorboard")
    scalars = read_scalars(output / "tensorboard")
    assert set(scalars) == {"loss", "learning_rate", *(f"test/{name}" for name in (*METRICS, "mean"))}
    (point,) = scalars["test/acc"]
    assert point == pytest.approx((1, metrics(output)["test"]["acc"]))


def test_event_files_without_the_package_are_refused(
    words: list[object], output: Path, exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    outcome = exit_of(main, *words, "--tensorboard")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: --tensorboard needs tensorboard: ")
    assert outcome.err.count("\n") == 1
    assert not output.exists()


# Validation.


def test_validation_is_held_out_of_the_training_videos(words: list[object], output: Path, command: Command) -> None:
    command(main, *words, "--validation-fraction", 0.5, "--group", r"p(\d+)-", "--keep", "best", "--epochs", 2)
    found = metrics(output)
    train, validation = found["run"]["train_videos"], found["run"]["validation_videos"]
    assert sorted([sorted(train), sorted(validation)]) == [["p00-1", "p00-2"], ["p01-1", "p01-2"]]
    assert found["run"]["test_videos"] == ["p02-1", "p02-2"]
    means = [np.mean([row[name] for name in METRICS]) for row in found["history"]]
    assert found["weights_of_epoch"] == 1 + int(np.argmax(means))


def test_best_needs_validation(words: list[object], output: Path, command: Command) -> None:
    with pytest.raises(BadInput, match="--keep best needs validation videos: give --validation-fraction"):
        command(main, *words, "--keep", "best")
    assert not output.exists()


# The data folder is only read.


def test_data_is_not_touched(words: list[object], small_dataset: Path, command: Command) -> None:
    before = tree(small_dataset)
    command(main, *words, "--validation-fraction", 0.5)
    assert tree(small_dataset) == before


# Refusals.


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--split", 9), "train.split9.bundle: no such split; small has 1"),
        (("--split", "first"), "--split must be the number of a split, not 'first'"),
        (("--dataset", "nowhere"), "no such data set folder"),
        (("--structure", "nowhere.json"), "nowhere.json: no such structure file"),
        (("--background", "nothing"), "background class 'nothing' is not in the mapping of small"),
        (("--sample-rate", 0), "the sample rate must be at least 1, not 0"),
        (("--epochs", 0), "epochs (0)"),
        (("--threads", 0), "--threads must be at least 1, not 0"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--device", "cuda:99"), "device 'cuda:99' is not there"),
        (("--precision", "bf16"), "--precision bf16 needs a CUDA device"),
        (("--precision", "tf32"), "--precision tf32 needs a CUDA device"),
        (("--validation-fraction", 1), "the validation fraction must lie between 0 and 1, not 1.0"),
        (("--validation-fraction", 0.5, "--validation-seed", -1), "seed"),
        (("--validation-fraction", 0.5, "--group", "S(\\d)"), "does not match video 'p00-1'"),
        (("--num-layers", 0), "network ms-tcn: layers must be a whole number from 1 to 1000, not 0"),
        (("--seed", 2**70), "seed"),
    ],
    ids=str,
)
def test_bad_options_are_refused_in_one_line(
    words: list[object], options: tuple[object, ...], fault: str, output: Path, exit_of: Exit
) -> None:
    outcome = exit_of(main, *words, *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert fault in outcome.err
    assert outcome.err.count("\n") == 1
    assert not output.exists()


def test_nan_in_the_features_is_refused(words: list[object], small_dataset: Path, command: Command) -> None:
    path = small_dataset / "features" / "p00-2.npy"
    features = np.load(path)
    features[1, 2] = np.nan
    np.save(path, features)
    with pytest.raises(BadInput, match=r"p00-2\.npy: NaN or infinity \(channel 1, frame 2\)"):
        command(main, *words)


def test_non_finite_loss_ends_the_training(words: list[object], output: Path, command: Command) -> None:
    with pytest.raises(NonFiniteLoss, match="in epoch"):
        command(main, *words, "--learning-rate", 1e30, "--epochs", 3)
    assert not (output / "metrics.json").exists()


def test_a_shell_sees_one_line_and_no_traceback(words: list[object], small_dataset: Path) -> None:
    label_file = small_dataset / "groundTruth" / "p02-2.txt"
    label_file.write_text("")
    outcome = shell("trials.train", *words)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr == f"error: {label_file}: empty label file\n"
