"""Fold the branches that a trained network keeps into single kernels (rf-merge), where that costs less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from common.bad_input import BadInput, KnownFailure, run_command
from common.command_parser import command_parser
from nas_space.folding import fold, foldable, layer_taps
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import add_named_network_argument
from nas_space.structure import Structure, dilations_text
from trials.training.checkpoint import load_checkpoint, save_checkpoint

FRAMES = 1000
TOLERANCE = 1e-9
"""Largest difference of an output in double precision."""


def main() -> None:
    """Fold the branches of each layer of a checkpoint into one dense kernel, where that has fewer taps than they have.

    Elsewhere they stay a sum of convolutions.
    """
    parser = command_parser("trials.merge", main.__doc__, "--checkpoint runs/multiple/model.pt --output merged.pt")
    parser.add_argument("--checkpoint", type=Path, required=True, help="a model.pt whose structure keeps branches")
    parser.add_argument("--output", type=Path, required=True, help="the checkpoint to write")
    parser.add_argument(
        "--layers", nargs="+", metavar="LABEL", help="fold these, as s1l0 (default: all that have fewer taps then)"
    )
    add_named_network_argument(parser)
    arguments = parser.parse_args()
    output: Path = arguments.output
    if output.suffix != ".pt" or (output.exists() and output.samefile(arguments.checkpoint)):
        raise BadInput(f"--output {output}: give another file than the checkpoint, NAME.pt: it cannot be parted again")
    checkpoint = load_checkpoint(arguments.checkpoint, arguments.network)
    structure = checkpoint.structure(arguments.network)
    if not structure.branches or checkpoint.folded:
        what = "is merged already" if checkpoint.folded else "keeps one dilation in each layer"
        raise BadInput(f"{arguments.checkpoint}: {what}: there is nothing to merge")
    taps = layer_taps(structure)
    labels = list(dict.fromkeys(arguments.layers or foldable(structure)))
    if not labels:
        nearest = min(taps, key=lambda label: taps[label][0] / taps[label][1])
        raise BadInput(
            f"{arguments.checkpoint}: as one dense kernel no layer has fewer taps than its branches have: "
            f"{nearest}, the nearest, {taps[nearest][0]} in place of {taps[nearest][1]}"
        )
    module = checkpoint.module(arguments.network)
    before = _output(module, checkpoint.feature_dim)
    fold(module, structure, labels)
    difference = float((_output(module, checkpoint.feature_dim) - before).abs().max())
    if not difference <= TOLERANCE:
        raise KnownFailure(f"an output differs by {difference:.1e} in double precision: these branches stay a sum")
    weights = {name: value.float() for name, value in module.state_dict().items()}
    save_checkpoint(output, replace(checkpoint, weights=weights, folded=labels))
    print(_table(structure, taps, labels))
    print(f"largest difference of an output in double precision, of {FRAMES} random frames: {difference:.1e}")
    print(output)


@torch.no_grad()
def _output(module: nn.Module, feature_dim: int) -> torch.Tensor:
    """``(outputs, frames, classes)`` in double precision; the module stays in it."""
    features = torch.randn(FRAMES, feature_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    output: torch.Tensor = module.double().eval()(PackedVideos(features, (0, FRAMES)))
    return output


def _table(structure: Structure, taps: Mapping[str, tuple[int, int]], folded: list[str]) -> str:
    branches = structure.branches_by_label()
    lines = [f"{'layer':<10}{'dilations':<22}{'taps as branches':>17}{'as one kernel':>15}"]
    for label, (dense, summed) in taps.items():
        note = "  folded" if label in folded else ""
        lines.append(f"{label:<10}{dilations_text(branches[label]):<22}{summed:>17}{dense:>15}{note}")
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(main)
