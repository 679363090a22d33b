"""The loss against plain loops, against the padded formulation, and its gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from trials.training.loss import segmentation_loss
from trials.training.settings import SmoothingAverage


@dataclass
class Case:
    """Random logits and labels of some packed videos."""

    logits: Tensor
    labels: Tensor
    offsets: tuple[int, ...]

    @classmethod
    def random(cls, lengths: list[int], stages: int = 2, classes: int = 3, scale: float = 4.0, seed: int = 0) -> Case:
        """The scale makes some changes of log-probability exceed the truncation, and some not."""
        generator = torch.Generator().manual_seed(seed)
        frames = sum(lengths)
        logits = scale * torch.randn(stages, frames, classes, generator=generator, dtype=torch.float64)
        labels = torch.randint(classes, (frames,), generator=generator)
        return cls(logits, labels, tuple(accumulate(lengths, initial=0)))

    def loss(self, weight: float = 0.15, average: SmoothingAverage = "valid") -> Tensor:
        return segmentation_loss(self.logits, self.labels, self.offsets, weight, average)


cases = st.builds(
    Case.random,
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    stages=st.integers(1, 3),
    classes=st.integers(2, 4),
    seed=st.integers(0, 1000),
)


def loop_loss(case: Case, weight: float) -> float:
    """Equations 5 to 8 of the paper, one number at a time."""
    total = 0.0
    for stage in case.logits.tolist():
        entropies, changes = [], []
        for start, end in pairwise(case.offsets):
            before: list[float] | None = None
            for logits, label in zip(stage[start:end], case.labels[start:end].tolist(), strict=True):
                partition = math.log(sum(math.exp(logit) for logit in logits))
                log_p = [logit - partition for logit in logits]
                entropies.append(-log_p[label])
                if before is not None:
                    changes += [min(abs(now - then), 4.0) ** 2 for now, then in zip(log_p, before, strict=True)]
                before = log_p
        total += sum(entropies) / len(entropies)
        total += weight * sum(changes) / len(changes) if changes else 0.0
    return total


def padded_loss(case: Case, weight: float) -> Tensor:
    """The loss over (videos, classes, longest) tensors with a mask, its smoothing averaged over the padding, too."""
    longest = max(end - start for start, end in pairwise(case.offsets))
    total = torch.zeros((), dtype=torch.float64)
    for stage in case.logits:
        videos = [(stage[start:end], case.labels[start:end]) for start, end in pairwise(case.offsets)]
        logits = torch.stack([F.pad(part.T, (0, longest - len(part))) for part, _ in videos])
        labels = torch.stack([F.pad(part, (0, longest - len(part)), value=-100) for _, part in videos])
        total = total + F.cross_entropy(logits, labels, ignore_index=-100)
        log_p = logits.log_softmax(dim=1)
        change = F.mse_loss(log_p[:, :, 1:], log_p[:, :, :-1].detach(), reduction="none").clamp(0, 16)
        total = total + weight * (change * (labels[:, None, 1:] != -100)).mean()
    return total


@given(cases, st.floats(0, 2))
def test_equals_plain_loops(case: Case, weight: float) -> None:
    assert float(case.loss(weight)) == pytest.approx(loop_loss(case, weight), rel=1e-12)


@given(cases, st.sampled_from(["valid", "padded"]))
def test_indexed_offsets_change_nothing(case: Case, average: SmoothingAverage) -> None:
    expected = case.loss(average=average)
    case.offsets = IndexedOffsets.on(torch.device("cpu"), case.offsets)
    assert torch.equal(case.loss(average=average), expected)


@given(cases.filter(lambda case: len(case.labels) > len(case.offsets) - 1))
def test_padded_average_equals_padded_formulation(case: Case) -> None:
    assert float(case.loss(average="padded")) == pytest.approx(float(padded_loss(case, 0.15)), rel=1e-12)


@settings(max_examples=20)
@given(cases.filter(lambda case: len(case.labels) > len(case.offsets) - 1))
def test_padded_average_has_the_gradient_of_the_padded_formulation(case: Case) -> None:
    case.logits.requires_grad_()
    (ours,) = torch.autograd.grad(case.loss(average="padded"), case.logits)
    (reference,) = torch.autograd.grad(padded_loss(case, 0.15), case.logits)
    torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize("average", ["valid", "padded"])
def test_one_frame_videos_have_only_cross_entropy(average: SmoothingAverage) -> None:
    case = Case.random([1, 1, 1])
    expected = sum(F.cross_entropy(stage, case.labels) for stage in case.logits)
    torch.testing.assert_close(case.loss(average=average), expected)


def test_equal_lengths_need_no_padding() -> None:
    case = Case.random([5, 5, 5])
    assert float(case.loss(average="valid")) == pytest.approx(float(case.loss(average="padded")))


def test_videos_are_no_neighbours() -> None:
    together = Case.random([4, 6], stages=1)
    apart = [
        Case(together.logits[:, span], together.labels[span], (0, len(together.labels[span])))
        for span in (slice(0, 4), slice(4, 10))
    ]
    smoothing = [float(case.loss(1) - case.loss(0)) for case in (together, *apart)]
    assert smoothing[0] == pytest.approx((3 * smoothing[1] + 5 * smoothing[2]) / 8)  # 3 and 5 pairs


def gradient(case: Case, weight: float) -> Tensor:
    """(stages, frames, classes): of the loss by the log-probabilities, which log-softmax of themselves gives back."""
    case.logits = case.logits.log_softmax(dim=-1).requires_grad_()
    return torch.autograd.grad(case.loss(weight), case.logits)[0]


def test_previous_frame_gets_no_gradient() -> None:
    case = Case.random([2, 1, 3], scale=0.5)
    smoothing = gradient(case, 1) - gradient(case, 0)
    first, later = [0, 2, 3], [1, 4, 5]
    assert smoothing[:, first].abs().max() < 1e-12
    assert smoothing[:, later].abs().amax(dim=-1).min() > 1e-3


def test_truncated_changes_get_no_gradient() -> None:
    case = Case(torch.tensor([[[40.0, 0.0], [0.0, 40.0]]], dtype=torch.float64), torch.tensor([0, 1]), (0, 2))
    assert float(case.loss(1) - case.loss(0)) == pytest.approx(16)
    assert torch.equal(gradient(case, 1), gradient(case, 0))


def test_bfloat16_logits_are_summed_in_float32() -> None:
    case = Case.random([30, 40])
    rounded = case.logits.bfloat16()
    loss = segmentation_loss(rounded, case.labels, case.offsets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, segmentation_loss(rounded.float(), case.labels, case.offsets))
