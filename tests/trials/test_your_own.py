"""A network of the user's own, from its file to its predictions: commands run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas_space.describe import describe_network
from tests.conftest import write_dataset
from tests.own_networks import residual
from tests.trials.conftest import Command, Exit, equal_weights
from trials import train
from trials.training import final_training
from trials.training.checkpoint import load_torch

FEATURES, CLASSES = 6, 3


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """The file of a symmetric, batch normalised network of three layers with a score for each."""
    path = tmp_path / "net.json"
    path.write_text(json.dumps(describe_network("tests.own_networks:residual", FEATURES, CLASSES).to_json()))
    return path


@pytest.fixture
def words(network: Path, tmp_path: Path) -> list[object]:
    """Data and network of each command."""
    folder = write_dataset(tmp_path / "data" / "small", train=8, test=2)
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    return [*data, "--network", network, "--batch-size", 2, "--device", "cpu"]


def test_it_is_trained_as_any_network(words: list[object], tmp_path: Path, command: Command) -> None:
    command(
        train.main, *words, "--structure", "hand", "--epochs", 3, "--learning-rate", 0.01, "--output", tmp_path / "out"
    )
    result = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert result["run"]["network"]["function"] == "tests.own_networks:residual"
    assert result["run"]["structure"] == {"convs.0": 1, "convs.1": 2, "convs.2": 4}
    losses = [row["loss"] for row in result["history"]]
    assert losses[-1] < losses[0]
    checkpoint = load_torch(tmp_path / "out" / "model.pt")
    assert checkpoint["weights"].keys() == residual(FEATURES, CLASSES).state_dict().keys()
    assert checkpoint["weights"]["norms.0.num_batches_tracked"] == 24  # each of 8 videos, 3 times


def test_an_average_leaves_counts_as_they_are(words: list[object], tmp_path: Path, command: Command) -> None:
    options = ("--structure", "hand", "--epochs", 3, "--average-last", 1, "--output", tmp_path / "out")
    command(train.main, *words, *options)
    weights = load_torch(tmp_path / "out" / "model.pt")["weights"]
    assert weights["norms.0.num_batches_tracked"] == 24


def test_a_training_that_was_killed_goes_on(words: list[object], tmp_path: Path, command: Command) -> None:
    """Its checkpoint names the code, but the network is that of the command line."""
    options = ("--structure", "hand", "--epochs", 3, "--average-last", 0.5)
    command(train.main, *words, *options, "--output", tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:

        def killed(epoch: int, *_: object) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

        patch.setattr(final_training, "scalar_writer", lambda _: killed)
        with pytest.raises(KeyboardInterrupt):
            command(train.main, *words, *options, "--output", tmp_path / "killed")
    assert (tmp_path / "killed" / "training.pt").exists()
    command(train.main, *words, *options, "--output", tmp_path / "killed")
    whole, again = (load_torch(tmp_path / name / "model.pt")["weights"] for name in ("whole", "killed"))
    assert equal_weights(whole, again)


def test_data_of_other_classes_is_refused(words: list[object], tmp_path: Path, exit_of: Exit) -> None:
    write_dataset(tmp_path / "data" / "other", classes=4)
    outcome = exit_of(train.main, *words, "--dataset", "other", "--structure", "hand", "--output", tmp_path / "out")
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert line.endswith(
        "of 6 features and 3 classes, but the data has 6 and 4: describe it anew (python -m nas_space.describe)"
    )
