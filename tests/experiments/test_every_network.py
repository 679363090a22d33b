"""Every network goes all the way: searches by their tuners and trials, export, final training, prediction, report.

The trials run in this process, started by a stand-in for NNI.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.export import export
from analysis.history import History, read_history
from analysis.report.page import write_report
from analysis.report.pictures import Pictures
from analysis.searches import SearchRecord
from common.atomic_file import write_json
from nas_space.describe import describe_network
from nas_space.network import Network
from nas_space.networks import find_network
from nas_space.space import global_space, local_space, to_nni
from nas_space.structure_files import read_structure
from nni_api.trial_channel import TrialChannel
from strategies import tuners
from strategies.adapter.search_tuner import SearchTuner
from tests.conftest import write_dataset
from tests.strategies.fake_nni import FakeNni
from trials import differentiable_trial, final_trial, local_trial, predict, search_trial

NETWORKS = [
    "ms-tcn:stages=2,layers=2,channels=8",
    "ms-tcn++:prediction=2,refinements=2,layers=2,shared=1,channels=8",
    "causal-ms-tcn:stages=2,layers=2,channels=8",
    "tests.own_networks:residual",
]
CANDIDATES = (1, 2, 4)


class House:
    """A data set, a network, and an experiment after another on them, in a folder of their own."""

    def __init__(self, folder: Path, network: Network, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.network, self.patch = folder, network, patch
        write_dataset(folder / "data" / "small", train=8, test=2)
        self.data = ["--data-root", str(folder / "data"), "--dataset", "small"]
        self.schedule = ["--epochs", "1", "--batch-size", "4", "--device", "cpu", "--threads", "1"]

    def command(self, main: Callable[[], None], *words: str) -> None:
        """Run a command."""
        self.patch.setattr(sys, "argv", ["command", *words])
        main()

    def experiment(
        self, name: str, tuner: str, arguments: dict[str, Any], space: Any, main: Callable[[], None], *words: str
    ) -> History:
        """An experiment from its start to its end; returns what its tuner recorded."""
        place = self.folder / name
        (place / "checkpoint").mkdir(parents=True)
        nni = FakeNni(place / "checkpoint", self.patch, workers=1)
        made: SearchTuner = getattr(tuners, tuner)(network=str(self.network), **arguments)
        nni.start(made, space)
        assert nni.errors == []
        options = [*self.data, *self.schedule, "--network", str(self.network), *words]
        while nni.running:
            (trial,) = nni.running
            results: list[Any] = []
            channel = TrialChannel(lambda *_: None, trial.parameter_id, trial.parameters)
            self.patch.setenv("NNI_TRIAL_JOB_ID", trial.name)
            self.patch.setenv("NNI_OUTPUT_DIR", str(place / "environments" / "local-env" / "trials" / trial.name))
            self.patch.setattr(TrialChannel, "receive", lambda channel=channel: channel)
            self.patch.setattr(TrialChannel, "report_intermediate_result", lambda *_: None)
            self.patch.setattr(TrialChannel, "report_final_result", lambda _, result, to=results: to.append(result))
            self.command(main, *options)
            nni.report(trial, results[0])
            nni.end(trial)
        assert (nni.errors, nni.endings > 0) == ([], True)
        history = read_history(place / "checkpoint")
        assert history.network == self.network
        command = f"python3 -m {main.__module__} {' '.join(options)}"
        about = {"className": f"strategies.tuners.{tuner}", "classArgs": {"network": str(self.network), **arguments}}
        settings = {"trialCommand": command, "trialConcurrency": 1, "tuner": about, "searchSpace": space}
        SearchRecord(name, settings, history).write(self.folder / "run" / "split1" / name)
        return history

    def found(self, history: History, name: str) -> Path:
        """The structure file of the best that was found."""
        path = self.folder / "run" / "split1" / f"{name}.json"
        export("id", history.best()[0], history.network, path, "native")
        assert read_structure(path, self.network).network == self.network
        return path


@pytest.mark.parametrize("text", NETWORKS)
def test_from_the_first_search_to_the_report(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = text.startswith("tests.")
    if own:
        write_json(tmp_path / "net.json", describe_network(text, 6, 3).to_json())
        text = str(tmp_path / "net.json")
    network = find_network(text)
    house = House(tmp_path, network, monkeypatch)
    declared = to_nni(global_space(network, CANDIDATES))

    genetic = house.experiment(
        "genetic",
        "GlobalTuner",
        {"population_size": 2, "budget": 3, "starts": ["hand"]},
        declared,
        search_trial.main,
        *("--split", "1"),
    )
    assert len(genetic.evaluations) == 3
    assert genetic.evaluations[0].structure == {layer.label: min(layer.hand, 4) for layer in network.layers}

    differentiable = house.experiment(
        "global", "DifferentiableTuner", {"seeds": [0]}, declared, differentiable_trial.main, *("--split", "1")
    )
    found = house.found(differentiable, "global")

    local = house.experiment(
        "local",
        "LocalTuner",
        {"starts": [str(found)], "splits": [1], "seeds": [0], "iterations": 2, "expand_rate": 0.5},
        to_nni(local_space(network)),
        local_trial.main,
    )
    assert len(local.evaluations) == 2
    refined = house.found(local, "local")

    output, structures = tmp_path / "run" / "final", ["hand", str(found), str(refined)]
    trainings = {"structures": structures, "splits": [1], "seeds": [0]}
    names = {"structure": structures, "split": [1], "seed": [0]}
    shown = {name: {"_type": "choice", "_value": values} for name, values in names.items()}
    house.experiment("final", "FinalTuner", trainings, shown, final_trial.main, "--output", str(output))
    for name in ("hand", "global", "local"):
        metrics = json.loads((output / name / "split1" / "seed0" / "metrics.json").read_text())
        assert metrics["run"]["network"] == network.to_json()
        assert (metrics["receptive_field"]["future"] == 0) == network.causal

    training = output / "local" / "split1" / "seed0"
    words = (
        "--checkpoint",
        str(training / "model.pt"),
        *house.data[:2],
        "--split",
        "1",
        "--output",
        str(tmp_path / "p"),
    )
    house.command(predict.main, *words, *(["--network", text] if own else []))
    for path in (training / "predictions").iterdir():
        assert (tmp_path / "p" / path.name).read_text() == path.read_text()

    settings = {"dataset": "small", "template": "small", "splits": [1], "seeds": [0], "global_search": "differentiable"}
    phases = {"settings": {**settings, "phases": ["global", "local", "final"]}, "steps": {}}
    (tmp_path / "run" / "pipeline.json").write_text(json.dumps(phases))
    monkeypatch.setattr(Pictures, "draw", lambda *_: [])
    named = network if own else None
    page = write_report(str(tmp_path / "run"), tmp_path / "report", tmp_path / "data", named).read_text()
    assert ("your-own (tests.own_networks:residual)" if own else text) in page
    assert str(read_structure(refined, network)) in page
