"""Any convolution with another dilation: each output reads the frames that it would have been built to read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_space.layers.foreign_conv import Geometry, rebind


def tap_by_tap(frames: Tensor, weight: Tensor, dilation: int, causal: bool) -> Tensor:
    """``(channels, frames)`` -> ``(out_channels, frames)``: y(t) = sum_j W_j x(t + (j - present) d), 0 outside."""
    size = weight.shape[2]
    present = size - 1 if causal else size // 2
    output = frames.new_zeros(len(weight), frames.shape[1])
    for tap in range(size):
        for time in range(frames.shape[1]):
            read = time + (tap - present) * dilation
            if 0 <= read < frames.shape[1]:
                output[:, time] += weight[:, :, tap] @ frames[:, read]
    return output


@settings(max_examples=60, deadline=None)
@given(
    size=st.sampled_from([3, 5, 7]),
    hand=st.integers(1, 6),
    dilation=st.integers(1, 12),
    length=st.integers(1, 30),
    kind=st.sampled_from(["inside", "same", "outside", "causal outside", "causal and cut"]),
    axis=st.sampled_from([None, 0, 1]),
)
def test_each_output_reads_what_its_dilation_says(
    size: int, hand: int, dilation: int, length: int, kind: str, axis: int | None
) -> None:
    causal = "causal" in kind
    reach = (size - 1) * hand
    padding = {"inside": reach // 2, "causal and cut": reach}.get(kind, 0)
    before, after = {"outside": (reach // 2, reach // 2), "causal outside": (reach, 0)}.get(kind, (0, 0))
    conv: nn.Conv1d | nn.Conv2d
    if axis is None:
        conv = nn.Conv1d(2, 3, size, padding="same" if kind == "same" else padding, dilation=hand, bias=False)
    else:  # time is the first axis, or the last
        sizes, pads, dilations = (((a, b) if axis == 0 else (b, a)) for a, b in ((size, 1), (padding, 0), (hand, 1)))
        conv = nn.Conv2d(2, 3, sizes, padding="same" if kind == "same" else pads, dilation=dilations, bias=False)
    conv.double()
    frames = torch.randn(2, length, dtype=torch.float64)
    padded = F.pad(frames, (before, after))[None]
    rebind(conv, Geometry.of(conv, causal), dilation)
    if axis is None:
        output = conv(padded)[0]
    else:
        output = conv(padded[:, :, None] if axis == 1 else padded[..., None])[0].flatten(1)
    expected = tap_by_tap(frames, conv.weight.detach().reshape(3, 2, size), dilation, causal)
    torch.testing.assert_close(output[:, :length], expected, rtol=1e-12, atol=1e-12)
    assert output.shape[1] == length + (reach if kind == "causal and cut" else 0)
