"""The steps of a whole Global2Local run, each an NNI experiment made from the YAML file of its data set and phase."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, Literal, get_args

from common.bad_input import BadInput
from common.command_options import with_option
from experiments.config_file import class_arguments, class_name, read_config
from nas_space.structure_names import training_folder
from strategies.differentiable import seeds_of

Phase = Literal["global", "local", "final"]
PHASES: tuple[Phase, ...] = get_args(Phase)
DIFFERENTIABLE, GENETIC, PAPER = GLOBAL_SEARCHES = ("differentiable", "genetic", "paper")
FOLDER = Path(__file__).parent

KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class Step:
    """One NNI experiment of a run."""

    name: str
    """``global_split1``, ``local_split1``, ..., ``final``."""
    phase: Phase
    source: str
    """The YAML file that it is made from, for messages."""
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
    run: Path,
    dataset: str,
    template: str,
    splits: Sequence[int],
    phases: Sequence[Phase],
    seeds: Sequence[int],
    global_search: str = DIFFERENTIABLE,
    begun: Collection[str] = (),
) -> list[Step]:
    """The steps of a run, in order: for each split global, then local search; then the final training of all.

    Args:
        run: the folder of the run.
        template: which data set's YAML files to take (``experiments/TEMPLATE_local.yml`` ...); or, absolute, what
            files elsewhere begin with.
        seeds: of the final trainings.
        global_search: which of the global searches, see ``search_file``.
        begun: steps that have begun, by name. They, and the same phase of other splits, go on by the YAML files that
            the run's folder has of them.

    Raises:
        BadInput: a YAML file is missing or damaged.
    """
    searching = search_file(template, global_search) if "global" in phases else ""

    def file_of(step: str, file: str) -> tuple[Path, str]:
        phase = step.partition("_")[0]
        for name in (step, *(f"{phase}_split{split}" for split in splits)):
            if name in begun and (own := run / f"{name}.yml").exists():
                return own, str(own)
        return FOLDER / file, _source(file)

    steps = []
    for split in splits:
        folder = run / f"split{split}"
        if "global" in phases:
            file = file_of(f"global_split{split}", searching)
            if not file[0].exists():
                raise BadInput(_missing(searching, searching.removeprefix(template)))
            steps.append(_global(*file, dataset, split, folder))
        if "local" in phases:
            steps.append(_local(*file_of(f"local_split{split}", f"{template}_local.yml"), dataset, split, folder))
    if "final" in phases:
        found = [phase for phase in phases if phase != "final"]
        steps.append(_final(*file_of("final", f"{template}_final.yml"), dataset, splits, found, seeds, run))
    return steps


def search_file(template: str, global_search: str) -> str:
    """The YAML file of a global search, there or not: ``genetic`` is TEMPLATE_global.yml, others TEMPLATE_SEARCH.yml.

    In copies of earlier versions' files, TEMPLATE_global.yml may be the differentiable search, and TEMPLATE_genetic.yml
    the genetic one.
    """
    usual, file = (f"{template}_{ending}.yml" for ending in ("global", global_search))
    if (FOLDER / file).exists() or global_search not in (DIFFERENTIABLE, GENETIC):
        return file
    if global_search == DIFFERENTIABLE:
        return usual if _is_differentiable(FOLDER / usual) else file
    return file if _is_differentiable(FOLDER / usual) else usual


def default_search(template: str) -> str:
    """The differentiable search, which the comparison favours; where only the genetic one has a YAML file, that."""
    there = [search for search in (DIFFERENTIABLE, GENETIC) if (FOLDER / search_file(template, search)).exists()]
    return there[0] if there else DIFFERENTIABLE


def search_kind(file: Path) -> str:
    """Which global search a YAML file has, by its tuner."""
    return DIFFERENTIABLE if _is_differentiable(file) else GENETIC


def search_of_run(run: Path) -> str | None:
    """The global search of a run by its tuner: earlier versions called each ``global``. None where none has begun."""
    files = sorted(run.glob("global_split*.yml"))
    return search_kind(files[0]) if files else None


def _is_differentiable(file: Path) -> bool:
    return file.exists() and str(class_name(read_config(file))).endswith(".DifferentiableTuner")


def _missing(file: str, ending: str) -> str:
    """What to do about a YAML file that is not there."""
    known = ", ".join(sorted(path.name.removesuffix(ending) for path in FOLDER.glob(f"*{ending}")))
    wanted = f"no {_source(file)}: copy one for your data"
    return f"{wanted}, or give --template ({known})" if known else f"{wanted}, or leave out --global-search"


def _global(file: Path, source: str, dataset: str, split: int, folder: Path) -> Step:
    name = f"global_split{split}"
    options = {"--dataset": dataset, "--split": str(split)}
    config = _adapted(file, source, f"{dataset} {name}", options, options)
    with naming(source):
        trials = trainings_of(config)
    return Step(name, "global", source, config, folder / "global.json", trials)


def trainings_of(config: dict[str, Any]) -> int:
    """How many trainings a global search takes, by its configuration: a budget, or one for each seed.

    Raises:
        BadInput: it says neither.
    """
    if str(config["tuner"].get("className")).endswith(".DifferentiableTuner"):
        seeds = class_arguments(config).get("seeds", seeds_of(config.get("searchSpace")))
        _require({"seeds": seeds}, {"seeds": list})
        return len(seeds)
    _require(class_arguments(config), {"budget": int})
    budget: int = class_arguments(config)["budget"]
    return budget


def trials_of(config: dict[str, Any]) -> int | None:
    """How many trials any experiment takes if none fails, by its configuration; None where that is not known.

    Raises:
        BadInput: the numbers are none.
    """
    arguments = class_arguments(config)
    if str(class_name(config)).endswith(".DifferentiableTuner"):
        return trainings_of(config)
    # What a local search and a final training combine.
    lists = [arguments[name] for name in ("starts", "structures", "splits", "seeds") if name in arguments]
    if len(lists) == 3 and all(isinstance(each, list) for each in lists):
        combinations = math.prod(map(len, lists))
        number = combinations * arguments.get("iterations", 0) if "starts" in arguments else combinations
    else:
        number = arguments.get("budget") or config.get("maxTrialNumber")
    if number is not None and type(number) is not int:
        raise BadInput(f"the number of trials must be a whole number, not {shortened(number)}")
    return number or None


def _local(file: Path, source: str, dataset: str, split: int, folder: Path) -> Step:
    name = f"local_split{split}"
    options = {"--dataset": dataset, "--split": str(split)}
    config = _adapted(file, source, f"{dataset} {name}", {"--dataset": dataset}, options)
    arguments = class_arguments(config)
    with naming(source):
        _require(arguments, {"seeds": list, "iterations": int})
    arguments |= {"starts": [str(folder / "global.json")], "splits": [split]}
    trials = len(arguments["seeds"]) * arguments["iterations"]
    return Step(name, "local", source, config, folder / "local.json", trials)


def _final(
    file: Path,
    source: str,
    dataset: str,
    splits: Sequence[int],
    found: Sequence[str],
    seeds: Sequence[int],
    run: Path,
) -> Step:
    options = {"--dataset": dataset, "--output": str(run / "final")}
    config = _adapted(file, source, f"{dataset} final", options, {"--dataset": dataset})
    structures = ["hand", *(str(run / "split{split}" / f"{phase}.json") for phase in found)]
    values: dict[str, list[Any]] = {"structure": structures, "split": list(splits), "seed": list(seeds)}
    config["searchSpace"] = {name: {"_type": "choice", "_value": chosen} for name, chosen in values.items()}
    trials = len(structures) * len(splits) * len(seeds)
    if class_name(config) is None:
        return Step("final", "final", source, with_grid_search(config, trials), None, trials)
    arguments = {**class_arguments(config), **{f"{name}s": list(chosen) for name, chosen in values.items()}}
    if "check_command" in arguments and len(splits) == 1 and " --split " not in arguments["check_command"]:
        arguments["check_command"] += f" --split {splits[0]}"
    config["tuner"]["classArgs"] = arguments
    return Step("final", "final", source, config, None, trials)


def with_grid_search(config: dict[str, Any], trials: int) -> dict[str, Any]:
    """A final training by NNI's own grid search, as earlier versions made it, and YAML files copied from them do.

    It can leave out a training after a resume.
    """
    return {**config, "tuner": {"name": "GridSearch"}, "maxTrialNumber": trials}


def final_trainings(config: dict[str, Any]) -> list[Path]:
    """The folders of all final trainings that a configuration asks for, below the one of its trials' ``--output``."""
    values = (config["searchSpace"][name]["_value"] for name in ("structure", "split", "seed"))
    return [training_folder(*place) for place in product(*values)]


def _adapted(
    file: Path, source: str, name: str, options: dict[str, str], check_options: dict[str, str]
) -> dict[str, Any]:
    """A configuration with another name, other options of its commands, and paths that hold anywhere."""
    config = read_config(file)
    with naming(source):
        _require(config, {"trialCommand": str, "trialCodeDirectory": str, "tuner": dict})
        config["experimentName"] = name
        config["trialCommand"] = with_options(config["trialCommand"], options)
        arguments = class_arguments(config)
        if "check_command" in arguments:
            _require(arguments, {"check_command": str})
            arguments["check_command"] = with_options(arguments["check_command"], check_options)
        for holder, key in (
            (config, "trialCodeDirectory"),
            (config, "searchSpaceFile"),
            (config["tuner"], "codeDirectory"),
        ):
            if holder.get(key) is not None:
                _require(holder, {key: str})
                holder[key] = os.path.realpath(file.parent / holder[key])
    return config


def _source(file: str) -> str:
    """What messages call a YAML file."""
    return file if Path(file).is_absolute() else f"experiments/{file}"


@contextmanager
def naming(source: str) -> Iterator[None]:
    """Let what is refused begin with the file that it is from."""
    try:
        yield
    except BadInput as fault:
        raise BadInput(f"{source}: {fault}") from None


def _require(values: dict[str, Any], kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if type(values.get(name)) is not kind:
            raise BadInput(f"{name} must be {KINDS[kind]}, not {shortened(values.get(name))}")


def with_options(command: str, options: dict[str, str]) -> str:
    """A command with other values of some of its options.

    Raises:
        BadInput: the command cannot be taken apart, or lacks one of the options.
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
