"""Summary of a data set: what its experiment files depend on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from common.bad_input import BadInput
from experiments.from_data.group_guess import Guess, guess_group
from nas_space.network import candidates_within
from trials.check_data import DataCheck, parse_arguments
from trials.data.arguments import held_out
from trials.data.dataset import Dataset, find_dataset
from trials.data.known_datasets import defaults_of


@dataclass(frozen=True)
class DataLook:
    """Summary of a data set; lengths are in frames as the network reads them."""

    name: str
    dataset: Dataset
    splits: tuple[int, ...]
    videos: int
    lengths: tuple[int, float, int]
    """Of the shortest video, the median, and of the longest."""
    channels: int
    classes: int
    group: Guess
    search_train: tuple[str, ...]
    """Training videos of a search on the first split."""
    search_validation: tuple[str, ...]
    """Its validation videos."""
    final_train: tuple[str, ...]
    """Training videos of a final training on the first split."""
    mean_frames: float

    @property
    def candidates(self) -> tuple[int, ...]:
        """The candidates of a search."""
        return candidates_within(self.lengths[2])

    def describe(self) -> str:
        """In one line."""
        shortest, middle, longest = self.lengths
        rate = self.dataset.sample_rate
        every = f" (one of {rate} is read)" if rate > 1 else ""
        splits = f"{len(self.splits)} split{'s' if len(self.splits) > 1 else ''}"
        return (
            f"{self.videos} videos of {shortest} to {longest} frames (median {middle:g}){every}, "
            f"{self.channels} channels, {self.classes} classes, {splits}"
        )


def look_at(name: str, data_root: Path | None = None) -> DataLook:
    """Read and check a whole data set, as ``trials.check_data`` does.

    Args:
        data_root: folder of data sets; None: ``$G2L_DATA_ROOT``, else ``./data``.

    Raises:
        BadInput: ``trials.check_data`` refuses it; the message has the first fault, and their number.
    """
    dataset = find_dataset(name, data_root)
    known = defaults_of(name).group
    check = DataCheck(dataset)
    check.check_files(dataset.splits())
    names = [video for lists in check.splits.values() for video in (*lists[0], *lists[1])]
    if known is not None:
        group = Guess(None, f"by '{known}', the default of {name}")
    elif check.faults or not names:
        group = Guess(None, "")
    else:
        group = guess_group(check.splits)
    option = [] if group.expression is None else ["--group", group.expression]
    arguments = parse_arguments(["--dataset", name, *option])
    check.check_learnable(arguments)
    check.check_videos()
    if check.faults:
        others = len(check.faults) - 1
        more = f" (and {others} more fault(s): python -m trials.check_data {dataset.folder} lists them)"
        raise BadInput(f"{check.faults[0]}{more if others else ''}")
    first, *_ = check.splits
    train, validation = held_out(arguments, check.splits[first][0])
    frames = list(check.frames.values())
    return DataLook(
        name=name,
        dataset=dataset,
        splits=tuple(check.splits),
        videos=len(frames),
        lengths=(min(frames), median(frames), max(frames)),
        channels=next(iter(check.feature_dims.values())),
        classes=len(dataset.classes),
        group=group,
        search_train=train,
        search_validation=validation,
        final_train=check.splits[first][0],
        mean_frames=mean(frames),
    )
