"""What is known about the data sets of the field, so that a user need not say it; any other data set works, too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetDefaults:
    """Defaults of one data set; the command line overrides each."""

    sample_rate: int = 1
    """Read every n-th frame; predictions are repeated n times, back to full length."""
    frames_per_second: float | None = None
    """Rate of the feature and label files, where it is known."""
    group: str | None = None
    """Regular expression whose first group tells whose video it is: held-out videos never share it with training."""
    background: tuple[str, ...] | None = None
    """Classes whose segments edit and F1 leave out; None: ``background``, if the mapping has it."""


KNOWN_DATASETS: dict[str, DatasetDefaults] = {
    # 50 Salads is read at 15 fps (Abu Farha and Gall, CVPR 2019, section 4); rgb-PP-R is person PP, recording R.
    "50salads": DatasetDefaults(sample_rate=2, frames_per_second=30, group=r"rgb-(\d+)-", background=()),
    # S1_Cheese_C1 is person 1; GTEA's background segments are left out, as in MS-TCN's evaluation.
    "gtea": DatasetDefaults(frames_per_second=15, group=r"S(\d+)_", background=("background",)),
    # P03_cam01_P03_cereals is person 3; SIL (silence) counts as an action, as in MS-TCN's evaluation.
    "breakfast": DatasetDefaults(frames_per_second=15, group=r"(P\d+)_", background=()),
    # Framewise SVM scores of Lea et al., CVPR 2017, at one frame a second.
    "50salads_mid_svm": DatasetDefaults(frames_per_second=1, group=r"rgb-(\d+)-", background=("background",)),
    "50salads_eval_svm": DatasetDefaults(frames_per_second=1, group=r"rgb-(\d+)-", background=("background",)),
}


def defaults_of(dataset: str) -> DatasetDefaults:
    """The defaults of a data set by its name; those of an unknown one: every frame, no groups."""
    return KNOWN_DATASETS.get(dataset, DatasetDefaults())
