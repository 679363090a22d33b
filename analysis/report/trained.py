"""A final training as its folder tells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from common.read_file import read_json
from trials.data.dataset import is_plain_name
from trials.training.checkpoint import Checkpoint, load_checkpoint
from trials.training.final_training import PREDICTIONS


@dataclass(frozen=True)
class Trained:
    """One structure that was trained on one split with one seed."""

    structure: str
    """``hand``, ``global`` or ``local``."""
    split: int
    folder: Path
    test_videos: tuple[str, ...]
    background: tuple[str, ...]
    sample_rate: int
    about: dict[str, Any]
    """Settings, device and versions."""

    @classmethod
    def read(cls, structure: str, split: int, folder: Path) -> Trained:
        """The training in a folder. Raises BadInput where its ``metrics.json`` is damaged."""
        path = folder / "metrics.json"
        content = read_json(path)
        try:
            run = content["run"]
            videos, background, rate = run["test_videos"], run["background"], run["sample_rate"]
            about = {name: content[name] for name in ("device", "versions")}
            about |= {"settings": {name: value for name, value in run["settings"].items() if name != "seed"}}
            if not all(isinstance(names, list) and all(map(_is_name, names)) for names in (videos, background)):
                raise ValueError("test videos or background classes")
            if type(rate) is not int or rate < 1 or not videos:
                raise ValueError("sample rate or test videos")
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{path}: damaged, or not of a final training ({fault!r})") from None
        return cls(structure, split, folder, tuple(videos), tuple(background), rate, about)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The trained network."""
        return load_checkpoint(self.folder / "model.pt")

    @property
    def predictions(self) -> Path:
        """The predicted label files of its test videos."""
        return self.folder / PREDICTIONS


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and is_plain_name(name)
