"""The options that say how to train."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from common.bad_input import BadInput
from trials.training.arguments import add_training_arguments, training_settings
from trials.training.settings import TrainingSettings


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """PyTorch's threads as they were."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def settings(*words: object, **defaults: Any) -> TrainingSettings:
    parser = ArgumentParser()
    add_training_arguments(parser, **defaults)
    return training_settings(parser.parse_args([str(word) for word in words]))


def test_no_options_are_the_papers_final_training() -> None:
    assert settings() == TrainingSettings()
    assert settings() == TrainingSettings(
        epochs=65, batch_size=8, learning_rate=5e-4, decay_epochs=(50,), smoothing_weight=0.15, seed=0
    )


def test_epochs_have_a_default_of_the_command() -> None:
    assert settings(epochs=5) == replace(TrainingSettings(), epochs=5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--epochs", 3), {"epochs": 3}),
        (("--batch-size", 1), {"batch_size": 1}),
        (("--learning-rate", 0.01), {"learning_rate": 0.01}),
        (("--decay-epochs", 20, 40), {"decay_epochs": (20, 40)}),
        (("--decay-epochs",), {"decay_epochs": ()}),
        (("--smoothing-weight", 0), {"smoothing_weight": 0.0}),
        (("--smoothing-average", "padded"), {"smoothing_average": "padded"}),
        (("--precision", "bf16"), {"precision": "bf16"}),
        (("--seed", 7), {"seed": 7}),
        (("--average-last", 0.25), {"average_last": 0.25}),
    ],
    ids=str,
)
def test_each_option_is_one_setting(words: tuple[object, ...], expected: dict[str, object]) -> None:
    assert settings(*words) == TrainingSettings(**expected)  # type: ignore[arg-type]


def test_threads() -> None:
    settings("--threads", 2)
    assert torch.get_num_threads() == 2
    settings()
    assert torch.get_num_threads() == 2  # PyTorch's own choice stands
    with pytest.raises(BadInput, match="--threads must be at least 1, not 0"):
        settings("--threads", 0)
