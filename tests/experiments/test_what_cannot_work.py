"""Experiments whose trials would all fail, or whose tuner would end at once: refused in a line that names the file."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from experiments.config_file import read_config
from experiments.preflight import preflight
from machines.gpus import Machine
from nas_space.networks import find_network
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from tests.conftest import REPOSITORY, write_dataset
from tests.experiments.experiment_texts import (
    DIFFERENTIABLE,
    FINAL,
    GLOBAL,
    GRID,
    LOCAL,
    NNIS_TUNER,
    OWN_TRIAL,
    OWN_TUNER,
    TEXTS,
)

NETWORK = find_network("ms-tcn:stages=2,layers=2")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A structure file to start from; the data set ``small``, of three splits, is there."""
    write_dataset(tmp_path / "data" / "small", train=5, test=1, splits=3)
    write_dataset(tmp_path / "data" / "other", splits=3)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    write_structure(Structure.hand(NETWORK), tmp_path / "start.json")
    return tmp_path / "start.json"


def check(text: str, start: Path, **arguments: Any) -> list[str]:
    """Check a YAML file with that text, as ``launch`` does."""
    path = start.with_name("x.yml")
    path.write_text(text.replace("START", str(start)))
    return preflight(read_config(path), path.parent, path, Machine(), **{"starting": True, **arguments})


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_can_work_passes(text: str, start: Path) -> None:
    found = check(text, start)
    assert any(line.startswith("options: trials.") for line in found)
    assert any(line.startswith(f"data: {start.parent}/data/small, split ") for line in found)


def test_candidates_beyond_the_longest_video_are_warned_of(start: Path) -> None:
    with pytest.warns(
        UserWarning, match="so a layer of dilation 64 sees its own frame only: leave .* 1 2 4 8 16 32 --"
    ):
        check(GLOBAL, start)


@pytest.mark.parametrize(
    ("text", "before", "after", "message"),
    [
        # Options of the trial.
        (GLOBAL, "--epochs 6", "--epocs 6", "trials.search_trial: unrecognized arguments: --epocs 6"),
        (GLOBAL, "--epochs 6", "--epochs six", "trials.search_trial: argument --epochs: invalid int value: 'six'"),
        (GLOBAL, "--epochs 6", "--epochs -1", r"trials.search_trial: epochs \(-1\) .* must be at least 1"),
        (GLOBAL, "--epochs 6", "--learning-rate nan", "the learning rate must be above 0, not nan"),
        (GLOBAL, "--epochs 6", "--help", "it would only print its help"),
        (GLOBAL, "--dataset small --split 3 --net", "--net", "arguments are required: --split, --dataset"),
        (GLOBAL, "--split 3 --net", "--split all --net", "--split must be the number of a split, not 'all'"),
        (GLOBAL, "--epochs 6", "--validation-fraction 1.5", "validation fraction must lie between 0 and 1"),
        (GLOBAL, "--epochs 6", "--group x", "the group expression 'x' does not match video"),
        (GLOBAL, "--epochs 6", "--background fish", "background class 'fish' is not in the mapping of small"),
        (LOCAL, "--network ms-tcn:stages=2,layers=2", "--objective f1", "argument --objective: invalid choice: 'f1'"),
        (LOCAL, "local_trial", "search_trial --split 1", "LocalTuner needs trials.local_trial, not trials.search"),
        (DIFFERENTIABLE, "--candidates 1 2 4", "--candidates 4", "--candidates must be at least two different"),
        (GRID, "--output runs", "", "trials.final_trial: the following arguments are required: --output"),
        # Arguments of the tuner.
        (GLOBAL, "budget: 24", "budget: 0", "tuner: budget must be a whole number of at least 1, not 0"),
        (GLOBAL, "budget: 24", "budgt: 24", "GlobalTuner has no argument 'budgt'; it has population_size, budget"),
        (GLOBAL, "budget: 24", "budget: no", "budget must be a whole number of at least 1, not False"),
        (GLOBAL, "rate: 0.2", "rate: .nan", "tuner.classArgs.mutation_rate: nan is not a number that NNI can pass on"),
        (OWN_TUNER, "rate: 0.2", "rate: -.inf", "tuner.classArgs.mutation_rate: -inf is not a number"),
        (GLOBAL, "seed: 0", "retries: -1", "retries must be a whole number of at least 0, not -1"),
        (GLOBAL, "seed: 0", "starts: [runs/x.json]", f"tuner: {REPOSITORY}/runs/x.json: no such structure file"),
        (GLOBAL, "seed: 0", "starts: START", "starts must be a list of file names"),
        (GLOBAL, "GlobalTuner", "GeneticTuner", "strategies.tuners has no class 'GeneticTuner'; it has Differ.*Global"),
        (LOCAL, "[START]", "[START, none.json]", f"{REPOSITORY}/none.json: no such structure file"),
        (LOCAL, "[START]", f"[{REPOSITORY}/README.md]", "README.md: not a JSON file"),
        (LOCAL, "iterations: 5", "iterations: 0", "iterations must be a whole number of at least 1, not 0"),
        (LOCAL, "expand_rate: 0.25", "expand_rate: yes", "expand rate must be at least 0 and below 1, not True"),
        (LOCAL, "expand_rate: 0.25", "min_dilation: 2", "layer s1l0: dilation 1 lies outside the bounds 2 to 2048"),
        (LOCAL, "    seeds: [0]\n", "", "LocalTuner needs the argument seeds"),
        (DIFFERENTIABLE, "[0, 1]", "[0, no]", "seeds must be a list of different whole numbers .* not .0, False."),
        # Networks and spaces.
        (GLOBAL, "demo_global", "ms_tcn_global", "names 's1l2', which is no layer of ms-tcn:stages=2,layers=2"),
        (GLOBAL, "demo_global", "demo_local", "the search space of layer 's1l0' must be"),
        (LOCAL, "demo_local", "ms_tcn_local", "the search space must name the layers of the network"),
        (GLOBAL, f"--network {NETWORK}", "", f"its network is ms-tcn, but that of the tuner .classArgs. {NETWORK}$"),
        (GLOBAL, f"--network {NETWORK}", "--network ms-tcn++", r"its network is ms-tcn\+\+, but that of the tuner"),
        (GLOBAL, f"--network {NETWORK}", f"--network causal-{NETWORK}", f"its network is causal-{NETWORK}, but that"),
        (GLOBAL, f"--network {NETWORK}", "--network tcn", "argument --network: there is no network 'tcn': it must be"),
        (GLOBAL, "network: ms-tcn:stages=2,layers=2", "network: tcn", "tuner: there is no network 'tcn': it must be"),
        (GLOBAL, "network: ms-tcn:stages=2,layers=2", "network: 2", "tuner: network must be a text, as in ms-tcn:stag"),
        (LOCAL, "network: ms-tcn:", "num_stages: 2\n    network: ms-tcn:", "network says what num_stages would say"),
        (NNIS_TUNER, "layers=2", "layers=4", "must name the layers of the trials' network ms-tcn:stages=2,layers=4"),
        (GRID, "layers=2", "layers=4", "start.json: the structure is of another network"),
        (GRID, "--network ", "--network causal-", "start.json: the structure is of another network"),
        # Data and splits.
        (GLOBAL, "search_trial --dataset small", "search_trial --dataset smal", "it checks .*/small, but .*/smal$"),
        (GLOBAL, "check_data --dataset small", "check_data --dataset other", "it checks .*/other, but .*/data/small"),
        (GLOBAL, "check_data --dataset small", f"check_data {REPOSITORY}", "it checks .*, but the trials train on"),
        (GLOBAL, "--files-only", "--file-only x y", "check_command: trials.check_data: unrecognized arguments"),
        (GLOBAL, "--files-only", "--validation-fraction 2", "check_command: trials.check_data: .* between 0 and 1"),
        (GLOBAL, "check_command: python3", "check_command: no #", "check_command: it must be a string, not False"),
        (GLOBAL, "check_command: python3", "check_command: '\"x' #", "check_command: it cannot be read: No closing"),
        (GLOBAL, "--dataset small --split 3 --net", "--dataset small --split 4 --net", "no such split; small has 1, 2"),
        (LOCAL, "[1, 3]", "[1, 4]", "train.split4.bundle: no such split; small has 1, 2, 3"),
        (GRID, "[1, 2, 3]", "[1, 2, 3, 4, 5]", "train.split4.bundle: no such split; small has 1, 2, 3"),
        (GRID, "[1, 2, 3]", "[1, yes]", "splits and seeds must be whole numbers of at least 0"),
        (GRID, '[hand, "START"]', "[hand, no]", r"structures must be names of files, or hand, not \['hand', False\]"),
        (GRID, '"START"', '"runs/split{split}.json"', f"{REPOSITORY}/runs/split1.json: no such structure file"),
        (GRID, "  seed: {", "  seeds: {", "a final training needs the parameters structure, split and seed"),
        # The final training by our tuner.
        (FINAL, "final_trial", "local_trial", "unrecognized arguments: --output runs"),
        (FINAL, "final_trial --dataset small --network ms-tcn:stages=2,layers=2 --output runs",
         "search_trial --dataset small --split 1", "FinalTuner needs trials.final_trial, not trials.search_trial"),
        (FINAL, "network: ms-tcn:stages=2,layers=2", "network: ms-tcn:stages=2", "structure is of another network"),
        (FINAL, f"--network {NETWORK}", "--network ms-tcn:stages=2,layers=4",
         f"its network is ms-tcn:stages=2,layers=4, but that of the tuner .classArgs. {NETWORK}$"),
        (FINAL, "seeds: &", "seed: &", "FinalTuner has no argument 'seed'; it has structures, splits, seeds, network"),
        (FINAL, "&seeds [0, 1, 2]", "&seeds [0, no]", r"seeds must be a list of whole numbers of .* not \[0, False\]"),
        (FINAL, "&seeds [0, 1, 2]", "&seeds [0, 0]", r"seeds must be different, not \[0, 0\]"),
        (FINAL, "_value: *seeds", "_value: [0, 1]", "the search space must show the structures, splits and seeds"),
        (FINAL, '[hand, "START"]', '["a/hand.json", "START"]', f"{REPOSITORY}/a/hand.json: no such structure file"),
        (FINAL, "[1, 2, 3]", "[1, 2, 4]", "train.split4.bundle: no such split; small has 1, 2, 3"),
        (FINAL, "check_data --dataset small", "check_data --dataset other", "it checks .*/other, but .*/data/small"),
        # What YAML makes of words.
        (GLOBAL, "trialConcurrency: 2", "trialConcurrency: yes", "trialConcurrency: true .YAML reads yes, no, on"),
        (GRID, "maxTrialNumber: 18", "maxTrialNumber: on", "maxTrialNumber: true .YAML reads"),
        (GRID, "maxTrialNumber: 18", "experimentName: no", "experimentName: false .YAML reads"),
        (GRID, "name: GridSearch", "name: off", "name: false .YAML reads"),
        (GRID, "{platform: local}", "{platform: local, trialGpuNumber: no}", "trialGpuNumber: false .YAML reads"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_one_line(text: str, before: str, after: str, message: str, start: Path) -> None:
    assert before in text
    with pytest.raises(BadInput, match=message) as refused:
        check(text.replace(before, after), start)
    assert str(refused.value).startswith(f"{start.with_name('x.yml')}: ")
    assert "\n" not in str(refused.value)


# What is not ours.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (OWN_TRIAL, "not checked: options of the trials, as the trial command is not one of ours"),
        (GLOBAL.replace("--epochs 6", "--epochs $EPOCHS"), "not checked: options .*, as the shell replaces words"),
        (GLOBAL.replace("--epochs 6", "--data-root ~/data"), "not checked: options .*, as the shell replaces words"),
        (NNIS_TUNER, "not checked: arguments of the tuner TPE, which is not ours"),
        (OWN_TUNER, "not checked: arguments of the tuner my.Tuner, which is not ours"),
        (GRID, "not checked: arguments of the tuner GridSearch, which is not ours"),
        (GRID.replace("{_type: choice, _value: [0, 1, 2]}", "{_type: randint, _value: [0, 9]}"), "data: .*split 1, 2"),
        (GLOBAL.replace("python3 -m trials.check_data", "./my_check"), "tuner: GlobalTuner accepts"),
    ],
)
def test_what_is_not_ours_passes(text: str, found: str, start: Path) -> None:
    assert any(re.match(found, line) for line in check(text, start))


def test_quoted_words_are_checked(start: Path) -> None:
    """The pipeline quotes what it puts into a command; a shell replaces nothing in there."""
    (start.parent / "data" / "small").rename(start.parent / "data" / "$HOME ~")
    text = GLOBAL.replace("--dataset small", "--dataset '$HOME ~'")
    assert f"data: {start.parent}/data/$HOME ~, split 3" in check(text, start)


def test_the_root_of_the_data_that_a_command_assigns_counts(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("G2L_DATA_ROOT")
    root = start.parent / "data"
    text = GLOBAL.replace("python3 -m trials.search", f"G2L_DATA_ROOT={root} python3 -m trials.search")
    text = text.replace("check_data --dataset", f"check_data --data-root {root} --dataset")
    assert f"data: {root}/small, split 3" in check(text, start)


def test_abbreviated_options_are_warned_of(start: Path) -> None:
    with pytest.warns(UserWarning, match="write its options in full"):
        check(GLOBAL.replace("--epochs 6", "--epoch 6"), start)


def test_trials_that_choose_on_the_test_videos_need_no_groups(start: Path) -> None:
    check(GLOBAL.replace("--epochs 6", "--group x --select-on test"), start)


# What earlier versions wrote.

EARLIER_OPTIONS = "--num-stages 2 --num-layers 2"
EARLIER_ARGUMENTS = "num_stages: 2\n    num_layers: 2"
NOW = "ms-tcn:stages=2,layers=2"


def warnings_of(text: str, start: Path) -> set[str]:
    """What a check that passes warns of, beside the short videos."""
    with warnings.catch_warnings(record=True, action="always") as warned:
        check(text, start)
    return {message for each in warned if "no video has more than" not in (message := str(each.message))}


@pytest.mark.parametrize("text", [GLOBAL, LOCAL, FINAL, GRID], ids=["global", "local", "final", "grid"])
def test_the_earlier_options_are_translated_with_a_warning(text: str, start: Path) -> None:
    module = text.partition("python3 -m ")[2].partition(" ")[0]
    assert warnings_of(text.replace(f"--network {NOW}", EARLIER_OPTIONS), start) == {
        f"trialCommand: {module}: --num-stages 2: write --network ms-tcn:stages=2",
        f"trialCommand: {module}: --num-layers 2: write --network {NOW}",
    }


@pytest.mark.parametrize("text", [GLOBAL, LOCAL, FINAL], ids=["global", "local", "final"])
def test_the_earlier_arguments_are_translated_with_a_warning(text: str, start: Path) -> None:
    earlier = text.replace(f"network: {NOW}", EARLIER_ARGUMENTS)
    assert warnings_of(earlier, start) == {f"classArgs: write network: {NOW} in place of num_stages, num_layers"}


def test_earlier_arguments_of_another_network_are_refused(start: Path) -> None:
    text = GLOBAL.replace(f"network: {NOW}", EARLIER_ARGUMENTS).replace(f"--network {NOW}", "--network causal-ms-tcn")
    with (
        pytest.warns(UserWarning, match="classArgs: write network"),
        pytest.raises(BadInput, match=f"its network is causal-ms-tcn, but that of the tuner .classArgs. {NOW}$"),
    ):
        check(text, start)


def test_earlier_arguments_fit_a_structure_that_is_not_there_yet(start: Path) -> None:
    path = start.parent / "run" / "split1" / "global.json"
    text = LOCAL.replace(f"network: {NOW}", EARLIER_ARGUMENTS).replace("START", str(path))
    with pytest.warns(UserWarning, match="classArgs: write network"):
        check(text, start, results=[path])


# What is not there yet.


@pytest.mark.parametrize(
    "text", [LOCAL.replace("expand_rate: 0.25", "max_dilation: 9"), FINAL, GRID], ids=["local", "final", "grid"]
)
def test_what_an_earlier_step_writes_is_not_missing(text: str, start: Path) -> None:
    """Whatever it will be: the hand-designed dilations, for one, would lie beyond the bounds."""
    text = text.replace("START", "RUNsplit{split}/global.json" if text in (FINAL, GRID) else "RUNsplit1/global.json")
    text = text.replace("RUN", f"{start.parent}/run/")
    results = [start.parent / "run" / f"split{split}" / "global.json" for split in (1, 2, 3)]
    assert not any("global.json" in line for line in check(text, start, results=results))
    with pytest.raises(BadInput, match=r"run/split1/global\.json: no such structure file"):
        check(text, start)
    found = [line for line in check(text, start, starting=False) if "global.json" in line]
    assert [line.startswith(f"not checked: {results[0]}") for line in found] == [True]
    write_structure(Structure.hand(find_network("ms-tcn:stages=1,layers=1")), results[0])
    with pytest.raises(BadInput, match=f"{results[0]}: the structure is of another network"):
        check(text, start, results=results[1:])


def test_genetic_searches_may_begin_with_what_an_earlier_step_finds(start: Path) -> None:
    path = start.parent / "run" / "global.json"
    check(GLOBAL.replace("seed: 0", f"starts: [{path}]"), start, results=[path])


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_only_what_is_about_to_start_needs_its_data(text: str, start: Path) -> None:
    (start.parent / "data" / "small").rename(start.parent / "data" / "elsewhere")
    folder = start.parent / "data" / "small"
    assert f"not checked: no data ({folder} is missing)" in check(text, start, starting=False)
    with pytest.raises(BadInput, match=f"{folder}: no such data set folder"):
        check(text, start)


def test_nothing_of_nni_is_touched(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder, no environment; and the check command is not run."""
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", "mine")
    monkeypatch.delenv("NNI_TUNER_COMMAND_CHANNEL", raising=False)
    before = dict(os.environ)
    check(GLOBAL.replace("python3 -m trials.check_data --dataset small --split 3", f"touch {start.parent}/made"), start)
    assert dict(os.environ) == before
    assert not (start.parent / "made").exists()
    assert not (start.parent / "nni-experiments").exists()
