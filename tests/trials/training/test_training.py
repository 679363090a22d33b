"""A training repeats bit for bit, goes on bit for bit, learns, predicts and is scored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nni_api.epoch_file import read_epoch
from tests.conftest import write_dataset
from tests.trials.conftest import equal_weights
from tests.trials.training.tiny_training import CPU, epochs, start
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.training.checkpoint import load_torch, save_torch
from trials.training.scoring import predict, score_network
from trials.training.settings import TrainingSettings

# The same numbers.


def test_the_seed_decides_the_weights(dataset: Dataset) -> None:
    def trained(seed: int) -> tuple[list[float], dict[str, Tensor]]:
        training = start(seed)
        return epochs(training, dataset, 2), training.network.state_dict()

    losses, weights = trained(seed=3)
    torch.rand(7)  # whatever draws in between
    losses_again, weights_again = trained(seed=3)
    assert losses_again == losses
    assert equal_weights(weights_again, weights)
    assert not equal_weights(trained(seed=4)[1], weights)


@pytest.mark.parametrize("after", [1, 2])
def test_resumed_equals_uninterrupted(dataset: Dataset, tmp_path: Path, after: int) -> None:
    whole = start(decay_epochs=(2,))
    losses = epochs(whole, dataset, 4)
    first = start(decay_epochs=(2,))
    before = epochs(first, dataset, after)
    save_torch(tmp_path / "state.pt", first.state_dict())
    second = start(seed=9, decay_epochs=(2,))
    epochs(second, dataset, 1)  # other weights, other moments, other random states
    second.load_state_dict(load_torch(tmp_path / "state.pt"))
    assert second.epoch == after
    assert before + epochs(second, dataset, 4 - after) == losses
    assert equal_weights(whole.network.state_dict(), second.network.state_dict())


def test_every_video_is_trained_once_an_epoch_in_changing_order(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[str]] = []

    def step(videos: list[str]) -> Tensor:
        batches.append(videos)
        return torch.tensor(1.0)

    training = start()
    monkeypatch.setattr(training, "step", step)
    monkeypatch.setattr(Batch, "of", lambda videos, _: videos)
    monkeypatch.setattr(Dataset, "load", lambda _, video: video)
    videos = [f"p0{person}-{take}" for person in range(2) for take in (1, 2)][:3]
    for _ in range(10):
        training.run_epoch(dataset, videos)
    assert [len(batch) for batch in batches] == [2, 1] * 10
    orders = [batches[index] + batches[index + 1] for index in range(0, 20, 2)]
    assert all(sorted(order) == videos for order in orders)
    assert len({tuple(order) for order in orders}) > 2


def test_loss_of_an_epoch_is_the_mean_of_its_steps(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    training, values, steps = start(), iter(torch.tensor([1.0, 4.0])), []
    monkeypatch.setattr(training, "step", lambda _: next(values))
    assert training.run_epoch(dataset, dataset.split(1)[0], lambda: steps.append(1)) == 2.5
    assert steps == [1, 1]


# The average of the weights.


def test_the_average_is_over_the_last_epochs_and_leaves_the_training_alone(dataset: Dataset) -> None:
    plain, losses, after = start(epochs=5), [], []
    for _ in range(5):
        losses += epochs(plain, dataset, 1)
        after.append({name: weight.clone() for name, weight in plain.network.state_dict().items()})
    averaging = start(epochs=5, average_last=0.5)
    for epoch in range(1, 6):
        assert epochs(averaging, dataset, 1) == [losses[epoch - 1]]
        with averaging.scored_network() as network:
            scored = {name: weight.clone() for name, weight in network.state_dict().items()}
        # Over ceil(0.5 * 5) = 3 epochs; before them, the weights themselves.
        window = after[2:epoch] or [after[epoch - 1]]
        for name, weight in scored.items():
            mean = torch.stack([each[name].double() for each in window]).mean(dim=0)
            torch.testing.assert_close(weight.double(), mean, rtol=1e-6, atol=1e-7)
        assert equal_weights(scored, averaging.scored_weights)
        assert (averaging.average is None) == (epoch < 3)
        assert equal_weights(averaging.network.state_dict(), after[epoch - 1])
    assert not equal_weights(averaging.scored_weights, after[-1])


def test_the_average_over_one_epoch_is_its_weights(dataset: Dataset) -> None:
    training = start(epochs=2, average_last=0.01)
    epochs(training, dataset, 2)
    assert training.average is not None
    assert equal_weights(training.average, training.network.state_dict())


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_average_goes_on_with_the_training(dataset: Dataset, tmp_path: Path, after: int) -> None:
    whole = start(epochs=4, average_last=0.75)
    epochs(whole, dataset, 4)
    first = start(epochs=4, average_last=0.75)
    epochs(first, dataset, after)
    save_torch(tmp_path / "state.pt", first.state_dict())
    second = start(seed=9, epochs=4, average_last=0.75)
    epochs(second, dataset, 3)  # another average
    second.load_state_dict(load_torch(tmp_path / "state.pt"))
    epochs(second, dataset, 4 - after)
    assert equal_weights(second.scored_weights, whole.scored_weights)
    assert not equal_weights(second.scored_weights, second.network.state_dict())


def test_without_an_average_the_state_is_that_of_earlier_versions(dataset: Dataset) -> None:
    training = start(epochs=1)
    epochs(training, dataset, 1)
    assert set(training.state_dict()) == {"epoch", "network", "optimiser", "shuffling", "dropout", "cuda_dropout"}


@given(st.integers(0, 100), st.integers(1, 300))
def test_a_share_of_the_epochs_is_averaged(percent: int, epochs: int) -> None:
    settings = TrainingSettings(epochs=epochs, average_last=percent / 100)
    averaged = [settings.averaged_epochs(epoch) for epoch in range(1, epochs + 1)]
    window = -(-percent * epochs // 100)
    assert averaged == [0] * (epochs - window) + list(range(1, window + 1))


# Learning.


def test_a_few_epochs_learn(tmp_path: Path) -> None:
    dataset = Dataset(write_dataset(tmp_path / "mine", train=12, test=4))
    training = start(learning_rate=5e-3)
    _, test = dataset.split(1)
    losses = epochs(training, dataset, 8)
    assert losses[-1] < losses[0] / 2
    assert score_network(training.network, DeviceVideos.on(dataset, CPU), test, ())["acc"] > 80  # chance is about 33


def test_its_epochs_can_be_watched(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of trial trains by ``run_epoch``; one that goes on counts the epochs before, too."""
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    training = start(epochs=5)
    assert read_epoch(tmp_path) is None
    epochs(training, dataset, 2)
    again = start(epochs=5)
    again.load_state_dict(training.state_dict())
    epochs(again, dataset, 1)
    seen = read_epoch(tmp_path)
    assert seen is not None
    assert (seen.done, seen.of, seen.seconds is not None) == (3, 5, True)


def test_learning_rate_falls_to_a_tenth_after_each_decay_epoch(dataset: Dataset) -> None:
    training = start(learning_rate=1e-3, decay_epochs=(1, 3))
    rates = []
    for _ in range(4):
        rates.append(training.learning_rate)
        epochs(training, dataset, 1)
    assert rates == pytest.approx([1e-3, 1e-4, 1e-4, 1e-5])


def test_a_step_is_adam_on_the_loss(dataset: Dataset) -> None:
    training = start(learning_rate=1e-3)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.step(Batch.of([dataset.load("p00-1")], CPU))
    for name, parameter in training.network.named_parameters():
        assert parameter.grad is not None
        moved = before[name] - parameter.detach()
        gradient = parameter.grad
        expected = 1e-3 * gradient / (gradient.abs() + 1e-8)  # Adam's first step, whatever its betas
        torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-7)


def test_dropout_is_on_in_training_and_off_in_prediction(dataset: Dataset) -> None:
    training = start()
    features = dataset.load("p00-1").features
    epochs(training, dataset, 1)
    assert training.network.training
    once = predict(training.network, features, CPU)
    assert torch.equal(once, predict(training.network, features, CPU))
    assert not training.network.training


# Mixed precision, which commands refuse on a CPU.


def test_bf16_steps_keep_float32_weights(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    training, exact, seen = start(), start(), []
    training.settings = TrainingSettings(precision="bf16", batch_size=2)
    # The padded form, which bf16 takes, too, so that both drop the same elements.
    monkeypatch.setattr("nas_space.layers.residual.is_packed", lambda *_: False)
    training.network.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    batch = Batch.of([dataset.load("p00-1"), dataset.load("p00-2")], CPU)
    torch.manual_seed(0)
    loss = training.step(batch)
    torch.manual_seed(0)
    assert float(loss) == pytest.approx(float(exact.step(batch)), rel=0.05)
    assert seen == [torch.bfloat16]
    assert {value.dtype for value in training.network.state_dict().values()} == {torch.float32}
