"""Check the arguments and the search space of an experiment's tuner, without NNI."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.bad_input import BadInput
from experiments.checks.command_check import ROOT, TrialCommand
from nas_space.network import Network
from nas_space.networks import DEFAULT, ms_tcn, tuner_network
from nas_space.structure import Structure
from nas_space.structure_files import read_structure, write_structure
from nas_space.structure_names import structure_file
from strategies.differentiable import seeds_of
from trials.trial_arguments import CANDIDATES_TWICE

MODULE = "strategies.tuners"
TRIAL_OF = {
    "GlobalTuner": "trials.search_trial",
    "LocalTuner": "trials.local_trial",
    "DifferentiableTuner": "trials.differentiable_trial",
    "FinalTuner": "trials.final_trial",
}


@dataclass(frozen=True)
class MayBeMissing:
    """Structure files that may be missing when an experiment is checked, as a search will write them first."""

    results: Collection[Path] = ()
    """Files that earlier steps of a pipeline write."""
    starting: bool = False
    """Whether the experiment is about to start. If not, the files of any pipeline (``.../split1/global.json``) may be
    missing, too, and are listed in ``noted``."""
    noted: list[Path] = field(default_factory=list)

    def includes(self, path: Path) -> bool:
        """Whether a file may be missing."""
        if path in self.results:
            return True
        known = re.fullmatch(r"split\d+", path.parent.name) and path.name in ("global.json", "local.json")
        if self.starting or not known:
            return False
        if path not in self.noted:
            self.noted.append(path)
        return True


def check_tuner(config: Any, trial: TrialCommand | str, may_be_missing: MayBeMissing) -> str:
    """Check tuner and search space of an experiment; returns a line about the result.

    Args:
        config: NNI's ExperimentConfig, canonical.
        trial: the trial command, or why it is not known.

    Raises:
        BadInput: the experiment would end, or its trials would fail.
    """
    tuner, space = config.tuner, config.search_space
    module, _, name = (tuner.class_name or "").rpartition(".")
    if module != MODULE or Path(tuner.code_directory).resolve() != ROOT:
        if isinstance(trial, TrialCommand):
            _check_space(space, trial, Path(config.training_service.trial_code_directory), may_be_missing)
        return f"not checked: arguments of the tuner {tuner.name or tuner.class_name}, which is not ours"
    _check_ours(name, tuner.class_args or {}, space, may_be_missing)
    if isinstance(trial, TrialCommand):
        if TRIAL_OF.get(name, trial.module) != trial.module:
            raise BadInput(f"trialCommand: {name} needs {TRIAL_OF[name]}, not {trial.module}")
        if name == "DifferentiableTuner" and seeds_of(space) is None and trial.arguments.candidates is not None:
            raise BadInput(f"trialCommand: {CANDIDATES_TWICE}")
        if (network := _network(tuner.class_args or {})) != trial.network:
            raise BadInput(f"trialCommand: its network is {trial.network}, but that of the tuner (classArgs) {network}")
    return f"tuner: {name} accepts its arguments and the search space"


def splits_of(config: Any, trial: TrialCommand) -> list[int]:
    """The splits that the trials train on, once tuner and search space have passed ``check_tuner``."""
    if hasattr(trial.arguments, "split"):
        return [int(trial.arguments.split)]
    splits = (config.tuner.class_args or {}).get("splits")
    if splits is None and trial.module == "trials.final_trial":
        splits = _choices(config.search_space, "split")
    return list(dict.fromkeys(splits)) if isinstance(splits, list) else []


def warn_of_long_candidates(space: Any, trial: TrialCommand, splits: Sequence[int]) -> None:
    """Warn of candidates that no video is longer than; not for a local search, whose space is for NNI's page only."""
    if trial.module not in ("trials.search_trial", "trials.differentiable_trial") or not isinstance(space, dict):
        return
    longest = trial.dataset.longest(*splits)
    candidates = {value for label in trial.network.paths for value in space.get(label, {}).get("_value", ())}
    if too_long := sorted(value for value in candidates if value >= longest):
        kept = " ".join(map(str, sorted(candidates - set(too_long))))
        warnings.warn(
            f"search space: no video has more than {longest} frames, so a layer of dilation "
            f"{' or '.join(map(str, too_long))} sees its own frame only: leave these candidates out (python -m "
            f"nas_space.space --network {trial.network} --candidates {kept} --output FILE)",
            stacklevel=2,
        )


def _check_ours(name: str, arguments: Mapping[str, Any], space: Any, may_be_missing: MayBeMissing) -> None:
    # Imported here because they import NNI.
    from strategies import tuners
    from strategies.adapter.dry_run import dry_run
    from strategies.adapter.search_tuner import SearchTuner

    known = {
        each: value
        for each, value in vars(tuners).items()
        if isinstance(value, type) and issubclass(value, SearchTuner) and value is not SearchTuner
    }
    if name not in known:
        raise BadInput(f"tuner: {MODULE} has no class {name!r}; it has {', '.join(sorted(known))}")
    with TemporaryDirectory() as folder:
        try:
            dry_run(known[name], *_with_stand_ins(arguments, space, Path(folder), may_be_missing))
        except BadInput as fault:
            raise BadInput(f"tuner: {str(fault).replace(folder, '')}") from None


def _with_stand_ins(
    arguments: Mapping[str, Any], space: Any, folder: Path, may_be_missing: MayBeMissing
) -> tuple[dict[str, Any], Any]:
    """The arguments and the space of a tuner, with stand-ins in ``folder`` for structure files that may be missing.

    Their paths are the real ones, with ``folder`` as the root of the file system.
    """
    replaced = dict(arguments)
    for key in ("starts", "structures"):
        names = arguments.get(key)
        if isinstance(names, list):
            splits = arguments.get("splits")
            replaced[key] = [_stand_in(name, splits, arguments, space, folder, may_be_missing) for name in names]
    shown = space.get("structure") if isinstance(space, dict) else None
    if shown is not None and shown == {"_type": "choice", "_value": arguments.get("structures")}:
        space = {**space, "structure": {**shown, "_value": replaced["structures"]}}
    return replaced, space


def _stand_in(
    name: Any, splits: Any, arguments: Mapping[str, Any], space: Any, folder: Path, may_be_missing: MayBeMissing
) -> Any:
    if not isinstance(name, str) or name == "hand":
        return name
    # ``{split}`` in the name of a final training's structure stands for the number of a split.
    known_splits = splits if isinstance(splits, list) and splits else [1]
    files = list(dict.fromkeys(ROOT / structure_file(name, split) for split in known_splits))
    if all(path.exists() or not may_be_missing.includes(path) for path in files):
        return name
    for path in files:
        made = Path(f"{folder}{path}")
        made.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            made.symlink_to(path)
        elif may_be_missing.includes(path):
            write_structure(_fitting(arguments, space), made)
    return f"{folder}{ROOT / name}"


def _fitting(arguments: Mapping[str, Any], space: Any) -> Structure:
    """A structure that the tuner accepts if it accepts any: the smallest permitted dilations of its network."""
    network = _network(arguments)

    def smallest(label: str) -> Any:
        try:
            return arguments.get("min_dilation") or space[label]["_value"][0]
        except (TypeError, LookupError):
            return 1

    return Structure(tuple(map(smallest, network.paths)), network)


def _network(arguments: Mapping[str, Any]) -> Network:
    """The network of a tuner's arguments. Raises BadInput for an unknown one."""
    earlier = {name: value for name, value in arguments.items() if name in ms_tcn.EARLIER_ARGUMENTS}
    with warnings.catch_warnings(action="ignore"):  # the tuner itself warns of earlier arguments
        return tuner_network(arguments.get("network", DEFAULT), earlier)


def _check_space(space: Any, trial: TrialCommand, folder: Path, may_be_missing: MayBeMissing) -> None:
    """Refuse a space with parameters that a trial of ours cannot train, whichever tuner samples them."""
    if trial.module == "trials.search_trial":
        labels = trial.network.paths.keys()
        named = space.keys() if isinstance(space, dict) else set()
        if named != labels:
            raise BadInput(
                f"search space: it must name the layers of the trials' network {trial.network}, "
                f"as {next(iter(labels ^ named))!r} shows"
            )
    elif trial.module == "trials.final_trial":
        structures, splits, seeds = (_choices(space, name) for name in ("structure", "split", "seed"))
        if not all(isinstance(name, str) for name in structures):
            raise BadInput(f"search space: structures must be names of files, or hand, not {structures!r}")
        if not all(type(number) is int and number >= 0 for number in [*splits, *seeds]):
            raise BadInput(f"search space: splits and seeds must be whole numbers of at least 0, not {splits}, {seeds}")
        for name in structures:
            for path in dict.fromkeys(folder / structure_file(name, split) for split in splits or [1]):
                if name != "hand" and (path.exists() or not may_be_missing.includes(path)):
                    read_structure(path, trial.network)


def _choices(space: Any, name: str) -> Sequence[Any]:
    """The values of a parameter; empty where it is not a choice. Raises BadInput where it is missing."""
    if not isinstance(space, dict) or not isinstance(space.get(name), dict):
        raise BadInput("search space: a final training needs the parameters structure, split and seed")
    values = space[name].get("_value")
    return values if space[name].get("_type") == "choice" and isinstance(values, list) else []
