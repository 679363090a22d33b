"""An experiment whose trials run on other machines: NNI starts each here, as ``machines.trial``, which finds one."""

from __future__ import annotations

import argparse
import shlex
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from common.atomic_file import write_text
from common.bad_input import BadInput, naming
from common.command_options import option, setting_option
from experiments.checks.command_check import ELSEWHERE, TrialCommand, read_trial_command, split_command
from experiments.config_file import make_paths_absolute
from experiments.nni_experiment import Experiment
from machines import experiment_files, ssh
from machines.check import check_machines, describe, gpus_of
from machines.code import pack
from machines.machine_list import RemoteMachine, machines_of, read_machines
from machines.trial_files import parse
from nni_api.manager import NniManager
from nni_api.register import registered


def add_machines_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--machines``."""
    parser.add_argument(
        "--machines",
        type=Path,
        metavar="FILE.yml",
        help="run the trials on these machines, over ssh (docs/machines.md)",
    )


def read_given(arguments: argparse.Namespace) -> list[RemoteMachine]:
    """The machines of ``--machines``; none without it. Raises BadInput where the file has none."""
    return [] if arguments.machines is None else read_machines(arguments.machines)


def machines_for(config: dict[str, Any], folder: Path, arguments: argparse.Namespace) -> Sequence[RemoteMachine]:
    """The machines that the trials of an experiment are to run on; none: this one.

    Args:
        config: with ``platform: remote``, it names machines itself, unless the option ``--machines`` does.
        folder: base of its relative paths.

    Raises:
        BadInput: a machine is not described as it should be.
    """
    if arguments.machines is not None:
        return read_given(arguments)
    service = config.get("trainingService")
    if isinstance(service, dict) and service.get("platform") == "remote":
        return machines_of(service.get("machineList"), folder)
    return []


def elsewhere(config: dict[str, Any], folder: Path, machines: Sequence[RemoteMachine]) -> dict[str, Any]:
    """The configuration with which NNI starts the trials of an experiment so, with absolute paths.

    Raises:
        BadInput: the trials are none of ours.
    """
    for name, kind in (("trialCommand", str), ("tuner", dict)):
        if not isinstance(config.get(name), kind):
            raise BadInput(
                f"{name}: on other machines, only trials of our tuners run: write it as in experiments/*.yml"
            )
    # Of this machine: those of others are in machineList. NNI takes names in any case, with underscores or without.
    changed = {name: value for name, value in config.items() if _plain(name) != "trialgpunumber"}
    changed |= {"tuner": dict(config["tuner"]), "trialCodeDirectory": config.get("trialCodeDirectory", ".")}
    make_paths_absolute(changed, folder)
    words = split_command(changed["trialCommand"])
    trial = read_trial_command(changed["trialCommand"], words, Path(changed["trialCodeDirectory"]))
    if not isinstance(trial, TrialCommand):
        raise BadInput(f"trialCommand: on other machines, only trials of ours run, and {trial}")
    start = words.index("-m") + 1
    inserted = [] if words[start] == ELSEWHERE else [ELSEWHERE]
    with naming("trialCommand"):
        parse(trial.module, words[start + 2 - len(inserted) :])
    command = shlex.join([*words[:start], *inserted, *words[start:]])
    changed |= {"trialCommand": command, "trialConcurrency": _trials(machines)}
    return {**changed, "trainingService": {"platform": "local"}}


def _plain(name: object) -> str:
    return str(name).replace("_", "").lower()


def nni_file(config: dict[str, Any], folder: Path, file: Path, machines: Sequence[RemoteMachine]) -> Path:
    """The YAML file for nnictl: ``file``, or one that starts the trials on other machines, if there are any.

    Args:
        config: what is in ``file``.
        folder: base of its relative paths.
    """
    if not machines:
        return file
    text = yaml.safe_dump(elsewhere(config, folder, machines), sort_keys=False, width=100)
    changed = ssh.folder() / f"experiment-{zlib.crc32(text.encode()):08x}.yml"
    write_text(changed, text)
    return changed


def provide(experiment: Experiment, machines: Sequence[RemoteMachine]) -> None:
    """Write what the trials of an experiment on other machines read from its folder, as soon as it runs.

    After a resume, they may be other machines: NNI runs as many trials as these have room for.
    """
    if machines:
        write_files(registered(experiment.id).folder, machines)
        NniManager(f"ws://127.0.0.1:{experiment.port}/tuner").set_concurrency(_trials(machines))


def write_files(experiment: Path, machines: Sequence[RemoteMachine]) -> None:
    """Write the files of ``provide``, also before a resume, whose first trials would find those of before.

    Args:
        experiment: its folder.
    """
    if machines:
        experiment_files.write(experiment, machines, pack())


def machines_of_run(run: Path, arguments: argparse.Namespace) -> Sequence[RemoteMachine]:
    """The machines of all steps of a run: those of ``--machines``, which its folder keeps, or else those that it kept.

    Args:
        run: its folder.
    """
    given = read_given(arguments)
    write_files(run, given)
    kept = experiment_files.read(run)
    return given or ([] if kept is None else kept[0])


def machines_again(experiment: Path, given: Sequence[RemoteMachine]) -> Sequence[RemoteMachine]:
    """The machines of an experiment that is resumed: those given, or else those that it had; none: this one.

    Args:
        experiment: its folder.

    Raises:
        BadInput: its trials were started on this machine, and cannot change to others; or its files are damaged.
    """
    if not given:
        before = experiment_files.read(experiment)
        return [] if before is None else before[0]
    # Without its files, it may have been killed before they were written.
    if not (experiment / experiment_files.MACHINES).exists():
        words = split_command(registered(experiment.name).settings()["trialCommand"])
        if ELSEWHERE not in words:
            raise BadInput(
                f"experiment {experiment.name} runs on this machine: resume it without --machines, or start a new one"
            )
    return given


def _trials(machines: Sequence[RemoteMachine]) -> int:
    return sum(machine.trials for machine in machines)


def check_all(
    trial: TrialCommand, words: Sequence[str], machines: Sequence[RemoteMachine], splits: Sequence[int]
) -> list[str]:
    """Check all machines for the trials of an experiment; one line each. Raises BadInput as ``check_machines``."""
    words = setting_option(words, "--data-root", str(trial.data_folder.parent))  # as the command may set the variable
    facts = check_machines(machines, pack(), words, splits)
    lines = []
    for machine, of_it in facts.items():
        lines.append(describe(machine, of_it))
        if of_it["gpus"] and not of_it["no_gpu"] and option(words, "--device") != "cpu":
            from experiments.checks.gpu_memory import check_memory  # imports PyTorch

            gpus = gpus_of(machine, of_it)
            with naming(machine.name):
                each = -(-machine.trials // len(gpus))
                memory = check_memory(trial, splits, each, gpus, "maxTrialNumberPerGpu")
            lines.append(f"{machine.name}: {memory}")
    return lines
