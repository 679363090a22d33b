"""Structures as JSON files, in three dialects, recognised by their content.

* native: ``{"format": "global2local-structure", "network": {...}, "dilations": {path: d}, "about": {...}}``; with
  several branches in a layer (rf-multiple), ``"global2local-structure-2"`` and ``{path: [[d, share], ...]}`` there
* seed:   ``{"global": {...}, "model": {path: d or [d]}}``, of the published Global2Local code (arXiv 2101.00910)
* mmcv:   ``{"search": {...}, "structure": {"module." + path: [d] or [[d_h, d_w]]}}``, of MMCV's receptive field search;
  several rates in a layer are refused: they are its branches in an unfinished search

``python -m nas_space.structure_files FILE`` shows a structure; with ``--dialect`` and ``--output`` it converts one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, Literal, get_args

from common.atomic_file import write_json
from common.bad_input import BadInput, naming, run_command
from common.command_parser import command_parser
from common.read_file import read_json
from nas_space.branching import Branching, keep_branches
from nas_space.network import Network
from nas_space.networks import add_network_argument, network_from_json
from nas_space.receptive_field import Extent, ReceptiveField
from nas_space.structure import Structure

Dialect = Literal["native", "seed", "mmcv"]
HAND = "hand"
"""Name of the hand-designed structure of any network, in place of a file."""
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

FORMAT = "global2local-structure"
FORMAT_OF_BRANCHES = "global2local-structure-2"
"""Earlier versions refuse it: they know of one dilation a layer."""
MMCV_PREFIX = "module."

# The seed's reader expects its search settings beside the dilations; these are the paper's (local search: 10
# estimates, one every 3 epochs, delta = 0.1, dilations of 1..2048), with no search step left to do.
SEED_SETTINGS = {
    "step": 0,
    "max_step": 30,
    "search_interval": 3,
    "exp_rate": 0.1,
    "init_alphas": 0.01,
    "normlize": "absavg",
    "mmin": 1,
    "mmax": 2048,
    "finetune": False,
}


def read_structure(source: str | Path, network: Network) -> Structure:
    """The structure of a JSON file in any dialect, or a named one (``hand``).

    Raises:
        BadInput: the file cannot be read, is of no known dialect, or is of another network.
    """
    if str(source) == HAND:
        return Structure.hand(network)
    path = Path(source)
    content = read_json(path, "structure file (give a JSON file, or the name 'hand')")
    with naming(path):
        return _from_json(content, network)


def read_single(source: str | Path, network: Network) -> Structure:
    """As ``read_structure``, for a search, which starts from one dilation in each layer.

    Raises:
        BadInput: as there; or the structure keeps several branches in a layer.
    """
    structure = read_structure(source, network)
    if structure.branches:
        raise BadInput(
            f"{source}: keeps several branches in a layer, but a search starts from one dilation each: "
            "give the structure that was found beside it"
        )
    return structure


def write_structure(
    structure: Structure, path: Path, dialect: Dialect = "native", about: Mapping[str, Any] | None = None
) -> None:
    """Write a structure atomically. ``about`` (its origin and metrics) is stored by the native dialect only."""
    write_json(path, structure_to_json(structure, dialect, about))


def structure_to_json(
    structure: Structure, dialect: Dialect = "native", about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A structure as the JSON content of one dialect.

    Raises:
        BadInput: it leaves layers out, or keeps several branches, which this dialect cannot say.
    """
    if dialect != "native":
        _check_plain(structure)
    if dialect == "seed":
        return {"global": dict(SEED_SETTINGS), "model": structure.by_path()}
    if dialect == "mmcv":
        rates = {MMCV_PREFIX + path: [dilation] for path, dilation in structure.by_path().items()}
        return {"search": {}, "structure": rates}
    form, network = FORMAT_OF_BRANCHES if structure.branches else FORMAT, structure.network.to_json()
    return {"format": form, "network": network, "dilations": structure.to_paths(), "about": dict(about or {})}


def _from_json(content: Any, network: Network) -> Structure:
    if isinstance(content, dict):
        if content.get("format") in (FORMAT, FORMAT_OF_BRANCHES):
            _check_network(content.get("network"), network)
            structure = Structure.from_paths(_mapping(content, "dilations"), network)
            if structure.branches and content["format"] == FORMAT:
                raise BadInput(f'several branches in a layer need "format": "{FORMAT_OF_BRANCHES}"')
            return structure
        if "model" in content:
            dilations = {path: _seed_dilation(path, value) for path, value in _mapping(content, "model").items()}
            return _check_plain(Structure.from_paths(dilations, network))
        if "structure" in content:
            rates = _mapping(content, "structure")
            if len({path.removeprefix(MMCV_PREFIX) for path in rates}) != len(rates):
                raise BadInput(f"a layer comes twice, with and without {MMCV_PREFIX!r}")
            dilations = {path.removeprefix(MMCV_PREFIX): _mmcv_dilation(path, rate) for path, rate in rates.items()}
            return _check_plain(Structure.from_paths(dilations, network))
    raise BadInput(
        f'not a structure: expected "format": "{FORMAT}" (ours), "model" (the seed\'s dialect) or "structure" (MMCV\'s)'
    )


def _check_plain(structure: Structure) -> Structure:
    """The structure; raises BadInput where it leaves layers out, or keeps several branches in one."""
    if structure.branches:
        raise BadInput("a layer has several branches with shares: only native structure files can have that")
    left_out = [path for path, dilation in structure.by_path().items() if dilation == 0]
    if left_out:
        raise BadInput(
            f"layer {left_out[0]!r} has the dilation 0: only native structure files can say that a layer is left out"
        )
    return structure


def _check_network(content: Any, network: Network) -> None:
    """Refuse a structure of another network: its layers must be the same, its other options need not be."""
    if content is None:
        return
    own = network_from_json(content)
    if own.blocks != network.blocks or own.causal != network.causal:
        raise BadInput(f"the structure is of another network: give --network {own}, or a structure of {network}")


def _mapping(content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        raise BadInput(f'"{key}" must be an object of dilations by layer')
    return value


def _seed_dilation(layer: str, value: Any) -> Any:
    if isinstance(value, list):
        if len(value) != 1:
            raise BadInput(f"layer {layer!r} has {len(value)} dilations, but one is needed")
        return value[0]
    return value


def _mmcv_dilation(layer: str, rate: Any) -> Any:
    """MMCV lists one rate, ``[d]`` or ``[d_h, d_w]``, or a list of rates, one per branch."""
    if isinstance(rate, list) and rate and isinstance(rate[0], list):
        if len(rate) != 1:
            raise BadInput(f"layer {layer!r} has {len(rate)} branches, but one is needed: finish its search first")
        rate = rate[0]
    if isinstance(rate, list):
        # A temporal convolution written as a 2-D one is dilated along one axis, and by 1 or the same along the other.
        if len(rate) == 2 and all(type(value) is int for value in rate) and (rate[0] == rate[1] or 1 in rate):
            return rate[1] if rate[0] == 1 else rate[0]
        if len(rate) != 1:
            found = shortened(rate)
            raise BadInput(f"layer {layer!r} has the rate {found}, but a temporal convolution has one dilation")
        return rate[0]
    return rate


def main() -> None:
    """Show a structure and its receptive field, or convert it into another dialect."""
    parser = command_parser(
        "nas_space.structure_files", main.__doc__, "best.json --dialect seed --output best_seed.json"
    )
    parser.add_argument("structure", help="a structure file of any dialect, or 'hand'")
    parser.add_argument("--dialect", choices=DIALECTS, help="what --output writes (default: native)")
    parser.add_argument("--output", type=Path, help="write the structure to this file")
    parser.add_argument(
        "--branches", type=int, metavar="N", help="keep N branches around each dilation, of equal shares"
    )
    parser.add_argument(
        "--expand-rate", type=float, default=Branching.rate, help="of --branches (default: %(default)s)"
    )
    parser.add_argument("--fps", type=float, help="frames per second as the network reads them: also show seconds")
    add_network_argument(parser)
    arguments = parser.parse_args()
    if arguments.fps is not None and not arguments.fps > 0:
        raise BadInput(f"--fps must be above 0, not {arguments.fps}")
    if arguments.dialect is not None and arguments.output is None:
        raise BadInput("--dialect says what --output writes: give --output, too")
    branching = None if arguments.branches is None else Branching(arguments.branches, arguments.expand_rate)
    structure = read_structure(arguments.structure, arguments.network)
    if branching is not None:
        if structure.branches:
            raise BadInput(
                f"{arguments.structure}: keeps several branches in a layer already: leave out --branches, or give a "
                "structure of one dilation each"
            )
        structure = keep_branches(structure, branching)
    if arguments.output:
        dialect: Dialect = arguments.dialect or "native"
        write_structure(structure, arguments.output, dialect, {"source": Path(arguments.structure).name})
        print(f"wrote {arguments.output} ({dialect})")
        return
    field = ReceptiveField.of(structure)
    for block, dilations, alone, seen in zip(
        structure.network.blocks, str(structure).split(" | "), field.layers, field.blocks, strict=True
    ):
        print(f"{block.name}: dilations {dilations}; sees {_extent(seen, arguments.fps)}")
        print(f"         its layers see {' '.join(str(extent.frames) for extent in alone)} frames")
    past = " of the present and the past" if structure.network.causal else ""
    print(f"the network sees {_extent(field.network, arguments.fps)}{past}")


def _extent(extent: Extent, fps: float | None) -> str:
    return f"{extent.frames} frames" if fps is None else f"{extent.frames} frames ({extent.frames / fps:.1f} s)"


if __name__ == "__main__":
    run_command(main)
