"""Our network against a plain nn.Conv1d MS-TCN, written here, which sees one video at a time."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_space.networks import build, ms_tcn
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from tests.nas_space.networks.packed import packed, with_dropout

FEATURES, CHANNELS, CLASSES = 5, 6, 4
LENGTHS = (9, 1, 30, 4)
# Some dilations are larger than the short videos, and some larger than any of them.
STRUCTURE = Structure((1, 3, 40, 7, 64, 2), ms_tcn.describe(stages=3, layers=2, channels=CHANNELS))
WIDE_KERNEL = Structure((1, 3, 17, 2), ms_tcn.describe(stages=2, layers=2, kernel=5, channels=CHANNELS))


class PlainLayer(nn.Module):
    def __init__(self, channels: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (kernel_size // 2)
        self.conv_dilated = nn.Conv1d(channels, channels, kernel_size, padding=padding, dilation=dilation)
        self.conv_1x1 = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.conv_1x1(F.relu(self.conv_dilated(x))))


class PlainStage(nn.Module):
    def __init__(self, in_channels: int, kernel_size: int, dilations: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.conv_1x1 = nn.Conv1d(in_channels, CHANNELS, 1)
        self.layers = nn.ModuleList([PlainLayer(CHANNELS, kernel_size, dilation, dropout) for dilation in dilations])
        self.conv_out = nn.Conv1d(CHANNELS, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_1x1(x)
        for layer in self.layers:
            x = layer(x)
        return self.conv_out(x)


class PlainMSTCN(nn.Module):
    """``(batch, features, frames)`` -> ``(stages, batch, classes, frames)``."""

    def __init__(self, stages: list[tuple[int, ...]], kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.stage1 = PlainStage(FEATURES, kernel_size, stages[0], dropout)
        self.stages = nn.ModuleList([PlainStage(CLASSES, kernel_size, stage, dropout) for stage in stages[1:]])

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self.stage1(x)]
        for stage in self.stages:
            outputs.append(stage(F.softmax(outputs[-1], dim=1)))
        return torch.stack(outputs)


def networks(structure: Structure = STRUCTURE, dropout: float = 0.0) -> tuple[nn.Module, PlainMSTCN]:
    """Our network and a plain one, in float64, each with random weights of its own."""
    torch.manual_seed(0)
    ours = with_dropout(build(structure, FEATURES, CLASSES), dropout).double()
    return ours, PlainMSTCN(structure.by_block(), structure.network.option("kernel"), dropout).double()


def random_videos(lengths: tuple[int, ...] = LENGTHS) -> tuple[Tensor, list[int]]:
    """Packed random features, and their offsets."""
    features = torch.randn(sum(lengths), FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return features, [0, *accumulate(lengths)]


def one_at_a_time(plain: nn.Module, features: Tensor, offsets: list[int]) -> Tensor:
    """What the plain network says of each video alone, packed: ``(stages, frames, classes)``."""
    videos = [features[start:end].t().unsqueeze(0) for start, end in pairwise(offsets)]
    return torch.cat([plain(video).squeeze(1).transpose(1, 2) for video in videos], dim=1)


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


def test_parameters_have_the_usual_names_and_shapes() -> None:
    ours, plain = networks()
    assert [(name, value.shape) for name, value in ours.state_dict().items()] == [
        (name, value.shape) for name, value in plain.state_dict().items()
    ]


@pytest.mark.parametrize("direction", ["from plain", "to plain"])
def test_weights_move_both_ways(direction: str) -> None:
    ours, plain = networks()
    features, offsets = random_videos()
    source, target = (plain, ours) if direction == "from plain" else (ours, plain)
    assert not torch.allclose(ours(packed(features, offsets)), one_at_a_time(plain, features, offsets))
    target.load_state_dict(source.state_dict(), strict=True)
    assert_equal(ours(packed(features, offsets)), one_at_a_time(plain, features, offsets))


@pytest.mark.parametrize("structure", [STRUCTURE, WIDE_KERNEL], ids=["kernel 3", "kernel 5"])
@pytest.mark.parametrize(("training", "dropout"), [(True, 0.0), (False, 0.5)], ids=["train", "eval"])
def test_packed_videos_have_the_logits_and_gradients_of_each_alone(
    structure: Structure, training: bool, dropout: float
) -> None:
    ours, plain = networks(structure, dropout)
    ours.load_state_dict(plain.state_dict())
    ours.train(training)
    plain.train(training)
    features, offsets = random_videos()
    ours_input, plain_input = features.clone().requires_grad_(), features.clone().requires_grad_()

    actual, expected = ours(packed(ours_input, offsets)), one_at_a_time(plain, plain_input, offsets)
    assert actual.shape == (len(structure.network.blocks), sum(LENGTHS), CLASSES)
    assert_equal(actual, expected)

    pull = torch.randn(actual.shape, dtype=torch.float64)
    actual.backward(pull)
    expected.backward(pull)
    assert ours_input.grad is not None
    assert plain_input.grad is not None
    assert_equal(ours_input.grad, plain_input.grad)
    gradients = {name: parameter.grad for name, parameter in plain.named_parameters()}
    for name, parameter in ours.named_parameters():
        gradient = gradients.pop(name)
        assert parameter.grad is not None
        assert gradient is not None
        assert_equal(parameter.grad, gradient)
    assert gradients == {}


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 12), min_size=2, max_size=4), data=st.data())
def test_no_video_sees_another(lengths: list[int], data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, len(lengths) - 1), label="changed video")
    network = networks()[0].float()
    features, offsets = random_videos(tuple(lengths))
    features = features.float()
    before = network(packed(features, offsets))
    features[offsets[changed] : offsets[changed + 1]] += 1
    after = network(packed(features, offsets))
    for number, (start, end) in enumerate(pairwise(offsets)):
        assert torch.equal(after[:, start:end], before[:, start:end]) == (number != changed)


@pytest.mark.parametrize(
    "structure", [Structure((1, 3, 9, 2), ms_tcn.describe(stages=2, layers=2, channels=CHANNELS)), WIDE_KERNEL]
)
def test_an_output_sees_its_receptive_field_and_no_more(structure: Structure) -> None:
    seen = ReceptiveField.of(structure).network.frames
    middle = seen  # far enough from both ends
    features = random_videos((2 * seen + 1,))[0].requires_grad_()
    networks(structure)[0](packed(features, [0, len(features)]))[-1, middle].square().sum().backward()
    assert features.grad is not None
    reached = features.grad.abs().sum(dim=1).nonzero().squeeze(1)
    assert (reached.min().item(), reached.max().item()) == (middle - seen // 2, middle + seen // 2)


@pytest.mark.parametrize("structure", [STRUCTURE, WIDE_KERNEL])
def test_paths_of_a_structure_lead_to_its_convolutions(structure: Structure) -> None:
    network, _ = networks(structure)
    dilated = {path: module.dilation for path, module in network.named_modules() if isinstance(module, nn.Conv1d)}
    searched = {path: dilation for path, (dilation,) in dilated.items() if path.endswith("conv_dilated")}
    assert searched == structure.by_path()


def test_dropout_is_random_in_training_only() -> None:
    network, _ = networks(dropout=0.5)
    features, offsets = random_videos()
    assert not torch.equal(network(packed(features, offsets)), network(packed(features, offsets)))
    network.eval()
    assert torch.equal(network(packed(features, offsets)), network(packed(features, offsets)))


def test_the_network_of_the_paper_has_64_channels_and_dropout_of_a_half() -> None:
    network = build(Structure.hand(ms_tcn.describe()), feature_dim=2048, classes=48)
    weights = network.state_dict()
    assert weights["stage1.conv_1x1.weight"].shape == (64, 2048, 1)
    assert weights["stages.2.conv_out.weight"].shape == (48, 64, 1)
    assert {module.p for module in network.modules() if isinstance(module, nn.Dropout)} == {0.5}
