"""A training says where it fails, and refuses settings that cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest

from common.bad_input import BadInput
from tests.trials.training.tiny_training import epochs, start
from trials.data.dataset import Dataset
from trials.training.settings import Precision, TrainingSettings
from trials.training.training import NonFiniteLoss


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_loss_names_epoch_and_videos(
    dataset: Dataset, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start()
    epochs(training, dataset, 1)
    monkeypatch.setattr("trials.training.training.segmentation_loss", lambda logits, *_: logits.sum() * value)
    with pytest.raises(NonFiniteLoss, match=r"the loss is \S+ in epoch 2 on p0\d-\d, p0\d-\d: lower the learning rate"):
        epochs(training, dataset, 1)


def test_exploding_training_is_caught(dataset: Dataset) -> None:
    with pytest.raises(NonFiniteLoss, match="in epoch"):
        epochs(start(learning_rate=1e30), dataset, 3)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_other_precisions_need_a_gpu(precision: Precision) -> None:
    with pytest.raises(BadInput, match=f"{precision} needs a CUDA device"):
        start(precision=precision)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"epochs": 0}, r"epochs \(0\)"),
        ({"batch_size": 0}, r"batch size \(0\)"),
        ({"learning_rate": 0.0}, "learning rate must be above 0, not 0.0"),
        ({"learning_rate": math.nan}, "learning rate must be above 0, not nan"),
        ({"learning_rate": math.inf}, "learning rate must be above 0, not inf"),
        ({"smoothing_weight": -0.1}, "smoothing weight must be at least 0, not -0.1"),
        ({"smoothing_weight": math.nan}, "smoothing weight must be at least 0, not nan"),
        ({"seed": -1}, "the seed must .* not -1"),
        ({"seed": 2**64}, "the seed must .* not 18446744073709551616"),
        ({"decay_epochs": (5, 0)}, "decay epochs must .* not 0"),
        ({"average_last": -0.1}, "--average-last must be a share of the epochs, at least 0 and at most 1, not -0.1"),
        ({"average_last": 1.01}, "--average-last must .* not 1.01"),
        ({"average_last": math.nan}, "--average-last must .* not nan"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        TrainingSettings(**settings)


def test_largest_seed_works() -> None:
    start(seed=2**64 - 1)
