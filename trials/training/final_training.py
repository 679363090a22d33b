"""One final training: train a structure from scratch, score it once on the test videos, save all in a folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from tqdm import tqdm

from common.atomic_file import remove, write_json, write_text
from common.bad_input import BadInput
from common.read_file import read_json
from nas_space.receptive_field import ReceptiveField
from nas_space.searchable import learned_shares
from nas_space.structure import Structure
from trials.data.arguments import Task
from trials.data.fingerprint import DataRecord, Fingerprint
from trials.data.label_files import Labels, write_labels
from trials.table import csv_text
from trials.training.checkpoint import DAMAGE, Checkpoint, load_torch, save_checkpoint, save_torch, versions
from trials.training.epochs import new_training, train_epochs
from trials.training.event_files import scalar_writer, scalars_of
from trials.training.metrics import METRICS, objective_value, read_metrics
from trials.training.scoring import score_network
from trials.training.settings import TrainingSettings
from trials.training.training import Training

Keep = Literal["last", "best"]
PREDICTIONS = "predictions"
"""Folder of the predicted label files of the test videos, in the format of ``trials.predict``."""


@dataclass(frozen=True)
class FinalTraining:
    """Structure, data and settings; equal descriptions give equal numbers on a CPU with the same number of threads."""

    task: Task
    split: int
    structure: Structure
    settings: TrainingSettings
    train_videos: tuple[str, ...]
    validation_videos: tuple[str, ...]
    test_videos: tuple[str, ...]
    keep: Keep

    @classmethod
    def of(cls, task: Task, split: int, structure: Structure, settings: TrainingSettings) -> FinalTraining:
        """The training of a structure on all training videos of a split, whose test videos are scored at its end.

        Raises:
            BadInput: there is no such split.
        """
        train_videos, test_videos = task.dataset.split(split)
        return cls(task, split, structure, settings, train_videos, (), test_videos, "last")

    def describe(self) -> dict[str, Any]:
        """The description as JSON content, for the output folder."""
        return {
            **self.task.describe(),
            "split": self.split,
            "network": self.structure.network.to_json(),
            "structure": self.structure.to_paths(),
            "settings": self.settings.describe(),
            "keep": self.keep,
            "train_videos": list(self.train_videos),
            "validation_videos": list(self.validation_videos),
            "test_videos": list(self.test_videos),
        }

    def run(self, output: Path, device: torch.device, tensorboard: Path | None = None) -> dict[str, Any]:
        """Train, or resume the training in ``output``, and write its results; returns metrics.json.

        Args:
            tensorboard: folder of the event files; None: write none.

        Raises:
            BadInput: the data is faulty, or ``output`` holds a training with another description.
        """
        description = self.describe()
        dataset = self.task.dataset
        videos = self.train_videos + self.validation_videos + self.test_videos
        record = DataRecord.of_folder(output, dataset, self.split, videos)
        finished = _finished(output, description, record)
        if finished is not None:
            print(f"{output}: already trained", file=sys.stderr)
            return finished
        scored = self.validation_videos + self.test_videos
        training = new_training(self.task, self.structure, self.settings, self.train_videos, scored, device)
        output.mkdir(parents=True, exist_ok=True)
        history: list[dict[str, Any]] = []
        best: dict[str, Any] | None = None
        unfinished = output / "training.pt"
        if unfinished.exists():
            state = load_torch(unfinished)
            other = f"{output}: holds an unfinished training with other settings; choose another --output"
            record.go_on(state, "run", description, unfinished, other)
            try:
                history, best = _resume(training, state)
            except DAMAGE as fault:
                raise BadInput(f"{unfinished}: damaged ({fault!r}); remove it, or choose another --output") from None
            print(f"{output}: resumed after epoch {training.epoch}", file=sys.stderr)
        add_scalars = scalar_writer(tensorboard)
        for epoch in history:
            add_scalars(epoch["epoch"], scalars_of(epoch))

        steps, seed = -(-len(self.train_videos) // self.settings.batch_size), f"seed {self.settings.seed}"
        done, total = training.epoch * steps, self.settings.epochs * steps
        with tqdm(total=total, initial=done, unit="step", desc=seed, disable=None) as progress:
            for row in train_epochs(
                training, self.task, self.train_videos, self.validation_videos, after_step=progress.update
            ):
                history.append(row)
                add_scalars(training.epoch, scalars_of(row))
                if self.keep == "best" and (best is None or _mean(row) > _mean(best)):
                    weights = {name: value.cpu().clone() for name, value in training.scored_weights.items()}
                    best = {**row, "weights": weights}
                progress.set_postfix_str(f"epoch {training.epoch}, loss {row['loss']:.3f}")
                if progress.disable:
                    print(_line(row, self.settings.epochs), file=sys.stderr, flush=True)
                record.note()
                progress_so_far = {"training": training.state_dict(), "history": history, "best": best}
                save_torch(unfinished, {"run": description, **progress_so_far, "data": record.files})

        training.network.load_state_dict(training.scored_weights if best is None else best["weights"])

        def save(video: str, predicted: Labels) -> None:
            write_text(output / PREDICTIONS / f"{video}.txt", write_labels(predicted, dataset.classes))

        test = score_network(training.network, training.videos(dataset), self.test_videos, self.task.background, save)
        record.note()
        learned = learned_shares(training.network, self.structure)
        result = {
            "test": test,
            "weights_of_epoch": best["epoch"] if best is not None else self.settings.epochs,
            "seconds": round(sum(row["seconds"] for row in history), 3),
            "device": str(device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
            "receptive_field": self._receptive_field(),
            **({"branches": learned.to_paths()} if learned.branches else {}),
            "run": description,
            "history": history,
            "data": record.files,
        }
        add_scalars(result["weights_of_epoch"], scalars_of(result["test"], "test"))
        save_checkpoint(output / "model.pt", self._checkpoint(training.network, learned, record.files))
        write_text(output / "log.csv", csv_text(history))
        write_json(output / "metrics.json", result)
        remove(unfinished)
        return result

    def _receptive_field(self) -> dict[str, Any]:
        """In frames as the network reads them; also in seconds if the frame rate of the data set is known."""
        field = ReceptiveField.of(self.structure)
        rate = self.task.frames_per_second
        frames = field.network.frames
        return {
            "layers": [[extent.frames for extent in block] for block in field.layers],
            "stages": [extent.frames for extent in field.blocks],
            "network": frames,
            "past": field.network.past,
            "future": field.network.future,
            "network_seconds": None if rate is None else round(frames / rate, 2),
        }

    def _checkpoint(self, network: nn.Module, learned: Structure, data: Fingerprint) -> Checkpoint:
        return Checkpoint(
            weights={name: value.cpu() for name, value in network.state_dict().items()},
            dilations=learned.to_paths(),
            network=self.structure.network.to_json(),
            feature_dim=self.task.dataset.feature_dim(self.train_videos[0]),
            classes=list(self.task.dataset.classes),
            dataset=self.task.name,
            sample_rate=self.task.dataset.sample_rate,
            background=list(self.task.background),
            settings=self.settings.describe(),
            versions=versions(),
            train_videos=list(self.train_videos),
            data=data,
        )


def _resume(training: Training, state: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Resume an unfinished training; returns its history and its best epoch. Raises one of ``DAMAGE``."""
    history, best = state["history"], state["best"]
    if best is not None:
        training.network.load_state_dict(best["weights"])  # to check that they fit
        _mean(best)
    training.load_state_dict(state["training"])
    if [row["epoch"] for row in history] != list(range(1, training.epoch + 1)):
        raise ValueError("epochs are missing")
    sum(row["seconds"] for row in history)
    return history, best


def _mean(row: dict[str, Any]) -> float:
    return objective_value(row, "mean")


def _line(row: dict[str, Any], epochs: int) -> str:
    metrics = " ".join(f"{name} {row[name]:.1f}" for name in METRICS if name in row)
    return f"epoch {row['epoch']}/{epochs}: loss {row['loss']:.4f} {metrics}".rstrip()


def _finished(output: Path, description: dict[str, Any], record: DataRecord) -> dict[str, Any] | None:
    """The metrics.json of a finished training in ``output``; None if there is none.

    Raises:
        BadInput: it is damaged, or of a training with another description or on other data.
    """
    path = output / "metrics.json"
    if not path.exists():
        return None
    try:
        result = read_json(path)
        result["run"].get("split")
        read_metrics(result["test"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(f"{path}: damaged, or not of a training; choose another --output") from None
    other = f"{output}: holds a training with other settings; choose another --output"
    record.go_on(result, "run", description, path, other, unread=True)
    return result
