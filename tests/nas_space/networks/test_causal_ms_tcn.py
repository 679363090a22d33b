"""The causal network in every form against a plain nn.Conv1d one, padded in front only; and its past alone counts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space import searchable
from nas_space.branching import Branching
from nas_space.layers import residual
from nas_space.networks import build, find_network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from tests.nas_space.networks.packed import packed, with_dropout
from tests.nas_space.networks.test_ms_tcn import random_videos

NETWORK = find_network("causal-ms-tcn:stages=2,layers=3,channels=6")
STRUCTURE = Structure((1, 5, 12, 3, 40, 2), NETWORK)
LENGTHS = (9, 1, 50, 4)

Change = Callable[[nn.Module], object]
CHANGES: dict[str, Change] = {
    "plain": lambda _: None,
    "branched": lambda module: searchable.expand(module, STRUCTURE, Branching(3, 0.5)),
    "activated": lambda module: searchable.expand(module, STRUCTURE, Branching(3, 0.5), inner_activation=True),
    "choosing": lambda module: searchable.choose(module, NETWORK, dict.fromkeys(NETWORK.paths, (1, 4, 16, 64))),
}
"""What becomes of the searchable convolutions."""


def network(structure: Structure = STRUCTURE, change: Change = CHANGES["plain"]) -> nn.Module:
    """In float64, without dropout."""
    torch.manual_seed(0)
    module = build(structure, feature_dim=5, classes=4)
    change(module)
    return with_dropout(module, 0.0).double()


def by_definition(module: nn.Module, video: Tensor) -> Tensor:
    """One video ``(frames, features)`` alone, with nothing but F.conv1d: ``(stages, frames, classes)``."""
    weights, dilations = module.state_dict(), STRUCTURE.by_path()

    def conv(name: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.conv1d(F.pad(x, (dilation * (weight.shape[2] - 1), 0)), weight, bias, dilation=dilation)

    x, outputs = video.t()[None], []
    for stage in ("stage1", "stages.0"):
        x = conv(f"{stage}.conv_1x1", x)
        for layer in range(3):
            path = f"{stage}.layers.{layer}"
            hidden = F.relu(conv(f"{path}.conv_dilated", x, dilations[f"{path}.conv_dilated"]))
            x = x + conv(f"{path}.conv_1x1", hidden)
        outputs.append(conv(f"{stage}.conv_out", x))
        x = F.softmax(outputs[-1], dim=1)
    return torch.stack(outputs).squeeze(1).transpose(1, 2)


@pytest.fixture(params=["packed", "padded"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each form of the residual layers: a GPU takes the padded one."""
    if request.param == "padded":
        monkeypatch.setattr(residual, "is_packed", lambda *_: False)


@pytest.mark.usefixtures("form")
def test_it_is_the_definition() -> None:
    module = network()
    features, offsets = random_videos(LENGTHS)
    expected = torch.cat([by_definition(module, features[start:end]) for start, end in pairwise(offsets)], dim=1)
    torch.testing.assert_close(module(packed(features, offsets)), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_both_forms_have_the_same_outputs_and_gradients(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    module = network(change=change)
    features, offsets = random_videos(LENGTHS)
    features.requires_grad_()

    def result() -> tuple[Tensor, ...]:
        output = module(packed(features, offsets))
        return output, *torch.autograd.grad(output.square().sum(), [features, *module.parameters()])

    fast = result()
    monkeypatch.setattr(residual, "is_packed", lambda *_: False)
    torch.testing.assert_close(fast, result(), rtol=0, atol=1e-9)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_output_sees_a_later_frame(change: Change) -> None:
    module = network(change=change).eval()
    features, _ = random_videos(LENGTHS)
    frames = features[:30]
    with torch.no_grad():
        before = module(packed(frames, [0, 30]))
        for changed in (29, 17):
            other = frames.clone()
            other[changed] += 1
            after = module(packed(other, [0, 30]))
            assert torch.equal(after[:, :changed], before[:, :changed])
            assert not torch.equal(after[:, changed], before[:, changed])


def test_an_output_sees_its_receptive_field_and_no_more() -> None:
    structure = Structure((1, 3, 9, 2, 5, 4), NETWORK)
    past = ReceptiveField.of(structure).network.past
    assert past == 48
    features = torch.randn(past + 30, 5, dtype=torch.float64, requires_grad=True)
    last = past + 10
    network(structure)(packed(features, [0, len(features)]))[-1, last].square().sum().backward()
    assert features.grad is not None
    reached = features.grad.abs().sum(dim=1).nonzero().squeeze(1)
    assert (reached.min().item(), reached.max().item()) == (last - past, last)


def test_collapsed_it_is_causal_still() -> None:
    module = network(change=CHANGES["branched"]).eval()
    searchable.collapse(module, STRUCTURE)
    features, offsets = random_videos(LENGTHS)
    plain = network().eval()
    plain.load_state_dict(module.state_dict())
    assert torch.equal(module(packed(features, offsets)), plain(packed(features, offsets)))
