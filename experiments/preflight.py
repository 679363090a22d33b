"""Checks before NNI starts: settings that would freeze this machine or make every trial fail."""

from __future__ import annotations

import math
import re
import shutil
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, naming, run_command
from common.command_parser import command_parser
from experiments.checks.command_check import TrialCommand, check_check_command, read_trial_command, split_command
from experiments.checks.gpu_settings import check_gpus, shared_gpus
from experiments.checks.tuner_check import MayBeMissing, check_tuner, splits_of, warn_of_long_candidates
from experiments.config_file import class_arguments, read_config
from experiments.other_machines import add_machines_argument, check_all, elsewhere, machines_for
from experiments.run_data import share_data_folders
from machines.gpus import Gpu, Machine, read_machine
from machines.machine_list import RemoteMachine
from nni_api.quick_nni import import_nni

BOOLEANS = ("debug", "useannotation", "useactivegpu", "reusemode")
"""NNI's Boolean settings, in the form in which NNI compares names."""


def preflight(
    content: dict[str, Any],
    folder: Path,
    source: object,
    machine: Machine,
    starting: bool = False,
    results: Collection[Path] = (),
    others: Sequence[RemoteMachine] = (),
) -> list[str]:
    """Refuse an experiment that NNI would refuse, that could freeze this machine, or whose trials would all fail.

    Args:
        content: of its YAML file.
        folder: base of its relative paths.
        source: its name in messages.
        machine: where the trials of ``platform: local`` run; other platforms are not checked.
        starting: whether it is about to start, and its data and structures must exist. Otherwise missing ones are only
            reported.
        results: structure files that will exist by then.
        others: machines on which the trials run, in place of this one.

    Returns:
        The results, one line each. Warns about settings that are legal but probably unintended.

    Raises:
        BadInput: the message says which setting is wrong, why, and what to write instead.
    """
    with naming(source):
        _check_values(content)
        config = _as_nni_reads_it(elsewhere(content, folder, others) if others else content, folder)
        _check_numbers(config.search_space, "search space")
        service = config.training_service
        if service.platform != "local":
            return ["settings: NNI accepts them", f"not checked: GPUs and trial command of platform {service.platform}"]
        if service.reuse_mode:
            raise BadInput("reuseMode: NNI 3.0 fails with it on platform local; leave it out")
        words, check_command = split_command(service.trial_command), class_arguments(content).get("check_command")
        may_be_missing = MayBeMissing(results, starting)
        if others:
            return ["settings: NNI accepts them", *_check_search(config, words, check_command, may_be_missing, others)]
        where = check_gpus(service, config.trial_concurrency, words, machine)
        shared = shared_gpus(service, config.trial_concurrency, words, machine)
        return [
            "settings: NNI accepts them",
            f"trial command: one simple command{_python_of(words[0])}",
            *_check_search(config, words, check_command, may_be_missing, (), *shared),
            *machine.describe(),
            f"trials: {config.trial_concurrency} side by side, {where}",
        ]


def _check_search(
    config: Any,
    words: list[str],
    check_command: Any,
    may_be_missing: MayBeMissing,
    others: Sequence[RemoteMachine],
    gpus: Sequence[Gpu] = (),
    count: int = 0,
) -> Iterator[str]:
    """Check the commands, the tuner, the data, the structures and the machines of an experiment; yields the results.

    Args:
        others: see ``preflight``.
        gpus: that the trials will use, up to ``count`` of them each.
    """
    service = config.training_service
    trial = read_trial_command(service.trial_command, words, Path(service.trial_code_directory))
    if isinstance(trial, TrialCommand):
        yield f"options: {trial.module} accepts them"
    else:
        yield f"not checked: options of the trials, as {trial}"
    yield check_tuner(config, trial, may_be_missing)
    check_check_command(check_command, trial)
    if may_be_missing.noted:
        yield f"not checked: {', '.join(map(str, may_be_missing.noted))} (to be written by a search first)"
    if isinstance(trial, TrialCommand):
        splits = splits_of(config, trial)
        if trial.data_folder.is_dir() or may_be_missing.starting:
            trial.check_data(splits)
            warn_of_long_candidates(config.search_space, trial, splits)
            yield f"data: {trial.data_folder}, split {', '.join(map(str, splits))}"
            if gpus:
                from experiments.checks.gpu_memory import check_memory  # imports PyTorch

                yield check_memory(trial, splits, count, gpus)
            yield from check_all(trial, words, others, splits)
        else:
            yield f"not checked: no data ({trial.data_folder} is missing)"


def _check_values(content: dict[str, Any]) -> None:
    """Refuse what YAML parses otherwise than meant: ``no`` as false, ``.nan`` as a number."""
    service, tuner = content.get("trainingService"), content.get("tuner")
    for settings in (content, service, tuner):
        for name, value in settings.items() if isinstance(settings, dict) else ():
            if isinstance(value, bool) and str(name).replace("_", "").lower() not in BOOLEANS:
                raise BadInput(
                    f"{name}: {str(value).lower()} (YAML reads yes, no, on and off as true and false): "
                    "write a number, or put the name in quotes"
                )
    _check_numbers(content)


def _check_numbers(value: Any, where: str = "") -> None:
    """Refuse numbers that are not finite: NNI passes all settings on as JSON, which has none."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{where}: {value} is not a number that NNI can pass on")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        _check_numbers(each, f"{where}.{name}".removeprefix("."))


def _as_nni_reads_it(content: dict[str, Any], folder: Path) -> Any:
    """The configuration as ``nnictl create`` reads and checks it, in canonical form with absolute paths."""
    import_nni()  # only here: it takes half a second
    from nni.experiment.config import ExperimentConfig, utils
    from nni.experiment.config.base import ConfigBase

    try:
        utils.set_base_path(folder)
        try:
            config = ExperimentConfig(**content)
        finally:
            utils.unset_base_path()
        if not isinstance(config.training_service, ConfigBase):
            raise BadInput("trainingService: it must name a platform that NNI knows, as in 'platform: local'")
        if isinstance(config.tuner, str):
            raise BadInput("tuner: it must have a name, or a className and a codeDirectory")
        if getattr(config.training_service, "use_active_gpu", True) is None:
            config.training_service.use_active_gpu = False  # checked later: NNI's own advice can freeze the machine
        return config.canonical_copy()
    except BadInput:
        raise
    except Exception as fault:  # nnictl would fail likewise
        reason = str(fault) or traceback.extract_tb(fault.__traceback__)[-1].line  # a bare assertion
        raise BadInput(f"NNI refuses it: {reason}") from None


def trial_of(config: dict[str, Any]) -> TrialCommand | str:
    """The trial command of a configuration with absolute paths; or why it is none of ours. Raises as split_command."""
    command = config["trialCommand"]
    return read_trial_command(command, split_command(command), Path(config["trialCodeDirectory"]))


def _python_of(program: str) -> str:
    """The Python that plain nnictl would start, and what to do if it is not this one."""
    if re.fullmatch(r"python[\d.]*", program) is None:
        return ""
    found = shutil.which(program)
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return f", {program} is {found}"
    return (
        f"; {program} is {found or 'missing'}: activate {Path(sys.executable).parent} before nnictl "
        "(experiments.launch and experiments.pipeline do so themselves)"
    )


def main() -> None:
    """Check the settings of an experiment against NNI and the machines of its trials, without starting anything."""
    parser = command_parser("experiments.preflight", main.__doc__, "experiments/50salads_global.yml")
    parser.add_argument("config", type=Path, metavar="FILE.yml", help="the experiment's YAML file")
    add_machines_argument(parser)
    arguments = parser.parse_args()
    path, content = arguments.config, read_config(arguments.config)
    share_data_folders()
    others = machines_for(content, path.parent, arguments)
    for line in preflight(content, path.parent, path, read_machine(), others=others):
        print(line)


if __name__ == "__main__":
    run_command(main)
