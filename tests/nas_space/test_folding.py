"""Branches folded into one dense kernel: what that costs, and that outputs stay."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from common.bad_input import BadInput
from nas_space.folding import dense_taps, fold, foldable, layer_taps, summed_taps
from nas_space.layers.packed_videos import PackedVideos
from nas_space.layers.residual import DilatedResidualLayer
from nas_space.networks import build, ms_tcn
from nas_space.structure import Structure
from tests.nas_space.generators import branched_structures

FEATURES, CLASSES = 5, 3
NETWORK = ms_tcn.describe(stages=1, layers=3, channels=8)
STRUCTURE = Structure.from_labels(
    {"s1l0": [[1, 0.25], [2, 0.75]], "s1l1": [[8, 0.5], [16, 0.2], [24, 0.3]], "s1l2": [[90, 0.5], [110, 0.5]]},
    NETWORK,
)


def double(structure: Structure) -> nn.Module:
    torch.manual_seed(0)
    return build(structure, FEATURES, CLASSES).double().eval()


def videos(*lengths: int) -> PackedVideos:
    features = torch.randn(sum(lengths), FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return PackedVideos(features, (0, *torch.tensor(lengths).cumsum(0).tolist()))


@pytest.mark.parametrize(
    ("kernel_size", "dilations", "dense", "summed"),
    [
        (3, (90, 100, 110), 23, 9),
        (3, (461, 512, 563), 1127, 9),
        (3, (8, 16, 24), 7, 9),
        (3, (1, 2), 5, 6),
        (3, (2, 3, 4), 9, 9),
        (5, (3, 6), 9, 10),
    ],
)
def test_taps_by_hand(kernel_size: int, dilations: tuple[int, ...], dense: int, summed: int) -> None:
    assert (dense_taps(kernel_size, dilations), summed_taps(kernel_size, dilations)) == (dense, summed)


@given(branched_structures(channels=4, largest=12), st.lists(st.integers(1, 30), min_size=1, max_size=3))
def test_outputs_stay(structure: Structure, lengths: list[int]) -> None:
    """In all networks, and where the kernel reaches beyond a video."""
    module, packed = double(structure), videos(*lengths)
    expected = module(packed)
    labels = foldable(structure)
    fold(module, structure, labels)
    torch.testing.assert_close(module(packed), expected, rtol=1e-12, atol=1e-12)
    branches = structure.branches_by_label()
    for label, path in structure.network.paths.items():
        kernel = module.get_submodule(path).get_parameter("weight").shape[2]
        assert kernel == (layer_taps(structure)[label][0] if label in labels else 3)
        assert (f"{path}.branch_weights" in module.state_dict()) == (len(branches[label]) > 1 and label not in labels)


def test_a_folded_kernel_by_hand() -> None:
    """Shares 1/4 of (a, b, c) at dilation 1 and 3/4 of it at dilation 2."""
    module = double(STRUCTURE)
    a, b, c = module.get_parameter("stage1.layers.0.conv_dilated.weight").detach().unbind(2)
    fold(module, STRUCTURE, ["s1l0"])
    folded = module.get_parameter("stage1.layers.0.conv_dilated.weight")
    expected = torch.stack([0.75 * a, 0.25 * a, b, 0.25 * c, 0.75 * c], dim=2)
    torch.testing.assert_close(folded.detach(), expected, rtol=1e-7, atol=1e-9)


def test_both_forms_of_layers_of_several_kernel_sizes_are_the_same() -> None:
    module, packed = double(STRUCTURE), videos(40, 7)
    fold(module, STRUCTURE, ["s1l0", "s1l1"])
    expected, hidden = module(packed), packed.features
    stage = module.get_submodule("stage1")
    hidden = stage.get_submodule("conv_1x1")(hidden)
    for layer in stage.get_submodule("layers").children():
        assert isinstance(layer, DilatedResidualLayer)
        hidden = layer.composed(hidden, packed.offsets)
    torch.testing.assert_close(expected[0], stage.get_submodule("conv_out")(hidden), rtol=1e-12, atol=1e-12)


def test_only_what_costs_less_is_folded() -> None:
    assert foldable(STRUCTURE) == ["s1l0", "s1l1"]
    module = double(STRUCTURE)
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(BadInput, match=r"^layer 's1l2': one dense kernel has 23 taps, its branches one by one have 6:"):
        fold(module, STRUCTURE, ["s1l2"])
    with pytest.raises(BadInput, match=r"has no layer 's9l9'$"):
        fold(module, STRUCTURE, ["s9l9"])
    assert module.state_dict().keys() == before.keys()
