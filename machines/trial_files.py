"""Which files a trial goes on from, and where its own may be written: what another machine must be sent, and may send.

All else that a trial needs, the data, is on that machine already.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from nas_space.networks.your_own import OwnNetwork
from nas_space.structure_names import structure_file, training_folder
from nni_api.epoch_file import EPOCH_FILE
from trials.trial_arguments import TRIALS

PATH_OPTIONS = ("--output", "--chains", "--network")
"""Options with a path of a file or folder that is here."""


@dataclass(frozen=True)
class TrialFiles:
    """The files of one trial, by their absolute paths here."""

    needed: list[Path]
    """Those that exist when it starts."""
    own: list[Path]
    """The file and the folders that it may write."""

    @classmethod
    def of(cls, module: str, words: Sequence[str], parameters: Mapping[str, Any], output: Path) -> TrialFiles:
        """Those of a trial.

        Args:
            module: of ``TRIALS``.
            words: its options.
            parameters: from the tuner.
            output: NNI_OUTPUT_DIR, which is EXPERIMENT/environments/local-env/trials/TRIAL.

        Raises:
            BadInput: the options or the parameters are none of such a trial.
        """
        arguments = parse(module, words)
        experiment = output.parents[3]
        own = [output / EPOCH_FILE, experiment / "trials" / output.name]
        needed = sorted(experiment.glob("data-split*.json"))
        try:
            if module == "trials.local_trial":
                chains = (arguments.chains or experiment / "chains").absolute()
                chain = chains / f"chain_{parameters['chain']}"
                needed += _last_checkpoint(chain, parameters["iteration"])
                own.append(chain)
            elif module == "trials.differentiable_trial":
                search = experiment / "searches" / f"seed_{parameters['seed']}"
                needed += _files_of(search)
                own.append(search)
            elif module == "trials.final_trial":
                name, split, seed = (parameters[key] for key in ("structure", "split", "seed"))
                training = arguments.output.absolute() / training_folder(name, split, seed)
                file = Path(structure_file(name, split)).absolute()
                needed += [*_files_of(training), *([file] if file.is_file() else [])]
                own.append(training)
        except (KeyError, TypeError) as fault:
            raise BadInput(f"{module}: not its parameters ({fault!r}): {dict(parameters)}") from None
        if isinstance(arguments.network, OwnNetwork):
            needed += _code_of(arguments.network)
        return cls(needed, own)


def parse(module: str, words: Sequence[str]) -> argparse.Namespace:
    """The options of a trial, written in full: some are changed for another machine.

    Raises:
        BadInput: the module is none of our trials, or refuses its options.
    """
    if module not in TRIALS:
        raise BadInput(f"{module}: on other machines, only trials of ours run: {', '.join(TRIALS)}")
    parser = TRIALS[module].parser()
    parser.allow_abbrev = False
    arguments = parser.parse_args(words)
    TRIALS[module].check(arguments)
    return arguments


def _code_of(network: OwnNetwork) -> list[Path]:
    """The file that describes a network, and the package of its function if it lies beside, where it is looked for."""
    assert network.file is not None
    package = network.function.partition(":")[0].partition(".")[0]
    beside = network.file.parent
    module = beside / f"{package}.py"
    return [network.file, *([module] if module.is_file() else []), *sorted((beside / package).rglob("*.py"))]


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_file() and path.name[0] != ".")


def _last_checkpoint(chain: Path, iteration: int) -> list[Path]:
    """The last whole checkpoint before an iteration: from that one a chain goes on."""
    for before in reversed(range(iteration)):
        path = chain / f"iteration_{before}.pt"
        if path.is_file() and zipfile.is_zipfile(path):
            return [path]
    return []
