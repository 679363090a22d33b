from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from common.bad_input import BadInput
from nas_space.budget import NO_LIMITS, Budget
from nas_space.layers.branches import BRANCH_WEIGHTS
from nas_space.networks import build, find_network, ms_tcn
from nas_space.structure_files import read_structure
from studies.search_quality.search import SearchResult
from tests.trials.changes import CHANGES
from tests.trials.conftest import TINY, TINY_STRUCTURE, Command, equal_weights
from tests.trials.test_planted_dilation import LAG, VIDEOS, write_planted
from trials.data.arguments import Task
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.differentiable_search import SupernetTraining, main, temperature
from trials.read_out import read_out
from trials.training.checkpoint import load_torch
from trials.training.scoring import score_network
from trials.training.settings import TrainingSettings
from trials.training.training import NonFiniteLoss, Training

CPU = torch.device("cpu")
CANDIDATES = (1, 3, LAG, 48)


@pytest.fixture
def search(tmp_path: Path) -> SupernetTraining:
    """For the dilation of one layer that sees what labels depend on."""
    task = Task("planted", Dataset(write_planted(tmp_path / "data", seed=0)), background=())
    settings = TrainingSettings(epochs=10, batch_size=2, learning_rate=0.01, smoothing_weight=0, decay_epochs=())
    network = ms_tcn.describe(stages=1, layers=1, channels=16)
    candidates = {"s1l0": CANDIDATES}
    return SupernetTraining(task, 1, VIDEOS[:-1], VIDEOS[-1:], settings, candidates, network)


def test_the_temperature_falls_to_its_end() -> None:
    assert [temperature(epoch, 10, 0) for epoch in (0, 2, 4, 8, 9)] == pytest.approx([1.0, 0.75, 0.5, 0.02, 0.02])


def test_the_temperature_falls_only_after_the_warm_up() -> None:
    assert [temperature(epoch, 15, 5) for epoch in (0, 5, 7, 9, 13, 14)] == pytest.approx([1, 1, 0.75, 0.5, 0.02, 0.02])


def test_the_probabilities_are_held_still_in_the_warm_up(search: SupernetTraining, tmp_path: Path) -> None:
    seen: list[list[float]] = []

    def look(_: dict[str, float]) -> None:
        weights = load_torch(tmp_path / "search.pt")["training"]["network"]
        (branches,) = (value for name, value in weights.items() if name.endswith(BRANCH_WEIGHTS))
        seen.append(branches.tolist())

    found = search.run(tmp_path, CPU, look)
    assert search.warm_up_epochs == 3
    assert seen[:3] == [[0.0] * len(CANDIDATES)] * 3
    assert 0.0 not in seen[3]
    assert [row["temperature"] for row in found.epochs[:4]] == [1.0] * 4


def test_a_search_without_a_warm_up_decides_from_the_first_epoch_on(search: SupernetTraining, tmp_path: Path) -> None:
    short = replace(search, settings=replace(search.settings, epochs=2))
    assert short.warm_up_epochs == 0
    assert short.run(tmp_path, CPU).probabilities["s1l0"] != [0.25] * 4


def test_a_search_within_a_budget_learns_to_keep_it(search: SupernetTraining, tmp_path: Path) -> None:
    # One layer alone may have LAG; both together may not, and neither may have 48.
    network = ms_tcn.describe(stages=1, layers=2, channels=16)
    candidates, budget = {"s1l0": (3, LAG, 48), "s1l1": (3, LAG, 48)}, Budget(network=1 + 2 * (LAG + 3))
    settings = replace(search.settings, epochs=14)
    limited = replace(search, settings=settings, network=network, candidates=candidates, budget=budget)
    found = limited.run(tmp_path, CPU)
    assert found.structure == read_out(found.probabilities, candidates, network, NO_LIMITS)
    assert sorted(found.structure.dilations) == [3, LAG]
    assert [of_layer[2] for of_layer in found.probabilities.values()] == [0.0, 0.0]
    assert limited.describe()["limits"] == f"network={1 + 2 * (LAG + 3)}"


def test_a_search_leaves_layers_out(search: SupernetTraining, tmp_path: Path) -> None:
    """One layer of four sees what decides the classes; half of the multiply-adds are allowed."""
    network = find_network("ms-tcn:stages=2,layers=2,channels=16")
    candidates = dict.fromkeys(network.paths, (0, 3, LAG))
    settings = replace(search.settings, epochs=14)
    budget = Budget.parse(None, "50%", network)
    limited = replace(search, settings=settings, network=network, candidates=candidates, budget=budget)
    found = limited.run(tmp_path, CPU)
    assert found.structure == read_out(found.probabilities, candidates, network, NO_LIMITS)
    assert found.structure.dilations.count(0) >= 2
    assert LAG in found.structure.dilations
    assert limited.describe()["limits"] == f"multiply_adds={2 * 16 * 16 * 4}"


def test_a_search_within_a_budget_resumes(search: SupernetTraining, tmp_path: Path) -> None:
    limited = replace(search, settings=replace(search.settings, epochs=8), budget=Budget(network=2 * LAG))
    whole = limited.run(tmp_path / "whole", CPU)

    def stop(row: dict[str, float]) -> None:
        if row["epoch"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limited.run(tmp_path / "part", CPU, stop)
    assert limited.run(tmp_path / "part", CPU) == whole


@pytest.mark.parametrize("spare", [None, lambda: 0], ids=["cpu", "gpu"])
def test_a_search_within_a_budget_that_explodes_says_so(
    search: SupernetTraining, spare: Callable[[], int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU, the weights are projected onto the budget until the epoch ends, though they are NaN."""
    monkeypatch.setattr(DeviceVideos, "on", lambda dataset, device: DeviceVideos(dataset, device, spare))
    settings = replace(search.settings, learning_rate=1e30, batch_size=1)
    limited = replace(search, settings=settings, warm_up=0.0, budget=Budget(network=2 * LAG))
    with pytest.raises(NonFiniteLoss, match=r"the loss is \S+ in epoch 1 on v\d: lower the learning rate"):
        limited.run(tmp_path, CPU)


def test_a_budget_that_no_candidate_keeps_is_refused(search: SupernetTraining) -> None:
    with pytest.raises(BadInput, match="with the smallest candidates the network sees 3 frames"):
        replace(search, budget=Budget(network=2))


def test_equal_candidates_are_described_once(search: SupernetTraining) -> None:
    """As in the files of earlier versions, whose searches go on."""
    network = ms_tcn.describe(stages=1, layers=2)
    equal = replace(search, network=network, candidates=dict.fromkeys(network.paths, (1, 4)))
    assert equal.describe()["candidates"] == [1, 4]
    other = replace(equal, candidates={"s1l0": (1, 4), "s1l1": (1, 2)})
    assert other.describe()["candidates"] == {"s1l0": [1, 4], "s1l1": [1, 2]}


def test_a_planted_dilation_is_found(search: SupernetTraining, tmp_path: Path) -> None:
    for seed in range(4):
        found = replace(search, settings=replace(search.settings, seed=seed)).run(tmp_path / str(seed), CPU)
        assert found.structure.dilations == (LAG,)
        assert found.probabilities["s1l0"][CANDIDATES.index(LAG)] > 0.99
        assert found.metrics["acc"] > 80


def test_a_search_goes_on_where_it_was_stopped(
    search: SupernetTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[dict[str, float]] = []
    expected = search.run(tmp_path / "whole", CPU, whole.append)
    run_epoch = Training.run_epoch

    def stopping(self: Training, *arguments: Any) -> float:
        if self.epoch == 4:
            raise KeyboardInterrupt
        return run_epoch(self, *arguments)

    first: list[dict[str, float]] = []
    again: list[dict[str, float]] = []
    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", stopping)
        with pytest.raises(KeyboardInterrupt):
            search.run(tmp_path / "parts", CPU, first.append)
    assert search.run(tmp_path / "parts", CPU, again.append) == expected
    assert (first, again) == (whole[:4], whole)
    # A search that has ended takes no longer by being looked at again.
    assert search.run(tmp_path / "parts", CPU).seconds == load_torch(tmp_path / "parts" / "search.pt")["seconds"] > 0
    weights = [load_torch(tmp_path / name / "search.pt")["training"]["network"] for name in ("whole", "parts")]
    assert equal_weights(*weights)


def test_an_average_is_scored_but_decides_nothing(search: SupernetTraining, tmp_path: Path) -> None:
    plain = search.run(tmp_path / "plain", CPU)
    averaging = replace(search, settings=replace(search.settings, average_last=0.25))

    def stop(row: dict[str, float]) -> None:
        if row["epoch"] == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        averaging.run(tmp_path / "average", CPU, stop)
    found = averaging.run(tmp_path / "average", CPU)
    assert (found.structure, found.probabilities) == (plain.structure, plain.probabilities)
    assert [row["loss"] for row in found.epochs] == [row["loss"] for row in plain.epochs]
    assert found.epochs[:8] == plain.epochs[:8]  # ceil(0.25 * 10) = 3 epochs are averaged, that of the eighth is alone
    assert averaging.run(tmp_path / "average", CPU) == found
    average = load_torch(tmp_path / "average" / "search.pt")["training"]["average"]
    network = build(found.structure, search.task.dataset.feature_dim(VIDEOS[0]), len(search.task.dataset.classes))
    network.load_state_dict({name: value for name, value in average.items() if not name.endswith(BRANCH_WEIGHTS)})
    assert found.metrics == score_network(network, DeviceVideos.on(search.task.dataset, CPU), VIDEOS[-1:], ())


def test_a_damaged_search_is_refused(search: SupernetTraining, tmp_path: Path) -> None:
    torch.save({"search": search.describe(), "training": {"epoch": 1}, "data": {}}, tmp_path / "search.pt")
    with pytest.raises(BadInput, match=r"search\.pt: damaged"):
        search.run(tmp_path, CPU)


@pytest.mark.parametrize("epochs", [[], [{"epoch": 1}]])
def test_a_search_without_its_epochs_is_refused(
    search: SupernetTraining, tmp_path: Path, epochs: list[dict[str, int]]
) -> None:
    short = replace(search, settings=replace(search.settings, epochs=1))
    short.run(tmp_path, CPU)
    torch.save({**load_torch(tmp_path / "search.pt"), "epochs": epochs}, tmp_path / "search.pt")
    with pytest.raises(BadInput, match=r"search\.pt: damaged .* are missing"):
        short.run(tmp_path, CPU)


def test_a_search_with_other_settings_is_refused(search: SupernetTraining, tmp_path: Path) -> None:
    short = replace(search, settings=replace(search.settings, epochs=1))
    short.run(tmp_path / "found", CPU)
    with pytest.raises(BadInput, match="holds a search with other settings"):
        replace(short, branch_learning_rate=0.1).run(tmp_path / "found", CPU)


def test_the_command_leaves_what_it_found(command: Command, small_dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "found"
    words = ("--dataset", "small", "--data-root", small_dataset.parent, "--split", 1, *TINY, "--epochs", 2)
    command(main, *words, "--candidates", 1, 4, "--output", output)
    structure = read_structure(output / "best.json", TINY_STRUCTURE.network)
    content = json.loads((output / "search.json").read_text())
    network = TINY_STRUCTURE.network
    assert structure == read_out(content["probabilities"], dict.fromkeys(network.paths, (1, 4)), network, NO_LIMITS)
    assert [row["epoch"] for row in content["epochs"]] == [1, 2]
    assert content["search"]["candidates"] == [1, 4]
    # As a comparison of searches reads it.
    winner = SearchResult.read(output / "best.json", TINY_STRUCTURE.network)
    assert winner.epochs == 2
    assert winner.seconds is not None
    assert winner.seconds > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--candidates", 4, 4), "--candidates must be at least two different dilations"),
        (("--warm-up", 1), "the warm-up must be at least 0 and below 1"),
        (("--branch-learning-rate", 0), "the branch learning rate must be above 0"),
        (("--validation-fraction", 0), "a search needs validation videos"),
    ],
)
def test_bad_options_are_refused(
    command: Command, small_dataset: Path, tmp_path: Path, words: tuple[Any, ...], message: str
) -> None:
    data = ("--dataset", "small", "--data-root", small_dataset.parent, "--split", 1, "--output", tmp_path / "found")
    with pytest.raises(BadInput, match=message):
        command(main, *data, *TINY, *words)


@pytest.mark.parametrize("epochs", [1, 2], ids=["unfinished", "finished"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_search_does_not_go_on_with_other_data(
    name: str, epochs: int, small_dataset: Path, tmp_path: Path, command: Command
) -> None:
    data = ("--data-root", small_dataset.parent, "--dataset", "small", "--split", 1, "--no-cache")
    words = (*data, *TINY, "--candidates", 1, 2, "--epochs", 2, "--output", tmp_path / "out")
    kill = pytest.MonkeyPatch()
    with kill.context() as patch:
        run_epoch = Training.run_epoch

        def stopping(training: Training, *arguments: Any) -> float:
            if training.epoch == epochs:
                raise KeyboardInterrupt
            return run_epoch(training, *arguments)

        patch.setattr(Training, "run_epoch", stopping)
        with suppress(KeyboardInterrupt):
            command(main, *words)
    CHANGES[name](small_dataset)
    with pytest.raises(BadInput, match=f"{name}: has changed since .*/out was started; restore it, or choose another"):
        command(main, *words)


def test_a_search_of_an_earlier_version_goes_on_with_a_warning(search: SupernetTraining, tmp_path: Path) -> None:
    short = replace(search, settings=replace(search.settings, epochs=1))
    found = short.run(tmp_path, CPU)
    state = load_torch(tmp_path / "search.pt")
    assert "features/a.npy" not in state.pop("data")
    torch.save(state, tmp_path / "search.pt")
    with pytest.warns(UserWarning, match=r"search\.pt: made by an earlier version, without a fingerprint"):
        assert short.run(tmp_path, CPU) == found
