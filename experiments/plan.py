"""The steps of a whole Global2Local run, each an NNI experiment made from the YAML file of its data set and phase."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from experiments.config_file import class_arguments, read_config
from nas_space.bad_input import BadInput

Phase = Literal["global", "local", "final"]
PHASES: tuple[Phase, ...] = get_args(Phase)
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Step:
    """One NNI experiment of a run."""

    name: str
    """``global_split1``, ``local_split1``, ..., ``final``."""
    phase: Phase
    config: dict[str, Any]
    """What nnictl is given, its paths absolute."""
    result: Path | None
    """The structure file that the step leaves; None of the final training."""
    trials: int
    """How many trainings it takes, if none fails."""

    @property
    def check_command(self) -> str | None:
        """What has to pass before the step starts."""
        return class_arguments(self.config).get("check_command")


def make_plan(
    run: Path, dataset: str, template: str, splits: Sequence[int], phases: Sequence[Phase], seeds: Sequence[int]
) -> list[Step]:
    """The steps of a run, in order: for each split global, then local search; then the final training of all.

    Args:
        run: the folder of the run.
        template: which data set's YAML files to take (``experiments/TEMPLATE_global.yml`` ...).
        seeds: of the final trainings.

    Raises:
        BadInput: a YAML file is missing or damaged.
    """
    if not (FOLDER / f"{template}_global.yml").exists():
        known = ", ".join(sorted(path.name.removesuffix("_global.yml") for path in FOLDER.glob("*_global.yml")))
        raise BadInput(f"no experiments/{template}_global.yml: copy one for your data, or give --template ({known})")
    steps = []
    for split in splits:
        folder = run / f"split{split}"
        if "global" in phases:
            steps.append(_global(read_config(FOLDER / f"{template}_global.yml"), dataset, split, folder))
        if "local" in phases:
            steps.append(_local(read_config(FOLDER / f"{template}_local.yml"), dataset, split, folder))
    if "final" in phases:
        config = read_config(FOLDER / f"{template}_final.yml")
        steps.append(_final(config, dataset, splits, [phase for phase in phases if phase != "final"], seeds, run))
    return steps


def _global(config: dict[str, Any], dataset: str, split: int, folder: Path) -> Step:
    name = f"global_split{split}"
    options = {"--dataset": dataset, "--split": str(split)}
    config = _adapted(config, f"{dataset} {name}", options, options)
    return Step(name, "global", config, folder / "global.json", class_arguments(config)["budget"])


def _local(config: dict[str, Any], dataset: str, split: int, folder: Path) -> Step:
    name = f"local_split{split}"
    options = {"--dataset": dataset, "--split": str(split)}
    config = _adapted(config, f"{dataset} {name}", {"--dataset": dataset}, options)
    arguments = class_arguments(config)
    arguments |= {"starts": [str(folder / "global.json")], "splits": [split]}
    trials = len(arguments["seeds"]) * arguments["iterations"]
    return Step(name, "local", config, folder / "local.json", trials)


def _final(
    config: dict[str, Any], dataset: str, splits: Sequence[int], found: Sequence[str], seeds: Sequence[int], run: Path
) -> Step:
    config = _adapted(config, f"{dataset} final", {"--dataset": dataset, "--output": str(run / "final")}, {})
    structures = ["hand", *(str(run / "split{split}" / f"{phase}.json") for phase in found)]
    values = {"structure": structures, "split": list(splits), "seed": list(seeds)}
    config["searchSpace"] = {name: {"_type": "choice", "_value": chosen} for name, chosen in values.items()}
    config["maxTrialNumber"] = len(structures) * len(splits) * len(seeds)
    return Step("final", "final", config, None, config["maxTrialNumber"])


def _adapted(
    config: dict[str, Any], name: str, options: dict[str, str], check_options: dict[str, str]
) -> dict[str, Any]:
    """A configuration with another name, other options of its commands, and paths that hold from any folder."""
    config["experimentName"] = name
    config["trialCommand"] = with_options(config["trialCommand"], options)
    for holder, key in (
        (config, "trialCodeDirectory"),
        (config, "searchSpaceFile"),
        (config["tuner"], "codeDirectory"),
    ):
        if key in holder:
            holder[key] = str((FOLDER / holder[key]).resolve())
    arguments = class_arguments(config)
    if "check_command" in arguments:
        arguments["check_command"] = with_options(arguments["check_command"], check_options)
    return config


def with_options(command: str, options: dict[str, str]) -> str:
    """A command with other values of some of its options.

    Raises:
        BadInput: the command cannot be taken apart, or lacks one of the options.
    """
    try:
        words = shlex.split(command)
    except ValueError as fault:
        raise BadInput(f"the command {command!r} cannot be read: {fault}") from None
    for option, value in options.items():
        joined = [index for index, word in enumerate(words) if word.startswith(option + "=")]
        if joined:
            words[joined[0]] = f"{option}={value}"
        elif option in words[:-1]:
            words[words.index(option) + 1] = value
        else:
            raise BadInput(f"the command {command!r} needs the option {option}")
    return shlex.join(words)
