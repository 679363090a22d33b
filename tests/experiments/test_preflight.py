"""Experiments that are refused before NNI starts, and all of ours, which are not."""

from __future__ import annotations

import contextlib
import json
import shlex
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from experiments import launch, pipeline
from experiments.checks.command_check import split_command
from experiments.config_file import read_config
from experiments.nni_experiment import Experiment
from experiments.plan import FOLDER, make_plan
from experiments.preflight import preflight
from machines.gpus import Gpu, Machine
from nni_api.register import Registered
from tests.conftest import REPOSITORY, write_dataset
from tests.forked import shell

SPACE = FOLDER / "spaces" / "demo_global.json"
NO_GPU = Machine()
MACHINES = {
    "no GPU": NO_GPU,
    "one idle": Machine((Gpu(0, "GPU-0"),)),
    "one busy": Machine((Gpu(0, "GPU-0", busy=True),)),
    "MIG": Machine((Gpu(0, "GPU-0", mig=True),)),
    "nvidia-smi fails": Machine(fault="nvidia-smi fails: oh"),
}


@pytest.mark.filterwarnings("ignore:the trials will run on the CPU. this machine shows no GPU .nvidia-smi fails")
@pytest.mark.filterwarnings(r"ignore:trialConcurrency. 2, but the trials have 1 GPU\(s\)")
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_every_configuration_of_ours_passes_everywhere(path: Path, machine: Machine) -> None:
    *found, where = preflight(read_config(path), FOLDER, path, machine)
    assert any(line.startswith("not checked: no data (") for line in found)
    assert where.startswith("trials: ")
    assert where.endswith("on the CPU") == (not machine.gpus)


@pytest.mark.filterwarnings("ignore:all trials will use the first of 4 GPUs")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
def test_every_configuration_of_ours_passes_on_four_gpus(path: Path) -> None:
    machine = Machine(tuple(Gpu(index, f"GPU-{index}") for index in range(4)))
    assert "on one GPU" in preflight(read_config(path), FOLDER, path, machine)[-1]


def test_the_lines_for_several_gpus_do_as_their_comment_says() -> None:
    lines = (FOLDER / "breakfast_global.yml").read_text()
    for line in ("trialGpuNumber: 1", "useActiveGpu: true", "maxTrialNumberPerGpu: 1"):
        assert f"  # {line}\n" in lines
        lines = lines.replace(f"  # {line}\n", f"  {line}\n")
    content = yaml.safe_load(lines)
    for count in (2, 3, 8):
        machine = Machine(tuple(Gpu(index, f"GPU-{index}") for index in range(count)))
        preflight({**content, "trialConcurrency": count}, FOLDER, "x.yml", machine)
        with pytest.raises(BadInput, match=f"write trialConcurrency: {count}"):
            preflight({**content, "trialConcurrency": count + 1}, FOLDER, "x.yml", machine)
    for machine in (NO_GPU, MACHINES["one idle"]):
        with pytest.raises(BadInput, match="leave "):
            preflight(content, FOLDER, "x.yml", machine)


def changed(**changes: Any) -> dict[str, Any]:
    """The demo's global search with other settings; None leaves one out."""
    content = {**read_config(FOLDER / "demo_global.yml"), **changes}
    return {name: value for name, value in content.items() if value is not None}


LOCAL = {"platform": "local"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trialConcurrency": None}, "trial_concurrency is not set"),
        ({"trialConcurrency": "two"}, "type of trial_concurrency .'two'. is not"),
        ({"trialConcurrency": 0}, "assert self.trial_concurrency > 0"),
        ({"trialConcurency": 2}, "does not have field.s. trialconcurency"),
        ({"trialGpuNumber": -1}, "assert self.trial_gpu_number is None or"),
        ({"maxTrialDuration": "10x"}, "Bad unit in \"10x\""),
        ({"trialCodeDirectory": "nowhere"}, f'"{FOLDER}/nowhere" is not a directory'),
        ({"searchSpaceFile": "nowhere.json"}, f'"{FOLDER}/nowhere.json": FileNotFoundError'),
        ({"searchSpaceFile": None}, "search_space and search_space_file must be set one"),
        ({"tuner": None}, "tuner must be set"),
        ({"tuner": "Random"}, "tuner: it must have a name"),
        ({"tuner": {"className": "x.Y", "codeDirectory": "nowhere"}}, f'"{FOLDER}/nowhere" is not a directory'),
        ({"tuner": {"className": "x.Y", "clasArgs": {}}}, "does not have field.s. clasargs"),
        ({"trainingService": None}, "trainingService: it must name a platform"),
        ({"trainingService": "local"}, "trainingService: it must name a platform"),
        ({"trainingService": {"platform": "locl"}}, "trainingService: it must name a platform"),
        ({"trainingService": {**LOCAL, "maxTrialNumberPerGpu": 2}}, "does not work without trial_gpu_number"),
        ({"trainingService": {**LOCAL, "reuseMode": True}}, "reuseMode: NNI 3.0 fails .* leave it out"),
        ({"trainingService": {**LOCAL, "trialGpuNumber": 1}}, "trialGpuNumber: 1, but this machine shows no GPU"),
        ({"trial_gpu_number": 1}, "trialGpuNumber: 1, but this machine shows no GPU"),
        ({"trialCommand": None}, "type of trial_command"),
        ({"trialCommand": " "}, "trialCommand: it is empty"),
        ({"trialCommand": "python3 'x"}, "trialCommand: it cannot be read: No closing quotation"),
        ({"trialCommand": "cd x && python3 y.py"}, "trialCommand: .* without &&: a stopped trial"),
        ({"trialCommand": "python3 y.py --device cuda"}, "trialCommand: --device cuda, but this machine"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_work_is_refused_in_one_line(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=f"^x.yml: .*{told}") as refused:
        preflight(changed(**changes), FOLDER, "x.yml", NO_GPU)
    assert "\n" not in str(refused.value)


def test_a_number_of_gpus_without_a_choice_of_busy_ones_is_refused_in_our_words() -> None:
    content = changed(trialGpuNumber=1, trainingService={**LOCAL, "maxTrialNumberPerGpu": 2})
    with pytest.raises(BadInput, match="useActiveGpu: unless it is true"):
        preflight(content, FOLDER, "x.yml", MACHINES["one idle"])
    content["trainingService"]["useActiveGpu"] = True
    assert preflight(content, FOLDER, "x.yml", MACHINES["one idle"])[-1] == (
        "trials: 2 side by side, each on 1 GPU(s) that NNI chooses; there is room for 2"
    )


def test_other_platforms_are_not_judged() -> None:
    remote = {"platform": "remote", "machineList": [{"host": "h", "user": "u", "sshKeyFile": __file__}]}
    content = changed(trainingService=remote, trialGpuNumber=3, nniManagerIp="127.0.0.1")
    told = preflight(content, FOLDER, "x.yml", NO_GPU)
    assert told == ["settings: NNI accepts them", "not checked: GPUs and trial command of platform remote"]


# Trial commands


@pytest.mark.parametrize(
    "command",
    ["cd x; y", "cd x && y", "x || y", "x | y", "x &", "x\ny", "(x)", "x > log", "x 2>&1", "x $(y)", "x<y", "x;"],
)
def test_what_needs_a_shell_beside_it_is_refused(command: str) -> None:
    with pytest.raises(BadInput, match="must be one simple command, without"):
        split_command(command)


@given(st.lists(st.text("ab;&|<> '\"\\$@:#=", min_size=1).filter(lambda word: not set(word) <= set("();<>|&"))))
def test_quoted_words_stay_as_they_are(words: list[str]) -> None:
    assert split_command(shlex.join(["python3", *words])) == ["python3", *words]


def test_a_command_over_several_lines_is_one() -> None:
    assert split_command("A=1 python3 -m x \\\n  --objective f1@10 --data $D\n") == [
        *("A=1", "python3", "-m", "x", "--objective", "f1@10", "--data", "$D")
    ]


# Who runs it


def test_the_command_tells_what_it_found_or_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # without nvidia-smi
    monkeypatch.delenv("G2L_DATA_ROOT", raising=False)
    monkeypatch.chdir(REPOSITORY)
    passed = shell("experiments.preflight", FOLDER / "demo_global.yml")
    assert (passed.returncode, passed.stderr) == (0, "")
    python = Path(sys.executable).parent / "python3"
    assert passed.stdout.splitlines() == [
        "settings: NNI accepts them",
        f"trial command: one simple command, python3 is {python}",
        "options: trials.search_trial accepts them",
        "tuner: GlobalTuner accepts its arguments and the search space",
        f"not checked: no data ({REPOSITORY}/data/demo is missing)",
        "GPUs: none (nvidia-smi is not installed)",
        "trials: 2 side by side, on the CPU",
    ]

    path = tmp_path / "x.yml"
    content = changed(trainingService={**LOCAL, "reuseMode": True}, searchSpaceFile=str(SPACE))
    path.write_text(yaml.safe_dump(content).replace("..", str(REPOSITORY)))
    refused = shell("experiments.preflight", path)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert refused.stderr.startswith(f"error: {path}: ")


def test_another_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = preflight(changed(), FOLDER, "x.yml", NO_GPU)
    assert f"python3 is missing: activate {Path(sys.executable).parent} before nnictl" in found[1]


def never(*_: object) -> None:
    pytest.fail("NNI was about to start")


def test_launch_refuses_before_nni_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.yml"
    path.write_text(yaml.safe_dump(changed(trialCommand="a; b", searchSpaceFile=str(SPACE))))
    monkeypatch.setattr(launch, "start", never)
    monkeypatch.setattr(sys, "argv", ["launch", str(path)])
    with pytest.raises(BadInput, match=str(path)):
        launch.main()


def test_launch_refuses_to_start_without_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FOLDER / "demo_global.yml"
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(launch, "start", never)
    monkeypatch.setattr(sys, "argv", ["launch", str(path)])
    with pytest.raises(BadInput, match=f"^{path}: {tmp_path}/demo: no such data set folder"):
        launch.main()


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """NNI's database of a stopped experiment, whose concurrency was raised to 9 at last."""
    folder = tmp_path / "Ab3dE"
    (folder / "db").mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as database, database:
        database.execute("CREATE TABLE ExperimentProfile (params, id, revision)")
        for revision, concurrency in ((2, 2), (11, 9), (10, 3)):
            service = {**LOCAL, "trialGpuNumber": 1, "useActiveGpu": True, "maxTrialNumberPerGpu": 2}
            content = changed(trialConcurrency=concurrency, trainingService=service, trialCodeDirectory=str(FOLDER))
            content["searchSpaceFile"] = str(FOLDER / content["searchSpaceFile"])
            content["tuner"]["codeDirectory"] = str(REPOSITORY)
            row = (json.dumps(content), "Ab3dE", revision)
            database.execute("INSERT INTO ExperimentProfile VALUES (?, ?, ?)", row)
    known = Registered("Ab3dE", "", folder, 0, 0, stopped=True)
    monkeypatch.setattr(launch, "registered", lambda _: known)
    monkeypatch.setattr(Experiment, "of_id", lambda id: Experiment(id, 0, 0))
    monkeypatch.setattr(Experiment, "stop", lambda _: None)
    monkeypatch.setattr(launch, "start", never)
    monkeypatch.setattr(launch, "read_machine", lambda: MACHINES["one idle"])
    monkeypatch.setattr(sys, "argv", ["launch", "--resume", "Ab3dE"])
    return folder


@pytest.mark.usefixtures("stopped")
def test_launch_refuses_to_resume_what_would_freeze() -> None:
    with pytest.raises(BadInput, match=r"^experiment Ab3dE: trialConcurrency: 9, .* write trialConcurrency: 2"):
        launch.main()


@pytest.mark.parametrize("content", [b"", b"no database"])
def test_launch_refuses_to_resume_what_has_no_settings(stopped: Path, content: bytes) -> None:
    (stopped / "db" / "nni.sqlite").write_bytes(content)
    with pytest.raises(BadInput, match=r"nni\.sqlite: damaged; experiment Ab3dE cannot be resumed"):
        launch.main()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trialGpuNumber": 9}, "trialGpuNumber: 9"),
        (
            {"trialCommand": "python3 -m trials.final_trial --dataset demo"},
            "trialCommand: trials.final_trial: the foll",
        ),
    ],
)
def test_the_pipeline_refuses_its_last_step_before_the_first_one_starts(
    changes: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "data" / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setattr(pipeline, "do_step", never)

    def with_a_bad_end(*arguments: Any, **others: Any) -> list[Any]:
        steps = make_plan(*arguments, **others)
        steps[-1].config.update(changes)
        return steps

    monkeypatch.setattr(pipeline, "make_plan", with_a_bad_end)
    monkeypatch.setattr(pipeline, "read_machine", Machine)
    monkeypatch.setattr(sys, "argv", ["pipeline", "--dataset", "demo"])
    with pytest.raises(BadInput, match=rf"^experiments/demo_final\.yml: {told}"):
        pipeline.main()
    assert not (tmp_path / "runs" / "demo" / "pipeline.json").exists()
