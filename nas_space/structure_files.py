"""Structures as JSON files, in three dialects told apart by their content.

* native: ``{"format": "global2local-structure", "network": {...}, "dilations": {path: d}, "about": {...}}``
* seed:   ``{"global": {...}, "model": {path: d or [d]}}``, of the published Global2Local code (arXiv 2101.00910)
* mmcv:   ``{"search": {...}, "structure": {"module." + path: [d] or [[d_h, d_w]]}}``, of MMCV's receptive field search

``python -m nas_space.structure_files FILE`` shows a structure; with ``--dialect`` and ``--output`` it translates one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, Literal, get_args

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from common.read_file import read_json
from nas_space.shape import MS_TCN, MSTCNShape
from nas_space.structure import ReceptiveField, Structure

Dialect = Literal["native", "seed", "mmcv"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

FORMAT = "global2local-structure"
MMCV_PREFIX = "module."

# The seed's reader expects its search settings beside the dilations; these are the paper's (local search: 10
# estimates, one every 3 epochs, delta = 0.1, dilations of 1..2048), and say that no step of a search is left to do.
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


def read_structure(source: str | Path, shape: MSTCNShape = MS_TCN) -> Structure:
    """The structure of a JSON file in any dialect, or a named one (``hand``).

    Raises:
        BadInput: the file cannot be read, is of no known dialect, or does not fit the network ``shape``.
    """
    if str(source) == "hand":
        return Structure.hand(shape)
    path = Path(source)
    content = read_json(path, "structure file (give a JSON file, or the name 'hand')")
    try:
        return _from_json(content, shape)
    except BadInput as fault:
        raise BadInput(f"{path}: {fault}") from None


def write_structure(
    structure: Structure, path: Path, dialect: Dialect = "native", about: Mapping[str, Any] | None = None
) -> None:
    """Write a structure atomically. ``about`` (where it comes from, its metrics) is kept by the native dialect only."""
    write_json(path, structure_to_json(structure, dialect, about))


def structure_to_json(
    structure: Structure, dialect: Dialect = "native", about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A structure as the JSON content of one dialect."""
    if dialect == "seed":
        return {"global": dict(SEED_SETTINGS), "model": structure.by_path()}
    if dialect == "mmcv":
        rates = {MMCV_PREFIX + path: [dilation] for path, dilation in structure.by_path().items()}
        return {"search": {}, "structure": rates}
    network = _network(structure.shape)
    return {"format": FORMAT, "network": network, "dilations": structure.by_path(), "about": dict(about or {})}


def _from_json(content: Any, shape: MSTCNShape) -> Structure:
    if isinstance(content, dict):
        if content.get("format") == FORMAT:
            _check_network(content.get("network"), shape)
            return Structure.from_paths(_mapping(content, "dilations"), shape)
        if "model" in content:
            dilations = {path: _seed_dilation(path, value) for path, value in _mapping(content, "model").items()}
            return Structure.from_paths(dilations, shape)
        if "structure" in content:
            rates = _mapping(content, "structure")
            if len({path.removeprefix(MMCV_PREFIX) for path in rates}) != len(rates):
                raise BadInput(f"a layer comes twice, with and without {MMCV_PREFIX!r}")
            return Structure.from_paths(
                {path.removeprefix(MMCV_PREFIX): _mmcv_dilation(path, rate) for path, rate in rates.items()}, shape
            )
    raise BadInput(
        f'not a structure: expected "format": "{FORMAT}" (ours), "model" (the seed\'s dialect) or "structure" (MMCV\'s)'
    )


def _check_network(network: Any, shape: MSTCNShape) -> None:
    wanted = _network(shape)
    if network is None or network == wanted:
        return
    fault = f"the structure is of another network ({shortened(network)})"
    own = network if isinstance(network, dict) else {}
    differ = {name for name in wanted if own.get(name) != wanted[name]}
    options = {"stages": "--num-stages", "layers": "--num-layers"}
    if differ and differ <= options.keys() and all(type(own.get(name)) is int for name in options):
        size = " ".join(f"{option} {own[name]}" for name, option in options.items())
        raise BadInput(f"{fault}: give its size, {size}")
    others = [f"its {name} must be {wanted[name]}" for name in wanted if name in differ - options.keys()]
    raise BadInput(f"{fault}: {', '.join(others) or f'it must be {wanted}'}")


def _network(shape: MSTCNShape) -> dict[str, Any]:
    return {"name": "ms_tcn", "stages": shape.num_stages, "layers": shape.num_layers, "kernel": shape.kernel_size}


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
    """Show a structure and its receptive field, or translate it into another dialect."""
    parser = argparse.ArgumentParser(
        prog="python -m nas_space.structure_files",
        description=main.__doc__,
        epilog="example: python -m nas_space.structure_files best.json --dialect seed --output best_seed.json",
    )
    parser.add_argument("structure", help="a structure file of any dialect, or 'hand'")
    parser.add_argument("--dialect", choices=DIALECTS, help="what --output writes (default: native)")
    parser.add_argument("--output", type=Path, help="write the structure to this file")
    parser.add_argument("--fps", type=float, help="frames per second as the network reads them: show seconds, too")
    MSTCNShape.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.fps is not None and not arguments.fps > 0:
        raise BadInput(f"--fps must be above 0, not {arguments.fps}")
    if arguments.dialect is not None and arguments.output is None:
        raise BadInput("--dialect says what --output writes: give --output, too")
    structure = read_structure(arguments.structure, MSTCNShape.from_arguments(arguments))
    if arguments.output:
        dialect: Dialect = arguments.dialect or "native"
        write_structure(structure, arguments.output, dialect, {"source": Path(arguments.structure).name})
        print(f"wrote {arguments.output} ({dialect})")
        return
    field = ReceptiveField.of(structure)
    for number, (dilations, frames) in enumerate(zip(structure.stages(), field.stages, strict=True), start=1):
        print(f"stage {number}: dilations {' '.join(map(str, dilations))}; sees {_extent(frames, arguments.fps)}")
        print(f"         its layers see {' '.join(map(str, field.layers[number - 1]))} frames")
    print(f"the network sees {_extent(field.network, arguments.fps)}")


def _extent(frames: int, fps: float | None) -> str:
    return f"{frames} frames" if fps is None else f"{frames} frames ({frames / fps:.1f} s)"


if __name__ == "__main__":
    run_command(main)
