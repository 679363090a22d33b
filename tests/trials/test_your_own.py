"""A network of the user's own, from its file to its predictions: commands run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from common.atomic_file import write_json
from nas_space.describe import describe_network
from nas_space.networks import find_network
from nas_space.structure_files import read_structure
from tests.conftest import write_dataset
from tests.own_networks import residual
from tests.trials.conftest import Command, Exit, equal_weights
from trials import differentiable_search, evaluate, local_search, predict, train
from trials.training import epochs, final_training
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
        "of 6 features and 3 classes, but the data has 6 and 4: describe it again (python -m nas_space.describe)"
    )


def shorten(folder: Path, video: str, features: int, labels: int) -> Path:
    """Cut the files of a video to that many frames; returns that of its features."""
    path, names = folder / "features" / f"{video}.npy", folder / "groundTruth" / f"{video}.txt"
    np.save(path, np.load(path)[:, :features])
    names.write_text("".join(names.read_text().splitlines(keepends=True)[:labels]))
    return path


def described(kind: str, folder: Path) -> Path:
    """The file of a network of tests/own_networks.py."""
    write_json(folder / "own.json", describe_network(f"tests.own_networks:{kind}", FEATURES, CLASSES).to_json())
    return folder / "own.json"


@pytest.mark.parametrize(
    ("kind", "video", "length", "rate", "part", "reason"),
    [
        ("residual", "p00-1", (1, 1), 1, "training", "value per channel when training"),
        ("residual", "p01-2", (1, 3), 1, "training", "value per channel when training"),  # cut to its features
        ("residual", "p00-1", (4, 4), 4, "training", "value per channel when training"),
        ("instance_normed", "p04-1", (1, 1), 1, "evaluation", "spatial element when training"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*of different length")
def test_one_frame_is_refused_where_the_network_fails_on_it(
    kind: str,
    video: str,
    length: tuple[int, int],
    rate: int,
    part: str,
    reason: str,
    words: list[object],
    tmp_path: Path,
    exit_of: Exit,
) -> None:
    path, network = shorten(tmp_path / "data" / "small", video, *length), described(kind, tmp_path)
    options = ("--structure", "hand", "--epochs", 1, "--sample-rate", rate, "--output", tmp_path / "out")
    outcome = exit_of(train.main, *words, "--network", network, *options)
    assert outcome.code == 2
    line = outcome.err.splitlines()[-1]
    assert line.startswith(
        f"error: {path}: one frame as the network reads it, on which {network} fails in {part} (ValueError: Expected "
        f"more than 1 {reason}, got input size torch.Size([1, "
    )
    advice = "): leave the video out (splits/*.bundle)"
    assert line.endswith(f"{advice}, or give a smaller --sample-rate" if rate > 1 else advice)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["chomped", "joints"])
def test_one_frame_is_trained_on_where_the_network_can(
    kind: str, words: list[object], tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without batch normalisation, or over joints; and that it was tried changes no number."""
    for video in ("p00-1", "p04-1"):
        shorten(tmp_path / "data" / "small", video, 1, 1)
    options = ("--network", described(kind, tmp_path), "--structure", "hand", "--epochs", 1)
    command(train.main, *words, *options, "--output", tmp_path / "tried")
    monkeypatch.setattr(epochs, "_check_one_frame", lambda *_: None)
    command(train.main, *words, *options, "--output", tmp_path / "untried")
    tried, untried = (load_torch(tmp_path / name / "model.pt")["weights"] for name in ("tried", "untried"))
    assert equal_weights(tried, untried)


def test_only_where_batch_normalisation_is_trained(words: list[object], tmp_path: Path, command: Command) -> None:
    shorten(tmp_path / "data" / "small", "p04-1", 1, 1)  # a test video
    shorten(tmp_path / "data" / "small", "p00-1", 2, 2)
    command(train.main, *words, "--structure", "hand", "--epochs", 1, "--output", tmp_path / "out")
    assert (tmp_path / "out" / "metrics.json").exists()


@pytest.fixture
def trained(words: list[object], tmp_path: Path, command: Command) -> Path:
    """The checkpoint of a training of one epoch."""
    command(train.main, *words, "--structure", "hand", "--epochs", 1, "--output", tmp_path / "out")
    return tmp_path / "out" / "model.pt"


def test_predictions_need_its_code_to_be_named_again(
    trained: Path, network: Path, tmp_path: Path, exit_of: Exit
) -> None:
    words = ("--checkpoint", trained, "--data-root", tmp_path / "data", "--split", 1, "--output", tmp_path / "p")
    outcome = exit_of(predict.main, *words)
    assert outcome.code == 2
    assert outcome.err == (
        f"error: {trained}: its network is code, tests.own_networks:residual, which is imported only if you name it: "
        "give --network and the file that python -m nas_space.describe wrote for it\n"
    )
    assert not (tmp_path / "p").exists()
    assert exit_of(predict.main, *words, "--network", network).code == 0
    for path in (trained.parent / "predictions").iterdir():
        assert (tmp_path / "p" / path.name).read_text() == path.read_text()


def test_another_network_does_not_stand_for_it(trained: Path, tmp_path: Path, exit_of: Exit) -> None:
    write_json(tmp_path / "other.json", describe_network("tests.own_networks:chomped", FEATURES, CLASSES).to_json())
    words = ("--checkpoint", trained, "--data-root", tmp_path / "data", "--split", 1, "--output", tmp_path / "p")
    for other in ("ms-tcn", str(tmp_path / "other.json")):
        outcome = exit_of(predict.main, *words, "--network", other)
        assert outcome.code == 2
        (line,) = outcome.err.splitlines()
        assert line.endswith(f"its network is your-own (tests.own_networks:residual), not {other}")


def test_scores_by_its_checkpoint(trained: Path, network: Path, tmp_path: Path, exit_of: Exit) -> None:
    folders = ("--ground-truth", tmp_path / "data/small/groundTruth", "--predictions", trained.parent / "predictions")
    assert exit_of(evaluate.main, *folders, "--checkpoint", trained).code == 2
    outcome = exit_of(evaluate.main, *folders, "--checkpoint", trained, "--network", network)
    assert (outcome.code, "2 not of the training" in outcome.out) == (0, True)


def test_a_local_search_moves_its_dilations(words: list[object], tmp_path: Path, command: Command) -> None:
    schedule = ("--epochs", 1, "--iterations", 2, "--learning-rate", 0.05, "--expand-rate", 0.5, "--max-dilation", 16)
    command(local_search.main, *words, *schedule, "--structure", "hand", "--output", tmp_path / "out")
    iterations = json.loads((tmp_path / "out" / "local.json").read_text())["iterations"]
    assert [sorted(each["probabilities"]) for each in iterations] == [["c1", "c2", "c3"]] * 2
    assert all(sum(p) == pytest.approx(1) for each in iterations for p in each["probabilities"].values())
    state = load_torch(tmp_path / "out" / "iteration_1.pt")["training"]["network"]
    own = set(residual(FEATURES, CLASSES).state_dict())
    assert set(state) - own == {f"convs.{layer}.searched.branch_weights" for layer in range(3)}
    assert own <= set(state)


def test_a_differentiable_search_chooses_its_dilations(
    words: list[object], network: Path, tmp_path: Path, command: Command
) -> None:
    options = ("--candidates", 1, 4, 9, "--epochs", 3, "--branch-learning-rate", 0.1, "--learning-rate", 0.01)
    command(differentiable_search.main, *words, *options, "--output", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "search.json").read_text())
    structure = read_structure(tmp_path / "out" / "best.json", find_network(str(network)))
    for label, dilation in structure.by_label().items():
        learned = found["probabilities"][label]
        assert sum(learned) == pytest.approx(1)
        assert max(learned) > 0.4  # equal ones are 1/3: the temperature has fallen
        assert (1, 4, 9)[learned.index(max(learned))] == dilation


def test_no_search_leaves_its_layers_out(words: list[object], network: Path, tmp_path: Path, exit_of: Exit) -> None:
    outcome = exit_of(differentiable_search.main, *words, "--candidates", 0, 4, "--output", tmp_path / "out")
    line = f"error: layer 'c1' has the dilation 0: {network} can leave no layer out\n"
    assert (outcome.code, outcome.err) == (2, line)
