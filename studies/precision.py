"""What TF32 and bfloat16 do to the metrics of trainings, computed on a CPU as a GPU rounds.

The layers take the form of a GPU, gathered, and so do the batches. float32 is trained in it, too, from the same weights
and with the same dropout, so that a pair of trainings differs in nothing but its rounding.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from analysis.comparison import Comparison
from common.atomic_file import write_text
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from common.read_file import read_text
from nas_space.networks import find_network
from nas_space.structure import Structure
from studies.rounded_products import RoundedProducts, SoftmaxInFloat32, in_float32, to_tf32
from studies.worker_pool import run_all
from trials.data.arguments import Task
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.table import csv_text
from trials.training.epochs import new_training
from trials.training.metrics import METRICS, objective_value
from trials.training.scoring import score_network
from trials.training.settings import PRECISIONS, Precision, TrainingSettings
from trials.training.training import Training

CPU = torch.device("cpu")


class GatheredTraining(Training):
    """A training on a CPU in the form and with the roundings of a GPU."""

    def __init__(self, network: nn.Module, settings: TrainingSettings, precision: Precision) -> None:
        super().__init__(network, settings, CPU)
        self.settings = replace(settings, precision=precision)  # only now: on a CPU it is refused

    def videos(self, dataset: Dataset) -> DeviceVideos:
        """See ``Training.videos``; they are read again for each batch."""
        return DeviceVideos(dataset, self.device, spare=lambda: -1)

    def step(self, batch: Batch) -> Tensor:
        """See ``Training.step``."""
        with rounding(self.settings.precision):
            return super().step(batch)

    def score(self, task: Task, videos: Sequence[str]) -> dict[str, float]:
        """The metrics on these videos. Nothing is bfloat16 here: autocast is for training steps only."""
        with rounding(self.settings.precision):
            return score_network(self.network, self.videos(task.dataset), videos, task.background)


@contextmanager
def rounding(precision: Precision) -> Iterator[None]:
    """Round products as ``--precision`` has it on a GPU; what is bfloat16 then, autocast decides."""
    with ExitStack() as stack:
        if precision == "tf32":
            stack.enter_context(RoundedProducts(to_tf32))
        elif precision == "bf16":
            stack.enter_context(SoftmaxInFloat32())
            stack.enter_context(RoundedProducts(in_float32))
        yield


@dataclass(frozen=True, order=True)
class Run:
    """One training of ``hand``."""

    seed: int
    split: int
    dataset: str
    precision: Precision
    epochs: int
    batch_size: int

    def measure(self, data_root: Path | None) -> dict[str, Any]:
        """Train it, and score the test videos: a row of the table."""
        task = Task.of(self.dataset, data_root)
        metrics = self.train(task).score(task, task.dataset.split(self.split)[1])
        return {**asdict(self), **metrics, "mean": objective_value(metrics, "mean")}

    def train(self, task: Task) -> GatheredTraining:
        """The training after its last epoch."""
        train_videos, test_videos = task.dataset.split(self.split)
        settings = TrainingSettings(self.epochs, self.batch_size, seed=self.seed)
        hand = Structure.hand(find_network("ms-tcn"))
        network = new_training(task, hand, settings, train_videos, test_videos, CPU).network
        training = GatheredTraining(network, settings, self.precision)
        for _ in range(self.epochs):
            training.run_epoch(task.dataset, train_videos)
        return training


def read_rows(path: Path) -> dict[Run, dict[str, Any]]:
    """The rows of a table so far. Raises BadInput where one is damaged."""
    rows: dict[Run, dict[str, Any]] = {}
    for line in csv.DictReader(read_text(path).splitlines()) if path.exists() else ():
        try:
            (precision,) = [each for each in PRECISIONS if each == line["precision"]]
            seed, split, epochs, batch_size = (int(line[name]) for name in ("seed", "split", "epochs", "batch_size"))
            run = Run(seed, split, line["dataset"], precision, epochs, batch_size)
            rows[run] = {**asdict(run), **{name: float(line[name]) for name in (*METRICS, "mean")}}
        except (KeyError, TypeError, ValueError) as fault:
            raise BadInput(f"{path}: not a table of this study ({fault}); choose another --output") from None
    return rows


def report(rows: Iterable[dict[str, Any]]) -> str:
    """The differences from float32, paired by data set, split and seed, and how far two seeds of float32 are apart.

    With ± one standard error of the pairs.
    """
    by_set: dict[str, dict[int, dict[int, dict[str, float]]]] = {}
    for row in rows:
        seeds = by_set.setdefault(row["dataset"], {}).setdefault(row["split"], {})
        seeds.setdefault(row["seed"], {})[row["precision"]] = row["mean"]
    pairs = {name: [one for seeds in splits.values() for one in seeds.values()] for name, splits in by_set.items()}
    lines = []
    for name, splits in by_set.items():
        exact = [[one["float32"] for one in seeds.values() if "float32" in one] for seeds in splits.values()]
        deviations = [stdev(values) for values in exact if len(values) > 1]
        between = f"; seeds of it deviate by {mean(deviations):.1f}" if deviations else ""
        lines.append(f"{name}: float32 {mean(value for values in exact for value in values):.1f}{between}")
        lines += _differences(pairs[name])
    if len(pairs) > 1:
        lines += ["all", *_differences([one for each in pairs.values() for one in each])]
    return "\n".join(lines)


def _differences(pairs: Sequence[Mapping[str, float]]) -> Iterator[str]:
    for precision in PRECISIONS[1:]:
        differences = [one[precision] - one["float32"] for one in pairs if one.keys() >= {precision, "float32"}]
        if differences:
            found = Comparison.of(differences)
            error = "" if found.standard_error is None else f" ± {found.standard_error:.2f}"
            yield f"  {precision} - float32: {found.difference:+.2f}{error} ({found.samples} pairs)"


def main() -> None:
    """Train ``hand`` in each precision, and print what the rounding does to the metrics on the test videos."""
    arguments = parse_arguments()
    tasks = {name: Task.of(name, arguments.data_root) for name in arguments.dataset}
    runs = sorted(
        Run(seed, split, name, precision, arguments.epochs, arguments.batch_size)
        for name, task in tasks.items()
        for split in task.dataset.splits()
        for seed in arguments.seeds
        for precision in PRECISIONS
    )
    table = arguments.output
    rows = read_rows(table)
    left = [run for run in runs if run not in rows]

    def note(run: Run, row: dict[str, Any]) -> None:
        rows[run] = row
        write_text(table, csv_text([rows[each] for each in sorted(rows)]))
        print(f"done: {run}", file=sys.stderr, flush=True)

    run_all(arguments.workers, Run.measure, {run: (run, arguments.data_root) for run in left}, "training", note)
    print(report(rows[run] for run in runs))


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command."""
    parser = command_parser("studies.precision", main.__doc__, "--dataset gtea --output precision.csv")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument("--dataset", nargs="+", required=True, metavar="NAME", help="folders in the data root")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the trainings (default: 0)")
    parser.add_argument("--epochs", type=int, default=40, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="the table; what it has is not trained again")
    arguments = parser.parse_args(words)
    if min(arguments.workers, arguments.epochs, arguments.batch_size) < 1 or min(arguments.seeds) < 0:
        raise BadInput("at least 1 worker, 1 epoch, 1 video a batch, and seeds of at least 0 are needed")
    return arguments


if __name__ == "__main__":
    run_command(main)
