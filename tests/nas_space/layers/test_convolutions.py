from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_space.layers.convolutions import DilatedConv, PointwiseConv


def column(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32).unsqueeze(1)


def test_a_dilated_convolution_by_hand() -> None:
    conv = DilatedConv(1, 1, kernel_size=3, dilation=2)
    with torch.no_grad():
        conv.weight[0, 0] = torch.tensor([1.0, 10.0, 100.0])
        conv.bias[0] = 0.5  # type: ignore[index]
        result = conv(column(1, 2, 3, 4, 5), offsets=[0, 3, 5])
    # Frame t of a video becomes 1 x[t - 2] + 10 x[t] + 100 x[t + 2] + 0.5; the videos are 1, 2, 3 and 4, 5.
    assert result.squeeze(1).tolist() == [310.5, 20.5, 31.5, 40.5, 50.5]


def test_a_pointwise_convolution_by_hand() -> None:
    conv = PointwiseConv(2, 1)
    with torch.no_grad():
        conv.weight[0, :, 0] = torch.tensor([1.0, 10.0])
        conv.bias[0] = 0.5  # type: ignore[index]
        result = conv(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert result.tolist() == [[21.5], [43.5], [65.5]]


def slow_dilated_conv(video: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """The definition, frame by frame and tap by tap: ``(frames, in_channels)`` -> ``(frames, out_channels)``."""
    taps = weight.shape[2]
    result = bias.repeat(len(video), 1)
    for frame in range(len(video)):
        for tap in range(taps):
            source = frame + (tap - taps // 2) * dilation
            if 0 <= source < len(video):
                result[frame] += weight[:, :, tap] @ video[source]
    return result


@settings(max_examples=50)
@given(
    kernel_size=st.sampled_from([3, 5, 7]),
    dilation=st.integers(1, 12),
    lengths=st.lists(st.integers(1, 15), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_each_video_is_convolved_on_its_own(kernel_size: int, dilation: int, lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    conv = DilatedConv(2, 3, kernel_size, dilation).double()
    assert isinstance(conv.bias, Tensor)
    videos = [torch.randn(length, 2, dtype=torch.float64) for length in lengths]
    offsets = [sum(lengths[:number]) for number in range(len(lengths) + 1)]
    with torch.no_grad():
        expected = [slow_dilated_conv(video, conv.weight, conv.bias, dilation) for video in videos]
        result = conv(torch.cat(videos), offsets)
    torch.testing.assert_close(result, torch.cat(expected), rtol=0, atol=1e-12)


def test_weights_are_kept_as_a_plain_convolution_keeps_them() -> None:
    dilated, plain = DilatedConv(2, 3, kernel_size=5, dilation=7), nn.Conv1d(2, 3, 5)
    pointwise, plain_pointwise = PointwiseConv(2, 3), nn.Conv1d(2, 3, 1)
    for ours, theirs in ((dilated, plain), (pointwise, plain_pointwise)):
        assert {name: value.shape for name, value in ours.state_dict().items()} == {
            name: value.shape for name, value in theirs.state_dict().items()
        }
