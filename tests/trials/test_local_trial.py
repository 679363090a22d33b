"""One iteration as an NNI trial; and whole chains under NNI, which end where the search without NNI does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from nas_space.branching import Branching
from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from strategies.expectation import ExpectationSearch
from strategies.tuners import LocalTuner
from tests.conftest import write_dataset
from tests.strategies.fake_nni import FakeNni
from tests.strategies.fake_nni import Trial as NniTrial
from tests.trials.changes import CHANGES
from tests.trials.conftest import TINY, TINY_STRUCTURE, Command, Exit, Trial
from trials import local_search
from trials.local_trial import chain_folder, earlier_structures, main
from trials.training.metrics import METRICS
from trials.training.training import Training

LABELS = TINY_STRUCTURE.by_label()
BRANCHING = Branching(rate=0.5, maximum=32)
EPOCHS = 1


@pytest.fixture
def trial(trial: Trial) -> Trial:
    """The trial of a chain's first iteration."""
    place = {"chain": 2, "iteration": 0, "split": 1, "seed": 5}
    trial.parameters |= {**place, "_branching": BRANCHING.to_text()}
    return trial


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data" / "small", train=8, test=2, splits=2)


@pytest.fixture
def training(folder: Path) -> list[object]:
    """What the trials and the search without NNI are told alike."""
    return ["--data-root", folder.parent, "--dataset", "small", *TINY, "--epochs", EPOCHS, "--learning-rate", 0.05]


@pytest.fixture
def chains(tmp_path: Path) -> Path:
    return tmp_path / "chains"


@pytest.fixture
def words(training: list[object], chains: Path) -> list[object]:
    return [*training, "--chains", chains]


# One trial


def test_the_tuner_learns_what_was_trained_and_what_the_branches_learnt(
    trial: Trial, words: list[object], chains: Path, command: Command
) -> None:
    command(main, *words)
    report = trial.report
    assert (report.uid, report.trial, report.structure, report.failure) == (42, "Ab3dE", LABELS, None)
    assert report.epochs == trial.intermediate
    assert report.metrics == report.epochs[-1]
    assert [tuple(row) for row in trial.intermediate] == [("default", *METRICS)] * EPOCHS
    assert report.probabilities is not None
    sizes = {label: len(BRANCHING.expand(dilation)) for label, dilation in LABELS.items()}
    assert {label: len(shares) for label, shares in report.probabilities.items()} == sizes
    assert [path.relative_to(chains) for path in chains.rglob("*.pt")] == [Path("chain_2/iteration_0.pt")]


def test_default_is_the_objective(trial: Trial, words: list[object], command: Command) -> None:
    command(main, *words, "--objective", "edit")
    assert [row["default"] for row in trial.intermediate] == [row["edit"] for row in trial.intermediate]


def test_seed_and_split_are_the_chains_not_the_command_lines(
    trial: Trial, words: list[object], command: Command
) -> None:
    for seed, split, option in ((5, 1, 7), (5, 1, 8), (6, 1, 7), (5, 2, 7)):
        trial.parameters |= {"seed": seed, "split": split}
        command(main, *words, "--seed", option)
    one, same, *others = (final["_trained"]["probabilities"] for final in trial.final)
    assert one == same
    assert one not in others


def test_checkpoints_lie_in_the_experiments_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_OUTPUT_DIR", "/nni/expid/environments/local-env/trials/Ab3dE")
    assert chain_folder(None, {"chain": 3}) == Path("/nni/expid/chains/chain_3")
    assert chain_folder(Path("mine"), {"chain": 0}) == Path("mine/chain_0")


def test_earlier_structures_are_those_of_all_iterations_before() -> None:
    hand, moved = "1 2 4 1 2 4", "1 2 5 1 3 4"
    parameters = {"iteration": 2, "_earlier": {"0": hand, "1": moved}}
    structures = [TINY_STRUCTURE, Structure((1, 2, 5, 1, 3, 4), TINY_STRUCTURE.network)]
    assert earlier_structures(parameters, TINY_STRUCTURE.network) == structures
    assert earlier_structures({"iteration": 0, "_earlier": {}}, TINY_STRUCTURE.network) == []
    assert earlier_structures({"iteration": 2}, TINY_STRUCTURE.network) is None  # of an earlier version


def test_event_files_lie_where_nni_looks_for_them_and_count_the_epochs_of_the_chain(
    trial: Trial, words: list[object], command: Command
) -> None:
    for iteration in range(2):
        trial.parameters |= {"iteration": iteration}
        command(main, *words, "--tensorboard", "--epochs", 2)
    scalars = trial.scalars  # of the second only: in this test, both have the same folder
    tags = [*(f"validation/{name}" for name in (*METRICS, "mean")), *(f"dilation/{label}" for label in LABELS)]
    assert set(scalars) == {"loss", "learning_rate", *tags}
    assert [step for step, _ in scalars["loss"]] == [3, 4]
    edit = [row["edit"] for row in trial.intermediate[2:]]
    assert [value for _, value in scalars["validation/edit"]] == pytest.approx(edit)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iteration": 4}, "chain_2/iteration_3.pt: no such checkpoint"),
        ({"iteration": 1, "_earlier": {}}, "not the structures of all earlier iterations: {} ('0')"),
        ({"iteration": 1, "_earlier": {"0": "1 2"}}, "(a structure needs 6 dilations, not 2)"),
        ({"iteration": 1, "_earlier": {"0": "1 2 x"}}, "not the structures of all earlier iterations: {'0': '1 2 x'}"),
        ({"iteration": 1, "_earlier": None}, "not the structures of all earlier iterations: None"),
        ({"split": 9}, "no such split"),
        ({"seed": -1}, "the seed must be at least 0, not -1"),
        ({"_branching": "3,0.5"}, "not the settings of branches: '3,0.5'"),
        ({"s2l1": 64}, "layer s2l1: dilation 64 lies outside the bounds 1 to 32"),
    ],
    ids=str,
)
def test_bad_parameters_are_reported(
    trial: Trial, words: list[object], change: dict[str, Any], reason: str, exit_of: Exit
) -> None:
    trial.parameters |= change
    outcome = exit_of(main, *words)
    assert outcome.code == 2
    assert reason in outcome.err
    assert reason in str(trial.report.failure)
    assert (trial.report.uid, trial.intermediate) == (42, [])


def test_a_lost_iteration_is_not_trained_again_on_other_data(
    trial: Trial, words: list[object], folder: Path, chains: Path, exit_of: Exit
) -> None:
    assert exit_of(main, *words, "--no-cache").code == 0
    (chains / "chain_2" / "iteration_0.pt").unlink()
    trial.final.clear()
    CHANGES["features/p00-2.npy"](folder)
    trial.parameters |= {"iteration": 1, "_earlier": {"0": " ".join(map(str, LABELS.values()))}}
    outcome = exit_of(main, *words, "--no-cache")
    assert outcome.code == 2
    assert f"{folder}/features/p00-2.npy: has changed since experiment expid started" in str(trial.report.failure)
    assert trial.report.ends_search
    assert not list(chains.rglob("*.pt"))


def test_a_trial_added_by_hand_is_refused(trial: Trial, words: list[object], command: Command) -> None:
    trial.parameter_id = None
    with pytest.raises(BadInput, match="cannot be added by hand: it continues the previous one"):
        command(main, *words)
    assert trial.report.uid is None
    assert "cannot be added by hand" in str(trial.report.failure)


def test_an_exploding_iteration_is_reported_and_leaves_no_checkpoint(
    trial: Trial, words: list[object], chains: Path, command: Command
) -> None:
    with pytest.raises(RuntimeError, match="the loss is"):
        command(main, *words, "--learning-rate", 1e30)
    assert "the loss is" in str(trial.report.failure)
    assert not list(chains.rglob("*.pt"))


# Whole chains

ITERATIONS = 3


class Experiment:
    """The tuner with its trials, which run in this process one at a time; NNI is faked."""

    def __init__(self, folder: Path, trial: Trial, words: list[object], command: Command, patch: Any) -> None:
        (folder / "nni").mkdir()
        self.nni = FakeNni(folder / "nni", patch)
        self.trial, self.words, self.command, self.patch = trial, words, command, patch

    @staticmethod
    def tuner() -> LocalTuner:
        return LocalTuner(
            starts=["hand"],
            splits=[1, 2],
            seeds=[0, 1],
            iterations=ITERATIONS,
            expand_rate=BRANCHING.rate,
            max_dilation=BRANCHING.maximum,
            network="ms-tcn:stages=2,layers=3",
        )

    def start(self) -> None:
        self.nni.start(self.tuner(), {label: {} for label in LABELS})

    def resume(self) -> None:
        self.nni.resume(self.tuner(), {label: {} for label in LABELS})

    def complete(self, job: NniTrial) -> None:
        self.nni.report(job, self._run(job))
        self.nni.end(job)

    def lose(self, job: NniTrial) -> None:
        """A trial is killed when its checkpoint is written and its result is not reported."""
        self._run(job)
        self.nni.crash(job)

    def lose_checkpoints(self, chains: Path) -> None:
        """The checkpoints of all chains disappear."""
        paths = list(chains.rglob("*.pt"))
        assert paths
        for path in paths:
            path.unlink()

    def fail(self, job: NniTrial) -> None:
        """A trial runs out of memory, and says so."""
        with self.patch.context() as patch:
            patch.setattr(Training, "step", self._run_out_of_memory)
            self.nni.report(job, self._run(job))
        self.nni.crash(job)

    @staticmethod
    def _run_out_of_memory(*_: object) -> float:
        raise MemoryError("out of memory")

    def _run(self, job: NniTrial) -> dict[str, Any]:
        self.trial.parameters = job.parameters
        self.trial.final.clear()
        try:
            self.command(main, *self.words)
        except MemoryError:
            assert "out of memory" in str(self.trial.report.failure)
        (result,) = self.trial.final
        return result

    def chain(self, number: int) -> list[dict[str, Any]]:
        """What the tuner recorded of one chain, iteration by iteration."""
        uids = {event["uid"]: event["iteration"] for event in self.nni.records("proposed") if event["chain"] == number}
        finished = {uids[event["uid"]]: event for event in self.nni.records("finished") if event["uid"] in uids}
        return [finished[iteration] for iteration in range(ITERATIONS)]


@pytest.mark.parametrize("trouble", [False, True], ids=["undisturbed", "killed, failed, robbed and resumed"])
def test_chains_under_nni_equal_the_search_without_it_bit_for_bit(
    trouble: bool,
    trial: Trial,
    training: list[object],
    words: list[object],
    command: Command,
    chains: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = Experiment(tmp_path, trial, words, command, monkeypatch)
    experiment.start()
    for number in range(4 * ITERATIONS):
        if trouble and number == 2:
            experiment.lose(experiment.nni.running[0])
        if trouble and number == 5:
            experiment.fail(experiment.nni.running[-1])
        if trouble and number in (8, 10):
            experiment.lose_checkpoints(chains)
        if trouble and number == 9:
            experiment.resume()
        # Mostly the younger of two trials first, as chains need not keep pace.
        experiment.complete(experiment.nni.running[-1 if number % 3 else 0])
    assert (experiment.nni.running, experiment.nni.endings, experiment.nni.errors) == ([], 1, [])
    assert [event["again"] for event in experiment.nni.records("failed")] == [True] * (2 if trouble else 0)
    search = experiment.nni.tuner.search
    assert isinstance(search, ExpectationSearch)
    ends = set()
    for number, chain in enumerate(search.chains):
        alone = tmp_path / f"alone{number}"
        own = ("--split", chain.variant["split"], "--seed", chain.variant["seed"])
        schedule = ("--structure", "hand", "--iterations", ITERATIONS, "--expand-rate", 0.5, "--max-dilation", 32)
        command(local_search.main, *training, *own, *schedule, "--output", alone)
        rows = json.loads((alone / "local.json").read_text())["iterations"]
        for row, event in zip(rows, experiment.chain(number), strict=True):
            assert row["structure"] == event["structure"]
            assert row["probabilities"] == event["probabilities"]
            assert row["epochs"] == [{name: epoch[name] for name in METRICS} for epoch in event["epochs"]]
        end = Structure(tuple(chain.dilations), TINY_STRUCTURE.network)
        assert end == read_structure(alone / "best.json", TINY_STRUCTURE.network)
        ends.add(end)
    # The chains went different ways, and none stayed where it was.
    assert len(ends - {TINY_STRUCTURE}) > 1
