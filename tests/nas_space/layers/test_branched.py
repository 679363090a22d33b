"""The branched convolution against an explicit sum of convolutions, and networks of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_space import searchable
from nas_space.branching import Branching, next_structure
from nas_space.layers.branches import INITIAL_BRANCH_WEIGHT
from nas_space.layers.convolutions import BranchedConv, DilatedConv
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, ms_tcn
from nas_space.structure import Structure
from tests.nas_space.generators import structures

OFFSETS = [0, 9, 10, 40]


def branched_conv(
    branches: tuple[int, ...], inner_activation: bool = False, kernel_size: int = 3, seed: int = 0
) -> BranchedConv:
    """A layer of double precision whose branch weights are of either sign."""
    torch.manual_seed(seed)
    conv = BranchedConv(4, 5, kernel_size, branches, inner_activation).double()
    with torch.no_grad():
        conv.branch_weights.copy_(torch.randn(len(branches)))
    return conv


def explicit_sum(
    frames: Tensor, weight: Tensor, bias: Tensor, branch_weights: Tensor, branches: tuple[int, ...], activate: bool
) -> Tensor:
    """sum_i |w_i| / sum_j |w_j| conv(video; d_i), video by video, with a ReLU around each conv or not."""
    videos = []
    for start, end in pairwise(OFFSETS):
        result = torch.zeros(1, weight.shape[0], end - start, dtype=frames.dtype)
        for own, dilation in zip(branch_weights, branches, strict=True):
            reach = dilation * (weight.shape[2] // 2)
            branch = F.conv1d(frames[start:end].t()[None], weight, bias, padding=reach, dilation=dilation)
            result = result + abs(own) / sum(map(abs, branch_weights)) * (branch.relu() if activate else branch)
        videos.append(result[0].t())
    return torch.cat(videos)


@settings(max_examples=25)
@given(
    branches=st.lists(st.integers(1, 40), min_size=2, max_size=5, unique=True).map(tuple),
    kernel_size=st.sampled_from([3, 5]),
    activate=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_layer_and_gradients_equal_the_explicit_sum_of_convolutions(
    branches: tuple[int, ...], kernel_size: int, activate: bool, seed: int
) -> None:
    conv = branched_conv(branches, activate, kernel_size, seed)
    assert conv.bias is not None
    frames = torch.randn(OFFSETS[-1], 4, dtype=torch.float64, requires_grad=True)
    variables = [frames, conv.weight, conv.bias, conv.branch_weights]
    result = conv(frames, OFFSETS)
    expected = explicit_sum(frames, conv.weight, conv.bias, conv.branch_weights, branches, activate)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)
    slope = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad((output * slope).sum(), variables) for output in (result, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_a_branched_convolution_by_hand() -> None:
    conv = BranchedConv(1, 1, kernel_size=3, branches=(1, 2))
    with torch.no_grad():
        conv.weight[0, 0] = torch.tensor([1.0, 10.0, 100.0])
        conv.bias[0] = 0.5  # type: ignore[index]
        conv.branch_weights.copy_(torch.tensor([-3.0, 1.0]))
        result = conv(torch.tensor([[1.0], [2.0], [3.0]]), offsets=[0, 3])
    # Dilation 1: 210.5, 321.5, 32.5; dilation 2: 310.5, 20.5, 31.5; their shares are 3/4 and 1/4.
    assert result.squeeze(1).tolist() == [235.5, 246.25, 32.25]


def test_the_inner_activation_comes_before_the_sum() -> None:
    conv = BranchedConv(1, 1, kernel_size=3, branches=(1, 2), inner_activation=True)
    with torch.no_grad():
        conv.weight[0, 0] = torch.tensor([0.0, 0.0, 1.0])
        conv.bias[0] = 0.0  # type: ignore[index]
        result = conv(torch.tensor([[0.0], [-4.0], [2.0]]), offsets=[0, 3])
    # Frame t sees x[t + 1] and x[t + 2]: -4, 2, 0 and 2, 0, 0; without what is negative, in equal shares.
    assert result.squeeze(1).tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("activate", [False, True])
def test_no_video_sees_another_one(activate: bool) -> None:
    conv = branched_conv((1, 4, 16), activate)
    frames = torch.randn(OFFSETS[-1], 4, dtype=torch.float64)
    with torch.no_grad():
        together = conv(frames, OFFSETS)
        alone = [conv(frames[start:end], [0, end - start]) for start, end in pairwise(OFFSETS)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-14)


def test_one_certain_branch_is_a_plain_convolution() -> None:
    conv = branched_conv((3, 7, 11))
    frames = torch.randn(OFFSETS[-1], 4, dtype=torch.float64)
    with torch.no_grad():
        conv.branch_weights.copy_(torch.tensor([0.0, -0.3, 0.0]))
        torch.testing.assert_close(conv(frames, OFFSETS), conv.collapse(7)(frames, OFFSETS), rtol=0, atol=1e-12)


def test_probabilities_by_hand() -> None:
    conv = BranchedConv(1, 1, 3, (1, 2, 3))
    assert conv.branch_weights.tolist() == pytest.approx([0.01] * 3)
    assert INITIAL_BRANCH_WEIGHT == 0.01
    assert conv.probabilities().tolist() == pytest.approx([1 / 3] * 3)
    with torch.no_grad():
        conv.branch_weights.copy_(torch.tensor([1.0, -2.0, 5.0]))
    assert conv.probabilities().tolist() == [0.125, 0.25, 0.625]


def test_expand_and_collapse_share_the_very_same_parameters() -> None:
    conv = DilatedConv(2, 3, kernel_size=5, dilation=7)
    branched = BranchedConv.expand(conv, (6, 7, 8), inner_activation=True)
    collapsed = branched.collapse(9)
    assert (branched.branches, branched.inner_activation) == ((6, 7, 8), True)
    assert (collapsed.dilation, collapsed.kernel_size, type(collapsed)) == ((9,), (5,), DilatedConv)
    assert branched.weight is conv.weight is collapsed.weight
    assert branched.bias is conv.bias is collapsed.bias


# Networks


def network(structure: Structure) -> nn.Module:
    torch.manual_seed(0)
    return build(structure, feature_dim=4, classes=3).eval()


@settings(max_examples=20)
@given(structures(channels=5), st.booleans())
def test_expand_then_collapse_is_the_same_network(structure: Structure, activate: bool) -> None:
    plain = network(structure)
    before = dict(plain.named_parameters())
    videos = PackedVideos(torch.randn(12, 4), (0, 5, 12))
    with torch.no_grad():
        expected = plain(videos)
        searchable.expand(plain, structure, Branching(), activate)
        branched = set(plain.state_dict()) - set(before)
        searchable.collapse(plain, structure)
        assert torch.equal(plain(videos), expected)
    assert branched == {f"{path}.branch_weights" for path in structure.network.paths.values()}
    assert list(plain.state_dict()) == list(before)
    assert all(parameter is before[name] for name, parameter in plain.named_parameters())


def test_collapse_takes_the_new_structure() -> None:
    description = ms_tcn.describe(stages=2, layers=2, channels=5)
    collapsed, after = network(Structure.hand(description)), Structure((3, 5, 7, 9), description)
    searchable.expand(collapsed, Structure.hand(description), Branching())
    searchable.collapse(collapsed, after)
    plain = network(after)
    plain.load_state_dict(collapsed.state_dict())
    videos = PackedVideos(torch.randn(30, 4), (0, 30))
    assert torch.equal(collapsed(videos), plain(videos))


def test_rates_of_a_short_schedule_by_hand() -> None:
    description, branching = ms_tcn.describe(stages=1, layers=3, channels=5), Branching(rate=0.5, maximum=64)
    structure = Structure((1, 8, 64), description)
    searched = network(structure)

    def rates() -> list[tuple[int, ...]]:
        convs = [searched.get_submodule(path) for path in description.paths.values()]
        return [conv.branches if isinstance(conv, BranchedConv) else conv.dilation for conv in convs]  # type: ignore[misc]

    def learn(*weights: list[float]) -> None:
        for path, own in zip(description.paths.values(), weights, strict=True):
            with torch.no_grad():
                searched.get_parameter(f"{path}.branch_weights").copy_(torch.tensor(own))

    def estimate() -> Structure:
        after = next_structure(structure, branching, searchable.probabilities(searched, description))
        searchable.collapse(searched, after)
        return after

    # Expand: 1 has no room below, 64 none above.
    searchable.expand(searched, structure, branching)
    assert rates() == [(1, 2), (4, 8, 12), (32, 64)]
    # Estimate: (1 + 3 x 2) / 4 = 1.75; (4 + 8 + 2 x 12) / 4 = 9; (3 x 32 + 64) / 4 = 40.
    learn([1, -3], [1, 1, 2], [-3, 1])
    structure = estimate()
    assert rates() == [(2,), (9,), (40,)]
    # Expand: half of 9 is 4.5, rounded to 5; 40 + 20 is within the bounds.
    searchable.expand(searched, structure, branching)
    assert rates() == [(1, 2, 3), (4, 9, 14), (20, 40, 60)]
    assert searchable.probabilities(searched, description) == {
        label: pytest.approx([1 / 3] * 3) for label in description.paths
    }
    # Estimate: 3; (3 x 4 + 9) / 4 = 5.25; (20 + 40 + 2 x 60) / 4 = 45.
    learn([0, 0, 1], [3, 1, 0], [1, 1, 2])
    structure = estimate()
    assert rates() == [(3,), (5,), (45,)]
    # Expand: 1.5 -> 2, 2.5 -> 3, 22.5 -> 23, and 45 + 23 = 68 is cut to 64.
    searchable.expand(searched, structure, branching)
    assert rates() == [(1, 3, 5), (2, 5, 8), (22, 45, 64)]
    # Equal probabilities: 3; 5; (22 + 45 + 64) / 3 = 43.67, as the bound pulls inwards.
    structure = estimate()
    assert rates() == [(3,), (5,), (44,)]
