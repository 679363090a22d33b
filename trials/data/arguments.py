"""Command-line options of the data, shared by several commands."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from common.bad_input import BadInput
from trials.data.dataset import Dataset, check_name, check_sample_rate, find_dataset
from trials.data.feature_cache.cache import default_cache_folder
from trials.data.holdout import check_holdout, hold_out
from trials.data.known_datasets import background_classes, defaults_of
from trials.data.label_files import DIGITS

SEARCH_FRACTION = 0.25
"""Default share of the training videos that a search holds out."""
VALIDATION_SEED = 0
"""Default of ``--validation-seed``."""


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the data set and of how to read it."""
    group = parser.add_argument_group("data")
    group.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    group.add_argument("--dataset", required=True, metavar="NAME", help="folder of the data set in the data root")
    group.add_argument("--sample-rate", type=int, metavar="N", help="read every N-th frame (default: the data set's)")
    group.add_argument(
        "--background", nargs="*", metavar="CLASS", help="classes that edit and F1 leave out (default: the data set's)"
    )
    group.add_argument(
        "--feature-dtype",
        choices=("float32", "float16"),
        default="float32",
        help="float16: features are rounded, and packed in half the space (default: %(default)s)",
    )
    caching = group.add_mutually_exclusive_group()
    caching.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder of the packed features, shared by all trials (default: $G2L_CACHE, else ~/.cache/global2local)",
    )
    caching.add_argument("--no-cache", action="store_true", help="read the feature files in every epoch instead")


def add_holdout_arguments(parser: argparse.ArgumentParser, fraction: float) -> None:
    """Add the options of the validation videos."""
    group = parser.add_argument_group("validation")
    group.add_argument(
        "--validation-fraction",
        type=float,
        default=fraction,
        metavar="F",
        help="share of the training videos to hold out (default: %(default)s)",
    )
    group.add_argument(
        "--validation-seed", type=int, default=VALIDATION_SEED, metavar="S", help="which ones (default: %(default)s)"
    )
    group.add_argument(
        "--group",
        metavar="REGEX",
        help="videos with an equal first match group stay together (default: the data set's)",
    )


@dataclass(frozen=True)
class Task:
    """A data set, and its background classes."""

    name: str
    dataset: Dataset
    background: tuple[str, ...]

    @classmethod
    def of(cls, name: str, data_root: Path | None = None) -> Task:
        """A data set with all its defaults: its sample rate and background classes, and the usual feature cache.

        Args:
            name: of its folder in the data root.
            data_root: None: $G2L_DATA_ROOT, else ./data.

        Raises:
            BadInput: there is none, or its ``mapping.txt`` is faulty.
        """
        dataset = replace(find_dataset(name, data_root), cache_folder=default_cache_folder())
        return cls(name, dataset, background_classes(name, dataset.classes))

    def search_videos(self, split: int, others: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The training and the validation videos of a search with the usual options: never the test videos.

        Args:
            others: see ``hold_out``.

        Raises:
            BadInput: there is no such split, or nothing can be held out of it.
        """
        train_videos, _ = self.dataset.split(split)
        return hold_out(train_videos, SEARCH_FRACTION, VALIDATION_SEED, defaults_of(self.name).group, others)

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Task:
        """The task that the options name."""
        dataset = replace(
            find_dataset(arguments.dataset, arguments.data_root, arguments.sample_rate),
            feature_dtype=arguments.feature_dtype,
            cache_folder=None if arguments.no_cache else arguments.cache or default_cache_folder(),
        )
        background = background_classes(arguments.dataset, dataset.classes, arguments.background)
        return cls(arguments.dataset, dataset, background)

    @property
    def background_ids(self) -> frozenset[int]:
        """The ids of the background classes, as ``Scores`` takes them."""
        return frozenset(self.dataset.class_ids[name] for name in self.background)

    @property
    def frames_per_second(self) -> float | None:
        """The rate at which a network reads frames; None if that of the data set is not known."""
        rate = defaults_of(self.name).frames_per_second
        return None if rate is None else rate / self.dataset.sample_rate

    def describe(self) -> dict[str, Any]:
        """The data set and how it is read, as JSON content."""
        return {
            "dataset": self.name,
            "sample_rate": self.dataset.sample_rate,
            "feature_dtype": self.dataset.feature_dtype,
            "background": list(self.background),
        }


def parse_with_dataset(
    parser: argparse.ArgumentParser,
    search: Literal["local_search", "differentiable_search"],
    words: Sequence[str] | None = None,
) -> tuple[argparse.Namespace, str]:
    """The options, with the defaults of the data set that ``--dataset`` names, and a line of these defaults.

    The line says which of them differ from the general ones; it is empty where none does.

    Args:
        parser: has the options of ``add_dataset_arguments``.
        search: the field of ``DatasetDefaults``.
        words: the command line; None: that of this process.
    """
    name = parser.parse_args(words).dataset
    own: Mapping[str, Any] = getattr(defaults_of(name), search)
    general = {option: parser.get_default(option) for option in own}
    parser.set_defaults(**own)
    arguments = parser.parse_args(words)
    used = [
        f"--{option.replace('_', '-')} {_text(value)} instead of {_text(general[option])}"
        for option, value in own.items()
        if _text(getattr(arguments, option)) == _text(value)  # a network is parsed, and its default a text
    ]
    return arguments, f"defaults of {name}: {', '.join(used)}" if used else ""


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def check_dataset_arguments(arguments: argparse.Namespace) -> None:
    """Raise BadInput for invalid options of ``add_dataset_arguments``."""
    check_name(arguments.dataset)
    if arguments.sample_rate is not None:
        check_sample_rate(arguments.sample_rate)


def check_search_holdout(arguments: argparse.Namespace) -> None:
    """Raise BadInput for options of ``add_holdout_arguments`` that are invalid for a search."""
    if arguments.validation_fraction == 0:
        raise BadInput("a search needs validation videos: --validation-fraction must be above 0")
    check_holdout(arguments.validation_fraction, arguments.validation_seed, arguments.group)


def held_out(
    arguments: argparse.Namespace, videos: Sequence[str], others: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and validation videos from the options; no validation videos if the fraction is 0; see ``hold_out``."""
    if arguments.validation_fraction == 0:
        return tuple(videos), ()
    group = arguments.group if arguments.group is not None else defaults_of(arguments.dataset).group
    return hold_out(videos, arguments.validation_fraction, arguments.validation_seed, group, others)


def split_number(text: str) -> int:
    """The number of a split from the command line. Raises BadInput for anything else."""
    if not DIGITS.fullmatch(text):
        raise BadInput(f"--split must be the number of a split, not {text!r}")
    return int(text)
