"""Trainings of each precision, the table of them, and what it says."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
import torch
from torch import Tensor

from common.bad_input import BadInput, KnownFailure
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from studies import precision
from studies.precision import Run, main, parse_arguments, read_rows, report
from studies.rounded_products import PRODUCTS, to_tf32
from tests.trials.training.tape import Tape
from trials.data.arguments import Task
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.training.metrics import METRICS
from trials.training.settings import PRECISIONS, Precision, TrainingSettings
from trials.training.training import Training

aten = torch.ops.aten


def run(seed: int, split: int, dataset: str, precision: Precision) -> Run:
    return Run(seed, split, dataset, precision, epochs=1, batch_size=2)


def row(dataset: str, split: int, seed: int, precision: Precision, mean: float) -> dict[str, Any]:
    return {**asdict(run(seed, split, dataset, precision)), **dict.fromkeys((*METRICS, "mean"), mean)}


def test_differences_are_paired() -> None:
    means: dict[Precision, tuple[float, ...]] = {
        "float32": (50, 60, 70, 72),
        "tf32": (51, 60, 69, 72),
        "bf16": (48, 58),
    }
    rows = [
        row("small", split, seed, name, values[index])
        for name, values in means.items()
        for index, (split, seed) in enumerate([(1, 0), (2, 0), (1, 1), (2, 1)][: len(values)])
    ]
    # Two seeds of each split: 50 and 70, 60 and 72, whose standard deviations are 14.1 and 8.5.
    assert report(rows).splitlines() == [
        "small: float32 63.0; seeds of it deviate by 11.3",
        "  tf32 - float32: +0.00 ± 0.41 (4 pairs)",
        "  bf16 - float32: -2.00 ± 0.00 (2 pairs)",
    ]


def test_several_sets_are_pooled() -> None:
    rows = [
        row("one", 1, 0, "float32", 50),
        row("one", 1, 0, "bf16", 51),
        row("two", 1, 0, "float32", 60),
        row("two", 1, 0, "bf16", 64),
    ]
    assert report(rows).splitlines() == [
        "one: float32 50.0",
        "  bf16 - float32: +1.00 (1 pairs)",
        "two: float32 60.0",
        "  bf16 - float32: +4.00 (1 pairs)",
        "all",
        "  bf16 - float32: +2.50 ± 1.50 (2 pairs)",
    ]


def given(tape: Tape) -> list[tuple[Any, tuple[Any, ...]]]:
    """Each operator, and its arguments."""
    return [(operator.overloadpacket, arguments) for operator, arguments, *_ in tape.calls]


def factors_of(tape: Tape) -> list[Tensor]:
    """Of all products."""
    products = [(PRODUCTS[each], arguments) for each, arguments in given(tape) if each in PRODUCTS]
    return [factor for first, arguments in products for factor in arguments[first : first + 2]]


@pytest.fixture
def task(small_dataset: Path) -> Task:
    return Task.of("small", small_dataset.parent)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Tensor], Batch, Tape]]:
    """The weights before each step, its batch, and its operators before products are rounded."""
    step, seen = Training.step, []

    def watched(training: Training, batch: Batch) -> Tensor:
        weights = {name: value.clone() for name, value in training.network.state_dict().items()}
        with Tape() as tape:
            loss = step(training, batch)
        seen.append((weights, batch, tape))
        return loss

    monkeypatch.setattr(Training, "step", watched)
    return seen


def is_of(dtype_of: Callable[[Tensor], Tensor], factors: Sequence[Tensor]) -> bool:
    return all(factor.dtype == torch.float32 and torch.equal(dtype_of(factor), factor) for factor in factors)


def to_bf16(values: Tensor) -> Tensor:
    return values.bfloat16().float()


@pytest.mark.parametrize("name", PRECISIONS)
def test_factors_of_a_training_are_rounded(name: Precision, task: Task) -> None:
    with Tape() as tape:  # entered first, it has what products are made of in the end
        run(0, 1, "small", name).train(task)
    factors = factors_of(tape)
    assert len(factors) > 100
    assert is_of(to_tf32, factors) == (name != "float32")
    assert is_of(to_bf16, factors) == (name == "bf16")


@pytest.mark.parametrize("name", PRECISIONS)
def test_bfloat16_is_for_steps_only(name: Precision, task: Task) -> None:
    training = run(0, 1, "small", name).train(task)
    with Tape() as tape:
        training.score(task, ["p00-1"])
    factors = factors_of(tape)
    assert factors
    assert is_of(to_tf32, factors) == (name == "tf32")
    assert not is_of(to_bf16, factors)


def test_what_is_bfloat16_is_what_autocast_has_on_a_gpu(task: Task, steps: list[Any]) -> None:
    run(0, 1, "small", "bf16").train(task)
    for _, _, tape in steps:
        assert {factor.dtype for factor in factors_of(tape)} == {torch.bfloat16}
        for operator in (aten._softmax, aten._log_softmax):
            assert {arguments[0].dtype for each, arguments in given(tape) if each is operator} == {torch.float32}


def test_each_step_has_the_weights_of_its_time(task: Task, steps: list[Any]) -> None:
    """Autocast keeps the weights that it has rounded, as long as it lasts."""
    run(0, 1, "small", "bf16").train(task)
    assert len(steps) > 1
    for weights, _, tape in steps:
        expected = weights["stages.0.conv_out.bias"].bfloat16()
        biases = [arguments[0] for operator, arguments in given(tape) if operator is aten.addmm]
        assert any(torch.equal(bias, expected) for bias in biases if bias.shape == expected.shape)


def test_batches_have_the_form_of_a_gpu_and_are_of_the_training_videos(
    task: Task, steps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Dataset.stored_features
    with patch.object(Dataset, "stored_features", autospec=True, side_effect=stored) as load:
        training = run(3, 1, "small", "float32").train(task)
    train, test = task.dataset.split(1)
    assert sorted(call.args[1] for call in load.call_args_list) == sorted(train)
    assert all(isinstance(batch.videos.offsets, IndexedOffsets) for _, batch, _ in steps)
    assert training.settings == TrainingSettings(epochs=1, batch_size=2, seed=3)
    dim, classes = task.dataset.feature_dim(train[0]), len(task.dataset.classes)
    torch.manual_seed(3)
    fresh = build(Structure.hand(find_network("ms-tcn")), dim, classes).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in steps[0][0].items())
    score = Mock(return_value=dict.fromkeys(METRICS, 50.0))
    monkeypatch.setattr(precision, "score_network", score)
    assert training.score(replace(task, background=("class_0",)), test) == score.return_value
    assert score.call_args.args[2:] == (test, ("class_0",))


def test_the_precision_is_all_that_differs(task: Task) -> None:
    weights = {name: run(0, 1, "small", name).train(task).network.state_dict() for name in PRECISIONS}
    differences = {
        name: max(float((each - weights["float32"][key]).abs().max()) for key, each in of_one.items())
        for name, of_one in weights.items()
    }
    assert 0 == differences["float32"] < differences["tf32"] < differences["bf16"] < 0.01


def test_every_training_is_a_line_and_is_done_once(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "precision.csv"
    words = ["--dataset", "small", "--data-root", small_dataset.parent, "--output", table, "--epochs", 1]
    monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
    main()
    printed = capsys.readouterr().out
    with table.open() as file:
        lines = list(csv.DictReader(file))
    assert [line["precision"] for line in lines] == ["bf16", "float32", "tf32"]
    assert [float(line["mean"]) for line in lines] == [row["mean"] for row in read_rows(table).values()]
    started = Mock()
    monkeypatch.setattr(precision, "run_all", started)
    main()
    assert capsys.readouterr().out == printed
    assert len(started.call_args.args[2]) == 0
    started.side_effect = KnownFailure("stopped")
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], "2"])
    with pytest.raises(KnownFailure, match="stopped"):
        main()
    assert [run.epochs for run in started.call_args.args[2]] == [2, 2, 2]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "dataset,split,seed,precision,epochs,batch_size\nsmall,1,0,half,1,2\n"])
def test_another_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match="not a table of this study"):
        read_rows(path)


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(BadInput, match="1 epoch"):
        parse_arguments(["--dataset", "small", "--output", "x.csv", "--epochs", "0"])
