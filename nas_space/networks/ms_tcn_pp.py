"""MS-TCN++ (Li et al., TPAMI 2020): a prediction stage of dual dilated layers, then refinement stages as in MS-TCN.

A dual dilated layer (section 4.1) has two parallel dilated convolutions; the dilation of one grows with the layer, that
of the other shrinks. Their outputs are concatenated and fused by a 1x1 convolution. State dicts have the keys of the
authors' code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas_space.network import LARGEST_DILATION, Block, Layer, Network, Option, chosen_options
from nas_space.networks.ms_tcn import stage_block, stage_parameters

if TYPE_CHECKING:
    from torch import nn

    from nas_space.structure import Structure

NAME = "ms-tcn++"
OPTIONS = (
    Option("prediction", 11),
    Option("refinements", 3, least=0),
    Option("layers", 10),
    Option("shared", 0, least=0),
    Option("channels", 64),
)


def describe(**options: Any) -> Network:
    """11 dual layers, then 3 refinement stages of 10 layers (section 5.1); ``shared=1``: these share their weights.

    Raises:
        BadInput: an option is unknown or out of range.
    """
    chosen = chosen_options(NAME, OPTIONS, options)
    prediction, refinements, layers, shared, channels = (option.value for option in chosen)
    dual = tuple(each for layer in range(prediction) for each in _pair(layer, prediction - 1 - layer, channels))
    blocks = [Block("stage 1", dual)]
    own = 1 if shared and refinements else refinements
    for number in range(own):
        blocks.append(stage_block(number + 2, f"Rs.{number}", layers, channels, repeats=refinements // own))
    return Network(NAME, chosen, tuple(blocks))


def _pair(layer: int, opposite: int, channels: int) -> tuple[Layer, Layer]:
    """The two convolutions of a dual layer, with dilations 2^opposite and 2^layer (equation 4)."""
    first, second = f"s1l{layer}a", f"s1l{layer}b"
    cost = 4 * channels * channels  # three taps, and a half of the fusion
    return (
        Layer(first, f"PG.conv_dilated_1.{layer}", min(2**opposite, LARGEST_DILATION), 3, second, cost),
        Layer(second, f"PG.conv_dilated_2.{layer}", min(2**layer, LARGEST_DILATION), 3, first, cost),
    )


def build(structure: Structure, feature_dim: int, classes: int) -> nn.Module:
    """The module; see ``nas_space.networks.build``."""
    from torch.nn import ModuleList

    from nas_space.layers.dual_stage import DualStage
    from nas_space.layers.stages import Stage, StagedNetwork

    network = structure.network
    channels = network.option("channels")
    first, *later = structure.by_block()
    prediction = DualStage(feature_dim, channels, classes, first[::2], first[1::2])
    stages = [Stage(classes, channels, classes, 3, dilations) for dilations in later]
    repeats = network.blocks[-1].repeats  # more than 1 for shared weights
    return StagedNetwork(repeats, PG=prediction, Rs=ModuleList(stages))


def parameters(network: Network, feature_dim: int, classes: int) -> int:
    """See ``nas_space.networks.parameters``."""
    channels, layers = network.option("channels"), network.option("layers")
    dual = network.option("prediction") * (channels * channels * 8 + 3 * channels) + (channels + 1) * classes
    later = len(network.blocks) - 1
    refinement = stage_parameters(layers, 3, channels, classes) + channels * classes
    return channels * (feature_dim + 1) + dual + later * refinement
