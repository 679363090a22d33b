"""Defaults for the data sets of the field; any other data set works, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.bad_input import BadInput


@dataclass(frozen=True)
class DatasetDefaults:
    """Defaults of one data set; the command line overrides each."""

    sample_rate: int = 1
    """Read every n-th frame; predictions are repeated n times, back to full length."""
    frames_per_second: float | None = None
    """Rate of the feature and label files, if known."""
    group: str | None = None
    """Regular expression whose first group identifies the person: training and validation videos never share one."""
    background: tuple[str, ...] | None = None
    """Classes whose segments edit and F1 leave out; None: ``background``, if the mapping has it."""
    local_search: Mapping[str, Any] = field(default_factory=dict)
    """Defaults of ``trials.local_search`` that differ from the general ones, as in ``NAME_local.yml``."""
    differentiable_search: Mapping[str, Any] = field(default_factory=dict)
    """The same for ``trials.differentiable_search`` and ``NAME_differentiable.yml``."""


FEW_VIDEOS = {"batch_size": 1, "learning_rate": 1e-3}
"""Of a differentiable search: with larger batches it would have too few steps."""
FEW_VIDEOS_LOCALLY = {"batch_size": 1, "objective": "mean", "expand_rate": 0.5}
DEMO = {"network": "ms-tcn:stages=2,layers=2", "batch_size": 1, "learning_rate": 3e-3}

KNOWN_DATASETS: dict[str, DatasetDefaults] = {
    # 50 Salads is read at 15 fps (Abu Farha and Gall, CVPR 2019, section 4); rgb-PP-R is person PP, recording R.
    "50salads": DatasetDefaults(
        sample_rate=2,
        frames_per_second=30,
        group=r"rgb-(\d+)-",
        background=(),
        differentiable_search=FEW_VIDEOS,
    ),
    # S1_Cheese_C1 is person 1; GTEA's background segments are left out, as in MS-TCN's evaluation.
    "gtea": DatasetDefaults(
        frames_per_second=15,
        group=r"S(\d+)_",
        background=("background",),
        differentiable_search=FEW_VIDEOS,
    ),
    # P03_cam01_P03_cereals is person 3; SIL (silence) counts as an action, as in MS-TCN's evaluation.
    "breakfast": DatasetDefaults(frames_per_second=15, group=r"(P\d+)_", background=()),
    # Framewise SVM scores of Lea et al., CVPR 2017, at one frame a second.
    **dict.fromkeys(
        ("50salads_mid_svm", "50salads_eval_svm"),
        DatasetDefaults(
            frames_per_second=1,
            group=r"rgb-(\d+)-",
            background=("background",),
            local_search=FEW_VIDEOS_LOCALLY,
            differentiable_search=FEW_VIDEOS,
        ),
    ),
    # Eye movements; u01_02 is a clip of person 1 (studies/eye_movements.py).
    "hmr": DatasetDefaults(
        frames_per_second=50,
        group=r"(u\d+)_",
        background=(),
        local_search=FEW_VIDEOS_LOCALLY,
        differentiable_search=FEW_VIDEOS,
    ),
    # Local keys of piano sonatas, a frame for each quarter beat; K279-1 is a movement (Hentschel et al., TISMIR 2021).
    "mozart": DatasetDefaults(
        group=r"(K\d+)", background=(), local_search=FEW_VIDEOS_LOCALLY, differentiable_search=FEW_VIDEOS
    ),
    # The synthetic data of experiments/demo_data.py.
    "demo": DatasetDefaults(
        local_search={**DEMO, "objective": "mean", "expand_rate": 0.25, "iterations": 5},
        differentiable_search={**DEMO, "epochs": 60, "warm_up": 0.5, "candidates": [1, 2, 4, 8, 16, 32, 64]},
    ),
}


def defaults_of(dataset: str) -> DatasetDefaults:
    """The defaults of a data set by its name; for an unknown one: every frame, no groups."""
    return KNOWN_DATASETS.get(dataset, DatasetDefaults())


def background_classes(name: str, classes: Iterable[str], chosen: Iterable[str] | None = None) -> tuple[str, ...]:
    """The background classes of a data set: the chosen ones, else its known ones, else ``background`` if it exists.

    Raises:
        BadInput: a chosen class is not in the mapping.
    """
    classes = tuple(classes)
    known = defaults_of(name).background
    names = tuple(chosen) if chosen is not None else known if known is not None else ("background",)
    if chosen is not None:
        for background in names:
            if background not in classes:
                raise BadInput(f"background class {background!r} is not in the mapping of {name}")
    return tuple(background for background in names if background in classes)
