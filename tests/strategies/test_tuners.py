from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.runtime.tuner_command_channel import CommandType

from common.bad_input import BadInput
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import find_network, ms_tcn
from nas_space.space import COMMITTED_SPACES, SPACES_FOLDER, global_space, local_space, space_json, to_nni
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from nni_api.records import RECORDS_FILE, read_records
from nni_api.trial_report import TrialReport
from strategies.genetic import GeneticSearch
from strategies.tuners import GlobalTuner, LocalTuner
from tests.conftest import REPOSITORY
from tests.strategies.fake_nni import SPACE, FakeNni


@pytest.mark.usefixtures("nni")
def test_default_search_is_the_papers() -> None:
    search = GlobalTuner().create_search(to_nni(global_space(ms_tcn.describe(), POWERS_OF_TWO)))
    assert isinstance(search, GeneticSearch)
    assert search.labels == list(ms_tcn.describe().paths)
    assert search.candidates == [(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)] * 40
    assert (search.population_size, search.budget, search.mutation_rate) == (50, 50 * 100, 0.2)


@pytest.mark.parametrize("name", sorted(name for name, (_, values) in COMMITTED_SPACES.items() if values))
def test_committed_spaces_are_searched(nni: FakeNni, name: str) -> None:
    network, candidates = COMMITTED_SPACES[name]
    assert candidates is not None
    nni.workers = 3
    tuner = GlobalTuner(network=network)
    nni.start(tuner, json.loads((SPACES_FOLDER / name).read_text(encoding="utf-8")))
    assert nni.errors == []
    for trial in nni.trials:
        assert list(trial.structure) == list(find_network(network).paths)
        assert set(trial.structure.values()) <= set(candidates)


@pytest.mark.usefixtures("nni")
def test_each_argument_reaches_the_search() -> None:
    space = json.loads(space_json(ms_tcn.describe(), (1, 2)))
    search = GlobalTuner(population_size=7, budget=11, mutation_rate=0.5, seed=1).create_search(space)
    assert isinstance(search, GeneticSearch)
    assert (search.population_size, search.budget, search.mutation_rate) == (7, 11, 0.5)
    assert search.ask() == GlobalTuner(seed=1, population_size=7).create_search(space).ask()
    assert search.ask() != GlobalTuner(seed=2, population_size=7).create_search(space).ask()


@pytest.mark.usefixtures("nni")
def test_the_genetic_search_begins_with_structures_from_files(tmp_path: Path) -> None:
    shape = ms_tcn.describe(stages=1, layers=3)
    found = Structure((4, 1, 4), shape)
    write_structure(found, tmp_path / "found.json")
    space = json.loads(space_json(shape, (1, 2, 4)))
    starts = [str(tmp_path / "found.json"), "hand"]
    search = GlobalTuner(network="ms-tcn:stages=1,layers=3", starts=starts).create_search(space)
    for expected in (found, Structure.hand(shape)):
        proposal = search.ask()
        assert proposal is not None
        assert proposal.dilations == expected.by_label()


@pytest.mark.usefixtures("nni")
def test_hand_takes_the_largest_candidates_where_the_space_ends_earlier(caplog: pytest.LogCaptureFixture) -> None:
    shape = ms_tcn.describe(stages=2, layers=4)  # hand is 1, 2, 4, 8 in each stage
    candidates = dict.fromkeys(shape.paths, (1, 2, 4)) | {"s2l3": (1, 2, 4, 8)}
    space = {label: {"_type": "choice", "_value": list(values)} for label, values in candidates.items()}
    search = GlobalTuner(network="ms-tcn:stages=2,layers=4", starts=["hand"]).create_search(space)
    proposal = search.ask()
    assert proposal is not None
    assert list(proposal.dilations.values()) == [1, 2, 4, 4, 1, 2, 4, 8]
    assert "hand has longer dilations than the search space in 1 of 8 layers (s1l3: 4)" in caplog.text


@pytest.mark.usefixtures("nni")
def test_hand_is_refused_where_a_shorter_dilation_is_missing() -> None:
    space = {label: {"_type": "choice", "_value": [1, 3, 9]} for label in ms_tcn.describe(stages=1, layers=2).paths}
    with pytest.raises(BadInput, match="hand has the dilation 2 at s1l1, which is no candidate there: leave hand out"):
        GlobalTuner(network="ms-tcn:stages=1,layers=2", starts=["hand"]).create_search(space)


@pytest.mark.usefixtures("nni")
def test_a_structure_of_a_file_is_not_cut_to_the_space(tmp_path: Path) -> None:
    shape = ms_tcn.describe(stages=1, layers=2)
    write_structure(Structure((1, 8), shape), tmp_path / "found.json")
    with pytest.raises(BadInput, match="a start has the dilation 8 at s1l1, which is no candidate there"):
        GlobalTuner(network="ms-tcn:stages=1,layers=2", starts=[str(tmp_path / "found.json")]).create_search(
            json.loads(space_json(shape, (1, 2, 4)))
        )


@pytest.mark.usefixtures("nni")
def test_a_search_within_a_budget_cuts_hand_off(caplog: pytest.LogCaptureFixture) -> None:
    network = find_network("ms-tcn:stages=1,layers=3")
    space = to_nni(global_space(network, (1, 2, 4)))
    tuner = GlobalTuner(network=str(network), starts=["hand"], max_context="stage=11", population_size=4, budget=8)
    search = tuner.create_search(space)
    proposals = [search.ask() for _ in range(8)]
    assert proposals[0] is not None
    assert proposals[0].dilations == {"s1l0": 1, "s1l1": 2, "s1l2": 2}
    assert "hand exceeds the limits stage=11: it is cut off to 1 2 2" in caplog.text
    assert all(sum(proposal.dilations.values()) <= 5 for proposal in proposals if proposal is not None)
    for limit, message in ((6, "with the smallest candidates the network sees 7"), ("3s", "frames per second are not")):
        with pytest.raises(BadInput, match=message):
            GlobalTuner(network=str(network), max_context=limit).create_search(space)


@pytest.mark.usefixtures("nni")
def test_a_search_leaves_layers_out() -> None:
    network = find_network("ms-tcn:stages=1,layers=3")
    space = to_nni(global_space(network, (0, 1, 2, 4)))
    limited: dict[str, Any] = {"network": str(network), "max_multiply_adds": "67%"}
    search = GlobalTuner(starts=["hand"], population_size=4, budget=20, **limited).create_search(space)
    proposals = [search.ask() for _ in range(4)]
    for proposal in proposals:
        assert proposal is not None
        search.tell(proposal.uid, TrialReport(metrics={"default": 50.0}))
    proposals += [search.ask() for _ in range(16)]
    found = [tuple(proposal.dilations.values()) for proposal in proposals if proposal is not None]
    assert found[0] == (1, 2, 0)  # hand without its longest dilation
    assert len(set(found)) == 20
    assert all(0 in dilations for dilations in found)
    with pytest.raises(BadInput, match="its 3 layers take 49152 multiply-adds a frame: allow more"):
        LocalTuner(["hand"], [1], [0], **limited).create_search(to_nni(local_space(network)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"starts": "hand"}, "starts must be a list of file names, at least one, not 'hand'"),
        (
            {"starts": ["nowhere.json"]},
            f"{REPOSITORY}/nowhere.json: no such structure file (give a JSON file, or the name 'hand')",
        ),
        (
            {"network": "ms-tcn:stages=1,layers=4"},
            "the search space has no choice for layer 's1l3' of ms-tcn:stages=1,layers=4",
        ),
        (
            {"network": "ms-tcn:stages=1,layers=2"},
            "the search space names 's1l2', which is no layer of ms-tcn:stages=1,layers=2",
        ),
        ({"network": "ms-tcn:layers=0"}, "network ms-tcn: layers must be a whole number from 1 to 1000, not 0"),
        ({"network": 3}, "network must be a text, as in ms-tcn:stages=2,layers=5, not 3"),
        ({"population_size": 1}, "population_size must be at least 2, as a child has two parents, not 1"),
        ({"budget": 0}, "budget must be a whole number of at least 1, not 0"),
    ],
)
def test_bad_class_args_end_the_experiment(nni: FakeNni, arguments: dict[str, Any], message: str) -> None:
    nni.start(GlobalTuner(**{"network": "ms-tcn:stages=1,layers=3", **arguments}))
    assert nni.errors == [message]
    assert nni.trials == []


def test_arguments_of_earlier_versions_are_accepted_and_others_refused(nni: FakeNni) -> None:
    def started(**arguments: Any) -> FakeNni:
        nni.start(GlobalTuner(population_size=2, budget=2, **arguments))
        return nni

    with pytest.warns(UserWarning, match="classArgs: ") as warned:
        assert started(num_stages=1, num_layers=3, stop_epoch=3).errors == []
    assert [str(each.message) for each in warned] == [
        "classArgs: stop_epoch has no effect any more: leave it out",
        "classArgs: write network: ms-tcn:stages=1,layers=3 in place of num_stages, num_layers",
    ]
    assert nni.records("started")[0]["network"]["layers"] == 3
    assert started(network="ms-tcn:stages=1,layers=3", budgett=3).errors == ["GlobalTuner has no argument 'budgett'"]


def test_a_tuner_pays_for_nothing_it_does_not_use() -> None:
    code = """
import sys
import strategies.genetic
assert "nni" not in sys.modules
from nni_api.quick_nni import import_nni
import_nni()  # as its process begins
import strategies.tuners
print(*{"torch", "pytorch_lightning", "matplotlib"} & set(sys.modules))
"""
    imported = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (imported.stdout.strip(), imported.stderr) == ("", "")


class Manager:
    """The manager's side of NNI's own dispatcher, without a connection."""

    def __init__(self, tuner: GlobalTuner) -> None:
        self.trials: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.dispatcher = MsgDispatcher("ws://_unittest_tuner", tuner)
        self.dispatcher.send = self._hear

    def report(self, trial: dict[str, Any], fitness: float) -> None:
        structure = dict(trial["parameters"])
        value = json.dumps(TrialReport(structure.pop("_uid"), "a", structure, {"default": fitness}).to_nni())
        result = {"parameter_id": trial["parameter_id"], "trial_job_id": "a", "type": "FINAL", "value": value}
        self.dispatcher.handle_report_metric_data(result)

    def end(self, trial: dict[str, Any], event: str) -> None:
        self.dispatcher.handle_trial_end({"trial_job_id": "a", "event": event, "hyper_params": json.dumps(trial)})
        self.dispatcher.handle_request_trial_jobs(1)

    def _hear(self, command: CommandType, data: str) -> None:
        if command is CommandType.NewTrialJob:
            self.trials.append(json.loads(data))
        elif command is CommandType.Error:
            self.errors.append(data)


def test_nnis_own_dispatcher_runs_a_search_to_its_end(nni: FakeNni) -> None:
    manager = Manager(GlobalTuner(population_size=2, budget=6, network="ms-tcn:stages=1,layers=3"))
    manager.dispatcher.handle_initialize(SPACE)
    manager.dispatcher.handle_request_trial_jobs(3)
    crashed = manager.trials[0]
    manager.end(crashed, "FAILED")
    # The list grows while the trials end.
    for trial in itertools.islice(manager.trials, 1, None):
        manager.report(trial, float(sum(trial["parameters"].values())))
        manager.end(trial, "SUCCEEDED")
        if len(manager.trials) == 6:
            nni.wait()
    assert [trial["parameters"]["_uid"] for trial in manager.trials] == [0, 1, 2, 3, 4, 5, 0]
    assert len({trial["parameter_id"] for trial in manager.trials}) == 7
    finished = [event for event in read_records(nni.folder / RECORDS_FILE) if event["event"] == "finished"]
    assert [{**event["structure"], "_uid": event["uid"]} for event in finished] == [
        trial["parameters"] for trial in manager.trials[1:]
    ]
    assert (nni.endings, manager.errors) == (1, [])


@pytest.mark.usefixtures("nni")
def test_nnis_own_dispatcher_hears_of_an_error() -> None:
    manager = Manager(GlobalTuner())
    manager.dispatcher.handle_initialize(SPACE)
    manager.dispatcher.handle_request_trial_jobs(2)
    assert manager.errors == ["the search space has no choice for layer 's1l3' of ms-tcn"]
    assert manager.trials == []
