"""The search spaces, declared once with NNI mutables: for the tuners and for NNI's web page.

``python -m nas_space.space`` writes the search-space files of the experiments (experiments/spaces/*.json).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nni.mutable import Categorical, MutableDict, Numerical

from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from nas_space.network import POWERS_OF_TWO, Network
from nas_space.networks import DEFAULT, add_network_argument, find_network

SPACES_FOLDER = Path(__file__).parent.parent / "experiments" / "spaces"


def global_space(network: Network, candidates: Sequence[int] = POWERS_OF_TWO) -> dict[str, Categorical[int]]:
    """The space of the global search: one categorical choice of dilation for each searchable convolution, by label.

    Raises:
        BadInput: fewer than two candidates, a repeated one, or one that is not a whole number of at least 0; or 0 for a
            network that can leave no layer out.
    """
    _check_candidates("the candidates", candidates, network)
    space = MutableDict({label: Categorical(list(candidates), label=label) for label in network.paths})
    choices = space.simplify()
    # Our labels as keys: NNI's are of a type of its own, which YAML cannot write.
    return {label: choices[label] for label in network.paths}


def local_space(network: Network) -> dict[str, Numerical]:
    """The space of the local search: any integer dilation for each layer. It is for NNI's web page; branches search it.

    It is logarithmic so that the page's axes are: on linear ones, all dilations below 100 would lie at the bottom.
    """
    choices = MutableDict(
        {label: Numerical(1, 2048, quantize=1, log_distributed=True, label=label) for label in network.paths}
    ).simplify()
    return {label: choices[label] for label in network.paths}


def to_nni(space: Mapping[str, Categorical[int] | Numerical]) -> dict[str, dict[str, Any]]:
    """A space as NNI's search-space JSON: flat, numeric, one short label per layer, as its web page can draw it."""
    return {label: _to_nni(choice) for label, choice in space.items()}


def _to_nni(choice: Categorical[int] | Numerical) -> dict[str, Any]:
    if isinstance(choice, Numerical):  # NNI 3.0 writes no legacy form of these
        return {"_type": "qloguniform", "_value": [choice.low, choice.high, choice.quantize]}
    return choice.as_legacy_dict()


def from_nni(search_space: Any, network: Network) -> dict[str, tuple[int, ...]]:
    """Candidates by label from the search space of the YAML file, as NNI hands it to a tuner.

    Raises:
        BadInput: not a flat space of choices, an unknown label, a layer without a choice, or bad candidates.
    """
    if not isinstance(search_space, dict):
        raise BadInput("the search space must be an object of choices by layer label (see experiments/spaces)")
    unknown = [label for label in search_space if label not in network.paths]
    missing = [label for label in network.paths if label not in search_space]
    if unknown:
        raise BadInput(f"the search space names {unknown[0]!r}, which is no layer of {network}")
    if missing:
        raise BadInput(f"the search space has no choice for layer {missing[0]!r} of {network}")
    candidates: dict[str, tuple[int, ...]] = {}
    for label in network.paths:
        choice = search_space[label]
        if (
            not isinstance(choice, dict)
            or choice.get("_type") != "choice"
            or not isinstance(choice.get("_value"), list)
        ):
            raise BadInput(f'the search space of layer {label!r} must be {{"_type": "choice", "_value": [...]}}')
        _check_candidates(f"the candidates of layer {label!r}", choice["_value"], network)
        candidates[label] = tuple(choice["_value"])
    return candidates


def _check_candidates(what: str, candidates: Sequence[Any], network: Network) -> None:
    least = 0 if network.can_leave_out else 1
    for value in candidates:
        # bool is a subclass of int, and NNI would accept True and 1.0 for 1.
        if type(value) is not int or value < least:
            raise BadInput(f"{what} must be whole numbers of at least {least}, not {value!r}")
    if len(set(candidates)) != len(candidates):
        raise BadInput(f"{what} must differ, not {list(candidates)}")
    if len(candidates) < 2:
        raise BadInput(f"{what} must be at least two, not {list(candidates)}")


def space_json(network: Network, candidates: Sequence[int] | None) -> str:
    """The text of a search-space file, one layer per line: the global space, or without candidates the local one."""
    space = local_space(network) if candidates is None else global_space(network, candidates)
    lines = [f"  {json.dumps(label)}: {json.dumps(choice)}" for label, choice in to_nni(space).items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


DEMO = "ms-tcn:stages=2,layers=2"
COMMITTED_SPACES: dict[str, tuple[str, Sequence[int] | None]] = {
    "ms_tcn_global.json": ("ms-tcn", POWERS_OF_TWO),
    # For data sets whose longest video has 513 to 1024 frames.
    "ms_tcn_512_global.json": ("ms-tcn", POWERS_OF_TWO[:-1]),
    "ms_tcn_local.json": ("ms-tcn", None),
    "ms_tcn_pp_global.json": ("ms-tcn++", POWERS_OF_TWO),
    "ms_tcn_pp_512_global.json": ("ms-tcn++", POWERS_OF_TWO[:-1]),
    "ms_tcn_pp_local.json": ("ms-tcn++", None),
    "demo_global.json": (DEMO, tuple(2**exponent for exponent in range(7))),
    "demo_local.json": (DEMO, None),
}
"""The files that this command writes by default: name -> network and candidates."""


def main() -> None:
    """Write the search-space files for NNI: all committed ones, or one of your own with --output."""
    parser = command_parser(
        "nas_space.space", main.__doc__, "--network ms-tcn:stages=3 --output spaces/three_stages.json"
    )
    add_network_argument(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--candidates", type=int, nargs="+", help="dilations (default: 1 2 4 ... 1024)")
    which.add_argument("--local", action="store_true", help="the space of a local search: any dilation")
    parser.add_argument("--output", type=Path, help="write the space of these options to this file")
    arguments = parser.parse_args()
    if arguments.output is not None:
        candidates = None if arguments.local else arguments.candidates or POWERS_OF_TWO
        write_text(arguments.output, space_json(arguments.network, candidates))
        print(arguments.output)
        return
    if arguments.network != find_network(DEFAULT) or arguments.candidates is not None or arguments.local:
        raise BadInput("a space of your own needs --output: the committed files are not overwritten with it")
    for name, (network, candidates) in COMMITTED_SPACES.items():
        write_text(SPACES_FOLDER / name, space_json(find_network(network), candidates))
        print(SPACES_FOLDER / name)


if __name__ == "__main__":
    run_command(main)
