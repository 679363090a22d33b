from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.atomic_file import write_json
from common.bad_input import BadInput
from experiments.config_file import class_arguments, read_config
from experiments.experiment_paths import ROOT, ExperimentPaths, quoted
from experiments.from_data.data_look import DataLook, look_at
from experiments.from_data.new_texts import texts
from experiments.from_data.phases import costs_of
from experiments.new import EXPERIMENTS
from experiments.preflight import preflight
from machines.gpus import Machine
from nas_space.network import Block, Layer, Network
from nas_space.networks import find_network
from nas_space.networks.your_own import OwnNetwork
from tests.conftest import write_dataset
from tests.experiments.from_data.test_phases import SPEEDS

CPU = Machine()
MS_TCN = find_network("ms-tcn")


@pytest.fixture
def look(tmp_path: Path) -> DataLook:
    write_dataset(tmp_path / "the data" / "mine", train=8, test=2)
    return replace(look_at("mine", tmp_path / "the data"), splits=(1, 2), lengths=(30, 40, 600))


def read(look: DataLook, paths: ExperimentPaths, network: Network = MS_TCN) -> dict[str, dict[str, Any]]:
    """The content of the YAML files, by what comes after the data set's name, written into their folder."""
    contents = {}
    for file, text in texts(look, network, costs_of(look, SPEEDS, 2), paths).items():
        path = paths.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in paths.folder.glob("*.yml"):
        contents[path.stem.rpartition("_")[2]] = read_config(path)
    return contents


@pytest.fixture
def written(look: DataLook, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """In a folder of the user's, with a name that a shell would divide."""
    return read(look, ExperimentPaths(tmp_path / "my files", absolute=True, data_root=tmp_path / "the data"))


def test_each_file_names_its_tuner_and_trial(written: dict[str, dict[str, Any]]) -> None:
    named = {key: (each["tuner"]["className"], each["trialCommand"].split()[2]) for key, each in written.items()}
    assert named == {
        "global": ("strategies.tuners.GlobalTuner", "trials.search_trial"),
        "differentiable": ("strategies.tuners.DifferentiableTuner", "trials.differentiable_trial"),
        "local": ("strategies.tuners.LocalTuner", "trials.local_trial"),
        "final": ("strategies.tuners.FinalTuner", "trials.final_trial"),
    }


@pytest.mark.parametrize("which", ["global", "differentiable", "local", "final"])
@pytest.mark.parametrize("longest", [3, 60, 600])
def test_preflight_passes_them(
    look: DataLook, which: str, longest: int, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """Also where the longest dilations of hand are no candidates. The data itself is shorter, of which they warn."""
    look = replace(look, lengths=(3, 3, longest), splits=(1,))
    written = read(look, ExperimentPaths(tmp_path / "my files", absolute=True, data_root=tmp_path / "the data"))
    lines = preflight(written[which], tmp_path / "my files", which, CPU)
    assert f"data: {tmp_path}/the data/mine, split 1" in lines
    assert not [each for each in recwarn.list if "no video has more than" not in str(each.message)]


@pytest.mark.parametrize("which", ["global", "differentiable", "local", "final"])
@pytest.mark.parametrize("text", ["ms-tcn:stages=2,layers=5", "ms-tcn++", "causal-ms-tcn"])
def test_all_files_have_the_network(text: str, which: str, look: DataLook, tmp_path: Path) -> None:
    network = find_network(text)
    paths = ExperimentPaths(tmp_path / "my files", absolute=True, data_root=tmp_path / "the data")
    content = read(replace(look, splits=(1,)), paths, network)[which]
    assert f" --network {text} " in content["trialCommand"]
    assert class_arguments(content)["network"] == text
    preflight(content, tmp_path / "my files", which, CPU)
    if which != "final":
        assert list(json.loads(Path(content["searchSpaceFile"]).read_text())) == list(network.paths)
    if which in ("global", "differentiable"):
        comment = f"for each of the {len(network.paths)} layers"
        assert comment in (tmp_path / "my files" / f"mine_{which}.yml").read_text()


def test_a_network_file_may_lie_anywhere(look: DataLook, tmp_path: Path) -> None:
    layers = tuple(Layer(f"c{number}", f"convs.{number}", 1, multiply_adds=9) for number in range(2))
    file = tmp_path / "it's #1: my nets" / "net.json"
    write_json(file, OwnNetwork("your-own", (), (Block("network", layers),), False, "a:f", 6, 3, 9).to_json())
    network = find_network(str(file))
    for written in read(look, ExperimentPaths(tmp_path / "mine", absolute=True), network).values():
        assert written["tuner"]["classArgs"]["network"] == str(file)
        words = shlex.split(written["trialCommand"])
        assert words[words.index("--network") + 1] == str(file)


def test_both_global_searches_have_the_declared_space(written: dict[str, dict[str, Any]], look: DataLook) -> None:
    (file,) = {written[which]["searchSpaceFile"] for which in ("global", "differentiable")}
    space = json.loads(Path(file).read_text())
    assert len(space) == 40
    assert all(choice == {"_type": "choice", "_value": list(look.candidates)} for choice in space.values())
    assert class_arguments(written["global"])["starts"] == ["hand"]
    assert class_arguments(written["differentiable"])["seeds"] == [0, 1, 2]


def test_the_final_training_is_over_all_splits(written: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    arguments = class_arguments(written["final"])
    assert arguments["splits"] == [1, 2]
    assert arguments["structures"] == ["hand", f"{tmp_path}/my files/runs/mine/split{{split}}/global.json"]
    space = written["final"]["searchSpace"]
    assert [space[name]["_value"] for name in ("structure", "split", "seed")] == [
        arguments[f"{name}s"] for name in ("structure", "split", "seed")
    ]


def test_paths_are_absolute_where_the_files_lie_elsewhere(written: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    for content in written.values():
        assert content["trialCodeDirectory"] == content["tuner"]["codeDirectory"] == str(ROOT)
        assert f"--data-root '{tmp_path}/the data'" in content["trialCommand"]
        assert f"--data-root '{tmp_path}/the data'" in class_arguments(content)["check_command"]


def test_paths_are_relative_in_the_repository(look: DataLook) -> None:
    made = texts(look, MS_TCN, costs_of(look, SPEEDS, 2), ExperimentPaths(EXPERIMENTS, absolute=False))
    assert list(made)[:2] == ["spaces/mine_global.json", "spaces/mine_local.json"]
    for file, text in made.items():
        assert str(ROOT) not in text
        if file.endswith(".yml"):
            assert yaml.safe_load(text)["trialCodeDirectory"] == ".."
            assert "--data-root" not in text
    assert yaml.safe_load(made["mine_global.yml"])["searchSpaceFile"] == "spaces/mine_global.json"
    assert class_arguments(yaml.safe_load(made["mine_local.yml"]))["starts"] == ["runs/mine/split1/global.json"]


def test_comments_say_cost_and_groups(look: DataLook) -> None:
    text = texts(look, MS_TCN, costs_of(look, SPEEDS, 2), ExperimentPaths(EXPERIMENTS, absolute=False))[
        "mine_global.yml"
    ]
    assert "# Cost: 24 trainings of 50 epochs, 2 side by side: about " in text
    assert r"# by --group '^(p\d+)-', a guess: names have 5 beginnings (p00, p01, ...), and no split" in text
    assert max(map(len, text.splitlines())) <= 140


@pytest.mark.parametrize("name", ["no", "1e3", "it's", 'a "b": c', "# x", "été {}", "12"])
def test_odd_names_are_read_as_they_are(look: DataLook, name: str) -> None:
    made = texts(
        replace(look, name=name), MS_TCN, costs_of(look, SPEEDS, 2), ExperimentPaths(EXPERIMENTS, absolute=False)
    )
    for file, text in made.items():
        if file.endswith(".yml"):
            assert str(yaml.safe_load(text)["experimentName"]).startswith(f"{name} ")
    assert yaml.safe_load(f"[{quoted(name)}]") == [name] or name in ("no", "12", "1e3")


@pytest.mark.parametrize("name", ["a\nb", "x{split}"])
def test_names_that_no_file_can_hold_are_refused(look: DataLook, name: str) -> None:
    with pytest.raises(BadInput, match="cannot be in experiment files"):
        texts(replace(look, name=name), MS_TCN, costs_of(look, SPEEDS, 2), ExperimentPaths(EXPERIMENTS, absolute=False))
