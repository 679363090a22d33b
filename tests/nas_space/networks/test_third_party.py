"""Networks of others, without a line of ours inside them: exactly what they would be with other dilations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas_space.describe import describe_network
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, find_network
from nas_space.structure import Structure

try:
    import pytorch_tcn
except ImportError:
    pytorch_tcn = None

needs_pytorch_tcn = pytest.mark.skipif(pytorch_tcn is None, reason="pytorch-tcn is not installed: make test does that")

FEATURES, CLASSES, FRAMES = 5, 3, 50
HAND = (1, 2, 4)
OPTIONS: dict[str, dict[str, Any]] = {
    "causal_weight_norm": {"causal": True, "use_norm": "weight_norm"},
    "causal_batch_norm": {"causal": True, "use_norm": "batch_norm", "use_skip_connections": True},
    "symmetric_weight_norm": {"causal": False, "use_norm": "weight_norm", "use_skip_connections": True},
    "symmetric_batch_norm": {"causal": False, "use_norm": "batch_norm", "kernel_size": 5},
    "symmetric_layer_norm": {"causal": False, "use_norm": "layer_norm", "use_gate": True},
}


def tcn(kind: str, dilations: Sequence[int] = HAND) -> nn.Module:
    """pytorch-tcn's network of three blocks, of two convolutions each."""
    options = {"kernel_size": 3, "output_projection": CLASSES, **OPTIONS[kind]}
    network: nn.Module = pytorch_tcn.TCN(FEATURES, [6, 6, 6], dilations=list(dilations), **options)
    return network


def causal_weight_norm(*_: int) -> nn.Module:
    return tcn("causal_weight_norm")


def causal_batch_norm(*_: int) -> nn.Module:
    return tcn("causal_batch_norm")


def symmetric_weight_norm(*_: int) -> nn.Module:
    return tcn("symmetric_weight_norm")


def symmetric_batch_norm(*_: int) -> nn.Module:
    return tcn("symmetric_batch_norm")


def symmetric_layer_norm(*_: int) -> nn.Module:
    return tcn("symmetric_layer_norm")


def searchable(kind: str, dilations: Sequence[int], folder: Path) -> nn.Module:
    """The same network with dilations of our choice; those of a block's two convolutions are equal, as in its code."""
    path = folder / "net.json"
    path.write_text(json.dumps(describe_network(f"{__name__}:{kind}", FEATURES, CLASSES).to_json()))
    network = find_network(str(path))
    assert network.causal == OPTIONS[kind]["causal"]
    assert list(network.paths.values()) == [f"network.{block}.conv{one}" for block in range(3) for one in (1, 2)]
    torch.manual_seed(0)
    return build(Structure(tuple(each for each in dilations for _ in range(2)), network), FEATURES, CLASSES).double()


@needs_pytorch_tcn
@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("dilations", [HAND, (1, 1, 1), (5, 3, 9), (16, 1, 2)])
def test_pytorch_tcn_with_other_dilations(kind: str, dilations: tuple[int, ...], tmp_path: Path) -> None:
    searched = searchable(kind, dilations, tmp_path).eval()
    reference = tcn(kind, dilations).double().eval()
    # Buffers for streaming are as long as a convolution reaches; this forward pass does not read them.
    weights = {name: value for name, value in searched.state_dict().items() if not name.endswith("padder.buffer")}
    assert not reference.load_state_dict(weights, strict=False).unexpected_keys
    video = torch.randn(FRAMES, FEATURES, dtype=torch.float64)
    expected = reference(video.T[None])[0].T
    torch.testing.assert_close(searched(PackedVideos(video, (0, FRAMES)))[0], expected, rtol=1e-13, atol=1e-13)
    if dilations == HAND:
        assert torch.equal(searched(PackedVideos(video, (0, FRAMES)))[0], expected)


@needs_pytorch_tcn
def test_pytorch_tcn_keeps_its_state_dict(tmp_path: Path) -> None:
    searched = searchable("causal_weight_norm", (7, 7, 7), tmp_path)
    torch.manual_seed(0)
    own = tcn("causal_weight_norm").double().state_dict()
    assert searched.state_dict().keys() == own.keys()
    assert all(torch.equal(value, own[name]) for name, value in searched.state_dict().items())


def highresnet(features: int, classes: int, dilations: Sequence[int] = HAND) -> nn.Module:
    """MONAI's HighResNet (Li et al., IPMI 2017) in 1-D, of three blocks of two convolutions each."""
    from monai.networks.nets.highresnet import HighResBlock, HighResNet

    blocks = [{"name": f"res_{n}", "n_features": 6, "kernels": (3, 3), "repeat": 1} for n in range(3)]
    ends = [{"name": f"conv_{n}", "n_features": 6, "kernel_size": size} for n, size in enumerate((3, 1, 1))]
    network: nn.Module = HighResNet(1, features, classes, layer_params=[ends[0], *blocks, *ends[1:]])
    if tuple(dilations) != HAND:  # the only ones that it builds itself
        for number, dilation in enumerate(dilations, start=1):
            network.set_submodule(f"blocks.{number}", HighResBlock(1, 6, 6, dilation=dilation))
    return network


@pytest.mark.slow
@pytest.mark.parametrize("dilations", [HAND, (2, 4, 8), (5, 1, 3)])
def test_highresnet_with_other_dilations(dilations: tuple[int, ...], tmp_path: Path) -> None:
    pytest.importorskip("monai", reason="MONAI is not installed: make test-all does that")
    path = tmp_path / "net.json"
    path.write_text(json.dumps(describe_network(f"{__name__}:highresnet", FEATURES, CLASSES, ["blocks.0.*"]).to_json()))
    network = find_network(str(path))
    assert [layer.hand for layer in network.layers] == [1, 1, 2, 2, 4, 4]
    structure = Structure(tuple(each for each in dilations for _ in range(2)), network)
    searched = build(structure, FEATURES, CLASSES).double().eval()
    reference = highresnet(FEATURES, CLASSES, dilations).double().eval()
    reference.load_state_dict(searched.state_dict())
    video = torch.randn(FRAMES, FEATURES, dtype=torch.float64)
    expected = reference(video.T[None])[0].T
    torch.testing.assert_close(searched(PackedVideos(video, (0, FRAMES)))[0], expected, rtol=1e-13, atol=1e-13)
