from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from common.bad_input import BadInput
from experiments import plan
from experiments.checks.command_check import ROOT, TrialCommand, read_trial_command
from experiments.config_file import class_arguments, read_config
from experiments.plan import FOLDER, default_search, make_plan, search_file
from experiments.steps import Phase, final_trainings, trials_of
from nas_space.networks import find_network
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from nas_space.structure_names import training_folder
from strategies.tuners import FinalTuner
from trials.training.arguments import check_training_arguments
from trials.training.settings import TrainingSettings


@pytest.fixture
def tuner_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What NNI tells a tuner when it starts it."""
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", "ws://localhost:1/tuner")


TEMPLATES = ("demo", "50salads_mid_svm", "50salads", "gtea", "breakfast")


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_data_set_has_a_plan(template: str, tmp_path: Path) -> None:
    steps = make_plan(tmp_path, template, template, [1], get_args(Phase), [0])
    assert [step.name for step in steps] == ["global_split1", "local_split1", "choice", "final"]
    assert all(Path(step.config["trialCodeDirectory"]) == FOLDER.parent for step in steps)
    assert all(f"--dataset {template}" in step.config["trialCommand"] for step in steps)
    assert all(f"--dataset {template}" in str(step.check_command) for step in steps)


def test_steps_hand_their_structures_on(tmp_path: Path) -> None:
    steps = make_plan(tmp_path, "mine", "demo", [2, 3], ["global", "local", "final"], [0, 1])
    names = [step.name for step in steps]
    assert names == ["global_split2", "local_split2", "global_split3", "local_split3", "final"]
    _, local, _, _, final = steps
    assert (
        class_arguments(local.config)["starts"] == [str(tmp_path / "split2" / "global.json")] == [str(steps[0].result)]
    )
    assert class_arguments(local.config)["splits"] == [2]
    assert "--dataset mine --split 2" in str(local.check_command)
    structures = class_arguments(final.config)["structures"]
    assert structures == ["hand", f"{tmp_path}/split{{split}}/global.json", f"{tmp_path}/split{{split}}/local.json"]
    assert structures[2].replace("{split}", "2") == str(local.result)
    # 3 structures x 2 splits x 2 seeds
    assert final.trials == trials_of(final.config) == 12
    folders = final_trainings(final.config)
    assert len(set(folders)) == 12
    assert folders[-1] == Path("local/split3/seed1")


def test_the_choice_trains_on_what_is_left_by_another_holdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases: list[Phase] = ["global", "choice", "final"]
    _, choice, final = make_plan(tmp_path, "mine", "demo", [1], phases, [4, 5])
    assert (choice.trials, final.trials) == (2, 4)  # hand and global, with one seed
    assert class_arguments(choice.config) == {**class_arguments(final.config), "seeds": [4]}
    trial = choice.config["trialCommand"]
    assert (
        trial
        == final.config["trialCommand"].replace(f"{tmp_path}/final", f"{tmp_path}/choice")
        + " --validation-fraction 0.25"
    )
    # As the search holds out: half of the videos, by person, with seed 3.
    for name in ("differentiable", "final"):
        (tmp_path / f"mine_{name}.yml").write_text((FOLDER / f"demo_{name}.yml").read_text())
    text = (tmp_path / "mine_differentiable.yml").read_text()
    more = "--split 1 --validation-fraction 0.5 --validation-seed=3 --group '(p..)'"
    (tmp_path / "mine_differentiable.yml").write_text(text.replace("--split 1", more))
    monkeypatch.setattr(plan, "FOLDER", tmp_path)
    (tmp_path / "spaces").symlink_to(FOLDER / "spaces")
    _, choice, _ = make_plan(tmp_path, "mine", "mine", [1], phases, [0])
    assert choice.config["trialCommand"].endswith("--validation-fraction 0.5 --validation-seed 3 --group '(p..)'")
    with pytest.raises(BadInput, match="add global or local"):
        make_plan(tmp_path, "mine", "mine", [1], ["choice", "final"], [0])
    text = (tmp_path / "mine_final.yml").read_text()
    (tmp_path / "mine_final.yml").write_text(text.replace("--batch-size 1", "--batch-size 1 --validation-fraction 0.1"))
    with pytest.raises(BadInput, match=r"mine_final\.yml: final trainings are scored on the test videos"):
        make_plan(tmp_path, "mine", "mine", [1], ["final"], [0])


@pytest.mark.parametrize("splits", [[1], [1, 2]])
@pytest.mark.usefixtures("tuner_environment")
def test_the_tuner_of_the_final_training_accepts_its_plan(splits: list[int], tmp_path: Path) -> None:
    steps = make_plan(tmp_path, "mine", "demo", splits, ["global", "final"], [0, 1])
    for step in steps[:-1]:
        assert step.result
        write_structure(Structure.hand(find_network("ms-tcn:stages=2,layers=2")), step.result)
    arguments = class_arguments(steps[-1].config)
    command = arguments.pop("check_command")
    assert command == "python3 -m trials.check_data --dataset mine --files-only" + " --split 1" * (len(splits) == 1)
    phase = FinalTuner(**arguments).create_search(steps[-1].config["searchSpace"])
    asked = []
    while (proposal := phase.ask()) is not None:
        asked.append(training_folder(*proposal.extra.values()))
    assert sorted(asked) == sorted(final_trainings(steps[-1].config))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*_final.yml")), ids=lambda path: path.name)
@pytest.mark.usefixtures("tuner_environment")
def test_each_final_yaml_file_names_its_trainings_once(path: Path) -> None:
    config = read_config(path)
    arguments = {**class_arguments(config), "structures": ["hand"]}
    arguments.pop("check_command")
    assert config["searchSpace"]["structure"]["_value"] == class_arguments(config)["structures"]
    config["searchSpace"]["structure"]["_value"] = ["hand"]
    assert FinalTuner(**arguments).create_search(config["searchSpace"]).ask() is not None


def test_a_copied_yaml_file_with_nnis_grid_search_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load((FOLDER / "demo_final.yml").read_text())
    old = {**config, "tuner": {"name": "GridSearch"}, "maxTrialNumber": 30, "searchSpace": {}}
    for name in ("global", "local"):
        (tmp_path / f"mine_{name}.yml").write_text((FOLDER / f"demo_{name}.yml").read_text())
    (tmp_path / "mine_final.yml").write_text(yaml.safe_dump(old))
    monkeypatch.setattr(plan, "FOLDER", tmp_path)
    (final,) = make_plan(tmp_path, "mine", "mine", [1, 2], ["final"], [0, 1])
    assert (final.config["tuner"], final.config["maxTrialNumber"], final.trials) == ({"name": "GridSearch"}, 4, 4)
    assert trials_of(final.config) == 4
    assert final.config["searchSpace"]["split"] == {"_type": "choice", "_value": [1, 2]}


def test_options_of_a_template_reach_the_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (FOLDER / "demo_final.yml").read_text()
    (tmp_path / "mine_final.yml").write_text(text.replace("--decay-epochs 13", "--decay-epochs 13 --average-last 0.25"))
    monkeypatch.setattr(plan, "FOLDER", tmp_path)
    (final,) = make_plan(tmp_path, "mine", "mine", [1], ["final"], [0])
    command = final.config["trialCommand"]
    trial = read_trial_command(command, command.split(), ROOT)
    assert isinstance(trial, TrialCommand)
    assert check_training_arguments(trial.arguments) == TrainingSettings(
        epochs=16, batch_size=1, learning_rate=3e-3, decay_epochs=(13,), average_last=0.25
    )


def test_the_cost_is_known_before(tmp_path: Path) -> None:
    steps = make_plan(tmp_path, "breakfast", "breakfast", [1], ["global", "local"], [0])
    assert [step.trials for step in steps] == [3, 10]
    # Population 50, 100 generations.
    assert make_plan(tmp_path, "breakfast", "breakfast", [1], ["global"], [0], "paper")[0].trials == 5000
    assert make_plan(tmp_path, "breakfast", "breakfast", [1], ["global"], [0], "genetic")[0].trials == 24


def test_the_default_search_is_one_that_has_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "FOLDER", tmp_path)
    assert default_search("mine") == "differentiable"
    (tmp_path / "mine_global.yml").write_text((FOLDER / "demo_global.yml").read_text())
    (tmp_path / "spaces").symlink_to(FOLDER / "spaces")
    assert default_search("mine") == "genetic"
    # As a copy of an earlier version's file.
    (tmp_path / "mine_global.yml").write_text((FOLDER / "demo_differentiable.yml").read_text())
    assert (default_search("mine"), search_file("mine", "differentiable")) == ("differentiable", "mine_global.yml")
    (tmp_path / "mine_differentiable.yml").write_text((FOLDER / "demo_differentiable.yml").read_text())
    assert search_file("mine", "differentiable") == "mine_differentiable.yml"
    assert search_file("mine", "genetic") == "mine_genetic.yml"  # mine_global.yml has another


def test_a_step_that_has_begun_goes_on_by_its_own_file(tmp_path: Path) -> None:
    phases: list[Phase] = ["global", "local", "final"]
    before = make_plan(tmp_path, "mine", "demo", [1, 2], phases, [0], "genetic")
    for step in before:
        named = {**step.config, "experimentName": f"{step.config['experimentName']} (00c0ffee)"}
        (tmp_path / f"{step.name}.yml").write_text(yaml.safe_dump(named))
    own = tmp_path / "global_split1.yml"
    former = yaml.safe_load(own.read_text())
    former["tuner"] = {**former["tuner"], "className": "strategies.tuners.DifferentiableTuner", "classArgs": {}}
    former |= {"searchSpace": {"seed": {"_type": "choice", "_value": [0, 1]}}}
    del former["searchSpaceFile"]
    own.write_text(yaml.safe_dump(former))
    names = [step.name for step in before]
    # None has begun: the files there are of steps that were given up.
    assert make_plan(tmp_path, "mine", "demo", [1, 2], phases, [0], "genetic") == before
    first, *others = make_plan(tmp_path, "mine", "nowhere", [1, 2], phases, [0], "genetic", started=names)
    assert (first.source, first.trials) == (str(own), 2)
    assert first.config == {**former, "experimentName": "mine global_split1"}
    assert [step.config for step in others] == [step.config for step in before[1:]]
    # A split that has not begun goes on as the others did, so that no searches of two kinds are averaged.
    some = [*names[:2], "final"]
    _, _, second, *_ = make_plan(tmp_path, "mine", "nowhere", [1, 2], phases, [0], "genetic", started=some)
    assert (second.name, second.config["tuner"]) == ("global_split2", first.config["tuner"])
    assert "--split 2" in second.config["trialCommand"]


def test_another_global_search_takes_the_place_of_the_first(tmp_path: Path) -> None:
    steps = make_plan(tmp_path, "mine", "demo", [2], ["global", "local"], [0], "differentiable")
    search, local = steps
    assert (search.name, search.phase, search.source) == (
        "global_split2",
        "global",
        "experiments/demo_differentiable.yml",
    )
    assert "trials.differentiable_trial --dataset mine --split 2" in search.config["trialCommand"]
    # A trial for each of its seeds.
    assert search.trials == len(class_arguments(search.config)["seeds"]) > 1
    assert search.config["searchSpaceFile"] == str(FOLDER / "spaces" / "demo_global.json")
    assert class_arguments(local.config)["starts"] == [str(search.result)]


def test_the_branches_of_a_local_search_are_trained_too(tmp_path: Path) -> None:
    phases: list[Phase] = ["global", "local", "final"]
    *_, final = make_plan(tmp_path, "mine", "demo", [1], phases, [0], multiple=True)
    found = [f"{tmp_path}/split{{split}}/{name}.json" for name in ("global", "local", "multiple")]
    assert class_arguments(final.config)["structures"] == ["hand", *found]
    assert final.trials == 4


@pytest.mark.parametrize("phases", [["global", "final"], ["final"], ["choice", "final"]], ids=" ".join)
def test_without_a_local_search_there_are_no_branches_to_train(phases: list[Phase], tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refusal:
        make_plan(tmp_path, "mine", "demo", [1], phases, [0], multiple=True)
    assert str(refusal.value) == "--multiple: its branches are those of a local search: add local to --phases"


def test_unknown_templates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no experiments/nowhere_differentiable\.yml: copy one .*\(.*demo.*\)"):
        make_plan(tmp_path, "nowhere", "nowhere", [1], ["global"], [0])
    with pytest.raises(BadInput, match=r"demo_quantum\.yml: copy one for your data, or leave out --global-search$"):
        make_plan(tmp_path, "mine", "demo", [1], ["global"], [0], "quantum")


@pytest.mark.parametrize(
    ("tuner", "space", "message"),
    [
        ({"className": "strategies.tuners.GlobalTuner"}, None, "budget must be a whole number, not None"),
        ({"className": "strategies.tuners.DifferentiableTuner"}, None, "seeds must be a list, not None"),
        ({"className": "strategies.tuners.DifferentiableTuner"}, {"seed": {"_value": 3}}, "seeds must be a list"),
        ({"className": "strategies.tuners.DifferentiableTuner"}, [], "seeds must be a list"),
    ],
)
def test_a_global_search_must_say_how_long_it_is(
    tuner: dict[str, str], space: object, message: str, tmp_path: Path
) -> None:
    command = {"trialCommand": "t --dataset mine --split 1", "trialCodeDirectory": "."}
    (tmp_path / "own_new.yml").write_text(yaml.safe_dump({**command, "tuner": tuner, "searchSpace": space}))
    with pytest.raises(BadInput, match=message):
        make_plan(tmp_path / "run", "mine", str(tmp_path / "own"), [1], ["global"], [0], "new")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_no_configuration_asks_for_gpus(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    assert config["trainingService"] == {"platform": "local"}
    assert (FOLDER / config["trialCodeDirectory"]).resolve() == FOLDER.parent
    if "searchSpaceFile" in config:
        assert (FOLDER / config["searchSpaceFile"]).is_file()
