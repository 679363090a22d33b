from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common.bad_input import BadInput
from nas_space.layers.convolutions import DilatedConv
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.stages import StagedNetwork
from nas_space.network import Network
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from studies.ranking import early_epochs, inherited_weights, successive_halving
from studies.ranking.early_epochs import CPU, Study
from studies.ranking.inherited_weights import (
    Weights,
    evaluate,
    evaluate_all,
    main,
    new_network,
    put_on,
    report,
    train_shared,
)
from trials.data.device_videos import DeviceVideos
from trials.training.metrics import METRICS, objective_value
from trials.training.scoring import score_network
from trials.training.training import Training


def dilations_of(module: nn.Module, network: Network) -> Structure:
    """What the convolutions of a module are dilated by."""
    convolutions = [module.get_submodule(path) for path in network.paths.values()]
    return Structure(tuple(conv.dilation[0] for conv in convolutions if isinstance(conv, DilatedConv)), network)


def test_other_dilations_on_the_same_weights_make_the_network_of_those_dilations() -> None:
    network = find_network("ms-tcn:stages=2,layers=3,channels=4")
    other = Structure((4, 1, 2, 8, 8, 1), network)
    module, expected = (build(structure, 5, 3).eval() for structure in (Structure.hand(network), other))
    expected.load_state_dict(module.state_dict())
    videos = PackedVideos(torch.randn(30, 5), (0, 12, 30))
    before = module(videos)
    put_on(module, other)
    assert dilations_of(module, network) == other
    assert torch.equal(module(videos), expected(videos))
    assert not torch.equal(module(videos), before)


def test_report_of_rankings_that_are_known() -> None:
    def metrics(value: float) -> dict[str, float]:
        return dict.fromkeys(METRICS, value)

    names, seeds = ("hand", "random0", "random1", "random2"), (0, 1)
    # After one epoch the order of the random structures is reversed, and on the test videos the last two change places.
    long: dict[tuple[str, int], dict[str, Any]] = {
        (name, seed): {
            "history": [metrics(10.0 - rank), metrics(10.0 + rank)],
            "test": metrics((0.0, 1.0, 3.0, 2.0)[rank]),
        }
        for rank, name in enumerate(names)
        for seed in seeds
    }
    inherited = {
        (start, seed): {name: [rank * sign, -rank * sign] for rank, name in enumerate(names[1:])}
        for start, sign in (("shared", 1.0), ("hand", -1.0))
        for seed in seeds
    }
    rows = {line[:32].strip(): line[32:].split() for line in report(long, inherited, seeds, 1).splitlines()}
    # Of three pairs, one is in the other order on the test videos: tau (2 - 1) / 3.
    assert rows["1 epochs from scratch"] == ["8.0", "-1.00", "-0.33"]
    assert rows["full training"] == ["12.0", "1.00", "0.33"]
    assert rows["shared weights"] == ["1.0", "1.00", "0.33"]
    assert rows["1 epochs from shared weights"] == ["-1.0", "-1.00", "-0.33"]
    assert rows["weights of hand"] == ["-1.0", "-1.00", "-0.33"]
    assert rows["1 epochs from those of hand"] == ["1.0", "1.00", "0.33"]


Commandline = Callable[..., list[str]]


@pytest.fixture
def commandline(small_dataset: Path, tmp_path: Path) -> Commandline:
    """The options of a study of two random structures, one epoch each; others may follow."""

    def words(*others: object) -> list[str]:
        options = ["--dataset", small_dataset.name, "--data-root", str(small_dataset.parent), "--split", "1"]
        options += ["--structures", "2", "--seeds", "0", "1", "--epochs", "1", "--batch-size", "1", "--workers", "1"]
        return [*options, "--no-cache", "--output", str(tmp_path / "study"), *map(str, others)]

    return words


@pytest.fixture
def study(commandline: Commandline) -> Study:
    parser = ArgumentParser()
    Study.add_arguments(parser)
    return Study.from_arguments(parser.parse_args(commandline()))


def objective_of(study: Study, structure: Structure, weights: Weights, videos: tuple[str, ...]) -> float:
    """Of a network that is built anew."""
    dataset = study.task.dataset
    network = build(structure, dataset.feature_dim(videos[0]), len(dataset.classes))
    network.load_state_dict(weights)
    return objective_value(score_network(network, DeviceVideos.on(dataset, CPU), videos, study.task.background), "mean")


def test_a_structure_is_judged_with_the_weights_on_the_validation_videos(study: Study) -> None:
    weights = train_shared(study, 0)
    structure = study.structures["random1"]
    at_once, after = evaluate(study, "random1", weights, seed=3, epochs=1)
    assert at_once == objective_of(study, structure, weights, study.validation_videos)
    # Whatever else it might have been judged by.
    torch.manual_seed(0)
    others = [
        objective_of(study, study.structures["hand"], weights, study.validation_videos),
        objective_of(study, structure, new_network(study).state_dict(), study.validation_videos),
        objective_of(study, structure, weights, study.test_videos),
    ]
    assert at_once not in others
    network = new_network(study)
    network.load_state_dict(weights)
    put_on(network, structure)
    Training(network, replace(study.settings, seed=3), CPU).run_epoch(study.task.dataset, study.train_videos)
    assert after == objective_of(study, structure, network.state_dict(), study.validation_videos)


def test_the_shared_network_has_another_structure_in_each_step(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Structure] = []
    forward = StagedNetwork.forward

    def spy(module: StagedNetwork, videos: PackedVideos) -> Tensor:
        used.append(dilations_of(module, study.structures["hand"].network))
        return forward(module, videos)

    monkeypatch.setattr(StagedNetwork, "forward", spy)
    train_shared(study, 0)
    assert len(used) == len(set(used)) == len(study.train_videos) > 1
    # Those that will be judged have no part in it.
    assert not set(used) & set(study.structures.values())


@pytest.mark.parametrize("content", ["[]", "{}", '{"objectives": []}'])
def test_damaged_objectives_are_refused(study: Study, content: str) -> None:
    path = study.output / "inherited" / "shared_seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(BadInput, match=r"shared_seed0\.json: damaged"):
        evaluate_all(study, "shared", 0, 1)


def test_objectives_are_kept_one_by_one_and_those_of_another_study_refused(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[str] = []

    def played(_: Study, name: str, __: Weights, seed: int, epochs: int) -> list[float]:
        if evaluated:
            raise KeyboardInterrupt
        evaluated.append(name)
        return [1.0 * seed, 2.0 * epochs]

    monkeypatch.setattr(inherited_weights, "evaluate", played)
    with pytest.raises(KeyboardInterrupt):
        evaluate_all(study, "shared", 0, 1)
    evaluated_before = evaluated.copy()
    evaluated.clear()
    assert evaluate_all(study, "shared", 0, 1) == {"random0": [0.0, 2.0], "random1": [0.0, 2.0]}
    assert (evaluated_before, evaluated) == (["random0"], ["random1"])
    with pytest.raises(BadInput, match="another study"):
        evaluate_all(study, "shared", 0, 2)
    with pytest.raises(BadInput, match="another study"):
        evaluate_all(replace(study, settings=replace(study.settings, learning_rate=1e-3)), "shared", 0, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--structures", 1), "at least 2 random structures"),
        (("--seeds", 0), "2 seeds"),
        (("--workers", 0), "1 worker"),
        (("--seeds", 0, 0, 1), "different whole numbers"),
        (("--seeds", 0, -1), "of at least 0"),
        (("--validation-fraction", 0), "--validation-fraction must be above 0"),
        (("--few-epochs", 0), "--few-epochs must be from 1 to the 1"),
        (("--few-epochs", 2), "--few-epochs must be from 1 to the 1"),
    ],
)
def test_what_is_no_study_is_refused_before_anything_is_trained(
    options: tuple[object, ...], message: str, commandline: Commandline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["command", *commandline(*options)])
    with pytest.raises(BadInput, match=message):
        main()
    assert not (tmp_path / "study").exists()


@pytest.mark.usefixtures("in_this_process")
def test_the_commands_share_trainings_and_measure_once(
    commandline: Commandline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["command", *commandline("--few-epochs", 1)])
    main()
    first = capfd.readouterr().out
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*.json")}
    assert sorted(path.name for path in kept if path.parent.name == "inherited") == [
        "hand_seed0.json",
        "hand_seed1.json",
        "shared_seed0.json",
        "shared_seed1.json",
    ]
    main()
    assert capfd.readouterr().out == first
    assert "2 random structures x 2 seeds" in first
    monkeypatch.setattr("sys.argv", ["command", *commandline()])
    early_epochs.main()
    assert "3 structures x 2 seeds, 1 epochs" in capfd.readouterr().out
    with pytest.raises(BadInput, match="--epochs must be at least 5"):
        successive_halving.main()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("*.json")} == kept
