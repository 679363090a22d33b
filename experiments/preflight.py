"""What would freeze this machine, or make every trial fail, found before NNI starts."""

from __future__ import annotations

import argparse
import math
import re
import shlex
import shutil
import sys
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, run_command
from experiments.command_check import TrialCommand, check_check_command, read_trial_command
from experiments.config_file import class_arguments, read_config
from experiments.data_places import share_data_places
from experiments.gpu_settings import check_gpus
from experiments.gpus import Machine, read_machine
from experiments.not_yet import NotYet
from experiments.tuner_check import check_tuner, splits_of

BOOLEANS = ("debug", "useannotation", "useactivegpu", "reusemode")
"""NNI's settings that are true or false, as NNI compares names."""


def preflight(
    content: dict[str, Any],
    folder: Path,
    source: object,
    machine: Machine,
    starting: bool = False,
    results: Collection[Path] = (),
) -> list[str]:
    """Refuse an experiment that NNI would refuse, that could freeze this machine, or whose trials would all fail.

    Args:
        content: of its YAML file.
        folder: what the relative paths in it are relative to.
        source: what messages call it.
        machine: where the trials of ``platform: local`` run; other platforms are not checked.
        starting: it is about to start: its data and its structures must be there. Otherwise it is only said where they
            are not.
        results: structure files that will be there by then.

    Returns:
        What was found, a line each. Warns about settings that are legal but probably unintended.

    Raises:
        BadInput: which setting is wrong, why, and what to write instead.
    """
    try:
        _check_values(content)
        config = _as_nni_reads_it(content, folder)
        _check_numbers(config.search_space, "search space")
        service = config.training_service
        if service.platform != "local":
            return ["settings: NNI accepts them", f"not checked: GPUs and trial command of platform {service.platform}"]
        if service.reuse_mode:
            raise BadInput("reuseMode: NNI 3.0 fails with it on platform local; leave it out")
        words = split_command(service.trial_command)
        where = check_gpus(service, config.trial_concurrency, words, machine)
        return [
            "settings: NNI accepts them",
            f"trial command: one simple command{_python_of(words[0])}",
            *_check_search(config, words, class_arguments(content).get("check_command"), NotYet(results, starting)),
            *machine.describe(),
            f"trials: {config.trial_concurrency} side by side, {where}",
        ]
    except BadInput as fault:
        raise BadInput(f"{source}: {fault}") from None


def _check_search(config: Any, words: list[str], check_command: Any, not_yet: NotYet) -> Iterator[str]:
    """Check the commands, the tuner, the data and the structures of an experiment; yields what was found."""
    service = config.training_service
    trial = read_trial_command(service.trial_command, words, Path(service.trial_code_directory))
    if isinstance(trial, TrialCommand):
        yield f"options: {trial.module} accepts them"
    else:
        yield f"not checked: options of the trials, as {trial}"
    yield check_tuner(config, trial, not_yet)
    check_check_command(check_command, trial)
    if not_yet.noted:
        yield f"not checked: {', '.join(map(str, not_yet.noted))} (to be found by a search first)"
    if isinstance(trial, TrialCommand):
        splits = splits_of(config, trial)
        if trial.data_folder.is_dir() or not_yet.starting:
            trial.check_data(splits)
            yield f"data: {trial.data_folder}, split {', '.join(map(str, splits))}"
        else:
            yield f"not checked: no data ({trial.data_folder} is not there)"


def _check_values(content: dict[str, Any]) -> None:
    """Refuse what YAML makes of a name or a number that was meant: ``no`` becomes false, ``.nan`` is no number."""
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
    """Refuse numbers that are not finite: NNI hands all settings on as JSON, which has none."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{where}: {value} is no number that NNI can hand on")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        _check_numbers(each, f"{where}.{name}".removeprefix("."))


def _as_nni_reads_it(content: dict[str, Any], folder: Path) -> Any:
    """The configuration as ``nnictl create`` reads and checks it: paths absolute, settings where they belong."""
    # Importing NNI takes over a second.
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
    except Exception as fault:  # whatever it is, nnictl would meet it, too
        reason = str(fault) or traceback.extract_tb(fault.__traceback__)[-1].line  # a bare assertion
        raise BadInput(f"NNI refuses it: {reason}") from None


def split_command(command: str) -> list[str]:
    """The words of a trial command.

    Raises:
        BadInput: a shell would have to stay beside it, which NNI would kill in its place.
    """
    command = command.strip().replace("\\\n", " ")
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True  # of all other characters, none ends a word
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as fault:
        raise BadInput(f"trialCommand: it cannot be read: {fault}") from None
    if not words:
        raise BadInput("trialCommand: it is empty")
    signs = [word for word in words if set(word) <= set("();<>|&")]
    if signs or "\n" in command:
        raise BadInput(
            f"trialCommand: it must be one simple command, without {signs[0] if signs else 'a line break'}: a trial "
            "that is stopped would live on; set the folder by trialCodeDirectory, and the rest in a script of your own"
        )
    return words


def _python_of(program: str) -> str:
    """Which Python a bare nnictl would start, and what to do if it is not this one."""
    if re.fullmatch(r"python[\d.]*", program) is None:
        return ""
    found = shutil.which(program)
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return f", {program} is {found}"
    return (
        f"; {program} is {found or 'not there'}: activate {Path(sys.executable).parent} before nnictl "
        "(experiments.launch and experiments.pipeline do so themselves)"
    )


def main() -> None:
    """Check the settings of an experiment against NNI and the GPUs of this machine; nothing is started."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.preflight",
        description=main.__doc__,
        epilog="example: python -m experiments.preflight experiments/50salads_global.yml",
    )
    parser.add_argument("config", type=Path, metavar="FILE.yml", help="the experiment's YAML file")
    path = parser.parse_args().config
    share_data_places()
    for line in preflight(read_config(path), path.parent, path, read_machine()):
        print(line)


if __name__ == "__main__":
    run_command(main)
