"""A step of a pipeline run: an NNI experiment, made from a YAML file by changing the options of its commands."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, Literal, get_args

from common.bad_input import BadInput, naming
from common.command_options import option, setting_option, with_option
from experiments.config_file import class_arguments, class_name, make_paths_absolute, read_config
from nas_space.structure_names import training_folder
from strategies.differentiable import seeds_of
from trials.data.arguments import SEARCH_FRACTION

Phase = Literal["global", "local", "choice", "final"]
PHASES: tuple[Phase, ...] = get_args(Phase)

KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class PipelineStep:
    """One NNI experiment of a run."""

    name: str
    """``global_split1``, ``local_split1``, ..., ``choice``, ``final``."""
    phase: Phase
    source: str
    """The YAML file that it is made from, for messages."""
    config: dict[str, Any]
    """The configuration for nnictl, with absolute paths."""
    result: Path | None
    """The structure file that the step writes; None for trainings of what is known."""
    trials: int
    """Number of trainings, if none fails."""

    @property
    def check_command(self) -> str | None:
        """The check that must pass before the step starts."""
        return class_arguments(self.config).get("check_command")


def search_step(phase: Phase, file: Path, source: str, dataset: str, split: int, folder: Path) -> PipelineStep:
    """The search of a split, from a YAML file; ``folder`` is that of the split. Raises BadInput as ``make_plan``."""
    name = f"{phase}_split{split}"
    options = {"--dataset": dataset, "--split": str(split)}
    trial_options = options if phase == "global" else {"--dataset": dataset}
    config = _adapted(file, source, f"{dataset} {name}", trial_options, options)
    arguments = class_arguments(config)
    with naming(source):
        if phase == "local":
            _require(arguments, {"seeds": list, "iterations": int})
            arguments |= {"starts": [str(folder / "global.json")], "splits": [split]}
        elif not is_differentiable(config):
            _require(arguments, {"budget": int})
        trials = trials_of(config) or 0
    return PipelineStep(name, phase, source, config, folder / f"{phase}.json", trials)


def final_step(
    file: Path,
    source: str,
    dataset: str,
    splits: Sequence[int],
    found: Sequence[str],
    seeds: Sequence[int],
    run: Path,
    search: str | None = None,
) -> PipelineStep:
    """The final trainings of ``hand`` and of the structures ``found``, from a YAML file.

    Args:
        found: names of structure files in the folders of the splits, without suffix.
        search: the command of a search's trials; given, these are the trainings of the choice, which hold out as many
            videos of the training split as the search did, but other ones.

    Raises:
        BadInput: as ``make_plan``.
    """
    phase: Phase = "final" if search is None else "choice"
    options = {"--dataset": dataset, "--output": str(run / phase)}
    config = _adapted(file, source, f"{dataset} {phase}", options, {"--dataset": dataset})
    words = shlex.split(config["trialCommand"])
    if search is not None:
        for name, value in _holdout(shlex.split(search)).items():
            words = setting_option(words, name, value)
        config["trialCommand"] = shlex.join(words)
    elif option(words, "--validation-fraction") is not None:
        raise BadInput(f"{source}: final trainings are scored on the test videos: leave out --validation-fraction")
    structures = ["hand", *(str(run / "split{split}" / f"{name}.json") for name in found)]
    values: dict[str, list[Any]] = {"structure": structures, "split": list(splits), "seed": list(seeds)}
    config["searchSpace"] = {name: {"_type": "choice", "_value": chosen} for name, chosen in values.items()}
    trials = len(structures) * len(splits) * len(seeds)
    if class_name(config) is None:  # by NNI's own grid search, as in YAML files of earlier versions
        config |= {"tuner": {"name": "GridSearch"}, "maxTrialNumber": trials}
        return PipelineStep(phase, phase, source, config, None, trials)
    arguments = {**class_arguments(config), **{f"{name}s": list(chosen) for name, chosen in values.items()}}
    if "check_command" in arguments and len(splits) == 1 and " --split " not in arguments["check_command"]:
        arguments["check_command"] += f" --split {splits[0]}"
    config["tuner"]["classArgs"] = arguments
    return PipelineStep(phase, phase, source, config, None, trials)


def _holdout(search: Sequence[str]) -> dict[str, str]:
    """The options by which the trials of a search hold out videos."""
    given = {name: option(search, name) for name in ("--validation-fraction", "--validation-seed", "--group")}
    return {"--validation-fraction": str(SEARCH_FRACTION)} | {name: each for name, each in given.items() if each}


def final_trainings(config: dict[str, Any]) -> list[Path]:
    """The folders of all final trainings of a configuration, relative to its trials' ``--output``."""
    values = (config["searchSpace"][name]["_value"] for name in ("structure", "split", "seed"))
    return [training_folder(*each) for each in product(*values)]


def trials_of(config: dict[str, Any]) -> int | None:
    """Number of trials of any experiment if none fails, from its configuration; None: unknown.

    Raises:
        BadInput: the numbers are not numbers.
    """
    arguments = class_arguments(config)
    if is_differentiable(config):
        seeds = arguments.get("seeds", seeds_of(config.get("searchSpace")))
        _require({"seeds": seeds}, {"seeds": list})
        return len(seeds)
    # Local search and final training: all combinations of three lists.
    lists = [arguments[name] for name in ("starts", "structures", "splits", "seeds") if name in arguments]
    if len(lists) == 3 and all(isinstance(each, list) for each in lists):
        combinations = math.prod(map(len, lists))
        number = combinations * arguments.get("iterations", 0) if "starts" in arguments else combinations
    else:
        number = arguments.get("budget") or config.get("maxTrialNumber")
    if number is not None and type(number) is not int:
        raise BadInput(f"the number of trials must be a whole number, not {shortened(number)}")
    return number or None


def is_differentiable(config: dict[str, Any]) -> bool:
    return str(class_name(config)).endswith(".DifferentiableTuner")


def _adapted(
    file: Path, source: str, name: str, options: dict[str, str], check_options: dict[str, str]
) -> dict[str, Any]:
    """A configuration with another name, other options of its commands, and absolute paths."""
    config = read_config(file)
    with naming(source):
        _require(config, {"trialCommand": str, "trialCodeDirectory": str, "tuner": dict})
        config["experimentName"] = name
        config["trialCommand"] = with_options(config["trialCommand"], options)
        arguments = class_arguments(config)
        if "check_command" in arguments:
            _require(arguments, {"check_command": str})
            arguments["check_command"] = with_options(arguments["check_command"], check_options)
        for holder, key in ((config, "searchSpaceFile"), (config["tuner"], "codeDirectory")):
            if holder.get(key) is not None:
                _require(holder, {key: str})
        make_paths_absolute(config, file.parent)
    return config


def _require(values: dict[str, Any], kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if type(values.get(name)) is not kind:
            raise BadInput(f"{name} must be {KINDS[kind]}, not {shortened(values.get(name))}")


def with_options(command: str, options: dict[str, str]) -> str:
    """A command with other values of some of its options.

    Raises:
        BadInput: the command cannot be parsed, or lacks one of the options.
    """
    try:
        words = shlex.split(command)
    except ValueError as fault:
        raise BadInput(f"the command {command!r} cannot be read: {fault}") from None
    for name, value in options.items():
        changed = with_option(words, name, value)
        if changed is None:
            raise BadInput(f"the command {command!r} needs the option {name}")
        words = changed
    return shlex.join(words)
