"""MS-TCN++ against a plain nn.Conv1d network with the keys of the authors' code, written here."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space import searchable
from nas_space.networks import build, find_network, ms_tcn_pp
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from tests.nas_space.networks.packed import packed, with_dropout
from tests.nas_space.networks.test_ms_tcn import (
    CHANNELS,
    CLASSES,
    FEATURES,
    LENGTHS,
    PlainStage,
    one_at_a_time,
    random_videos,
)

NETWORK = find_network(f"ms-tcn++:prediction=3,refinements=2,layers=2,channels={CHANNELS}")
STRUCTURE = Structure((4, 1, 2, 2, 1, 40, 1, 3, 7, 2), NETWORK)
SHARED = find_network(f"ms-tcn++:prediction=3,refinements=2,layers=2,shared=1,channels={CHANNELS}")


class PlainPrediction(nn.Module):
    """The prediction stage: dual dilated layers."""

    def __init__(self, first: tuple[int, ...], second: tuple[int, ...]) -> None:
        super().__init__()

        def convolutions(dilations: tuple[int, ...]) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv1d(CHANNELS, CHANNELS, 3, padding=d, dilation=d) for d in dilations)

        self.conv_1x1_in = nn.Conv1d(FEATURES, CHANNELS, 1)
        self.conv_dilated_1, self.conv_dilated_2 = convolutions(first), convolutions(second)
        self.conv_fusion = nn.ModuleList(nn.Conv1d(2 * CHANNELS, CHANNELS, 1) for _ in first)
        self.conv_out = nn.Conv1d(CHANNELS, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_1x1_in(x)
        for one, two, fusion in zip(self.conv_dilated_1, self.conv_dilated_2, self.conv_fusion, strict=True):
            x = x + F.relu(fusion(torch.cat([one(x), two(x)], dim=1)))
        return self.conv_out(x)


class PlainNetwork(nn.Module):
    """``(batch, features, frames)`` -> ``(stages, batch, classes, frames)``."""

    def __init__(self, structure: Structure, repeats: int = 1) -> None:
        super().__init__()
        prediction, *later = structure.by_block()
        self.PG = PlainPrediction(prediction[::2], prediction[1::2])
        self.Rs = nn.ModuleList(PlainStage(CLASSES, 3, dilations, 0.0) for dilations in later)
        self.repeats = repeats

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self.PG(x)]
        for refinement in self.repeats * list(self.Rs):
            outputs.append(refinement(F.softmax(outputs[-1], dim=1)))
        return torch.stack(outputs)


def networks(structure: Structure, repeats: int = 1) -> tuple[nn.Module, PlainNetwork]:
    """Ours and the plain one with the same weights, in float64, without dropout."""
    torch.manual_seed(0)
    ours = with_dropout(build(structure, FEATURES, CLASSES), 0.0).double()
    plain = PlainNetwork(structure, repeats).double()
    plain.load_state_dict(ours.state_dict(), strict=True)
    return ours, plain


@pytest.mark.parametrize(
    ("structure", "repeats"), [(STRUCTURE, 1), (Structure((4, 1, 2, 2, 1, 40, 7, 3), SHARED), 2)], ids=["own", "shared"]
)
def test_outputs_and_gradients_are_those_of_the_plain_network(structure: Structure, repeats: int) -> None:
    ours, plain = networks(structure, repeats)
    features, offsets = random_videos()
    actual = ours(packed(features, offsets))
    expected = one_at_a_time(plain, features, offsets)
    assert actual.shape == (3, sum(LENGTHS), CLASSES)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)
    pull = torch.randn_like(actual)
    gradients = [
        torch.autograd.grad((output * pull).sum(), list(dict(module.named_parameters()).values()))
        for output, module in ((actual, ours), (expected, plain))
    ]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-9)


def test_as_published_52_convolutions_are_searched() -> None:
    network = ms_tcn_pp.describe()
    assert (len(network.layers), len(ms_tcn_pp.describe(shared=1).layers)) == (52, 32)
    prediction, *refinements = Structure.hand(network).by_block()
    assert prediction[::2] == (1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
    assert prediction[1::2] == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    assert refinements == [(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)] * 3
    assert network.paths["s1l0a"] == "PG.conv_dilated_1.0"
    assert network.paths["s4l9"] == "Rs.2.layers.9.conv_dilated"


def test_the_receptive_field_of_the_published_network() -> None:
    """Measured by gradients: an output sees 7069 frames to each side."""
    structure = Structure.hand(ms_tcn_pp.describe(channels=2))
    seen = ReceptiveField.of(structure).network
    assert (seen.past, seen.future, seen.frames) == (7069, 7069, 14139)
    torch.manual_seed(0)
    module = with_dropout(build(structure, 1, 2), 0.0).double()
    for name, parameter in module.named_parameters():  # no ReLU closes a path, and none cancels another
        torch.nn.init.uniform_(parameter, 0.1, 0.3)
        if not name.endswith("bias"):
            parameter.data /= parameter.shape[1]
    features = torch.rand(seen.frames + 10, 1, dtype=torch.float64, requires_grad=True)
    middle = seen.past + 5
    module(packed(features, [0, len(features)]))[-1, middle, 0].backward()
    assert features.grad is not None
    reached = features.grad.abs().sum(dim=1).nonzero().squeeze(1)
    assert (reached.min().item(), reached.max().item()) == (middle - seen.past, middle + seen.future)


@pytest.mark.parametrize("network", [NETWORK, SHARED], ids=str)
def test_every_convolution_chooses_and_becomes_what_it_chose(network: object) -> None:
    description = NETWORK if network is NETWORK else SHARED
    torch.manual_seed(0)
    module = with_dropout(build(Structure.hand(description), FEATURES, CLASSES), 0.0)
    searchable.choose(module, description, dict.fromkeys(description.paths, (1, 5, 9)))
    for path in description.paths.values():
        module.get_parameter(f"{path}.branch_weights").data = torch.tensor([0.0, 1.0, 0.0])
    searchable.set_temperature(module, 0.001)
    assert all(learned[1] == 1.0 for learned in searchable.probabilities(module, description).values())
    features, offsets = random_videos()
    mixture = module(packed(features.float(), offsets))
    searchable.collapse(module, Structure((5,) * len(description.layers), description))
    torch.testing.assert_close(module(packed(features.float(), offsets)), mixture)
