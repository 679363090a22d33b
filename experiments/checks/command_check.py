"""Check the options of an experiment's commands without starting them."""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from nas_space.network import Network
from trials import check_data
from trials.data.arguments import held_out
from trials.data.dataset import Dataset, find_dataset
from trials.data.known_datasets import background_classes
from trials.trial_arguments import TRIALS

ROOT = Path(__file__).parent.parent.parent
ELSEWHERE = "machines.trial"
"""The module that runs the trial named after it on another machine."""


@dataclass(frozen=True)
class TrialCommand:
    """A trial command of ours, parsed by its own parser."""

    module: str
    arguments: argparse.Namespace
    data_folder: Path

    @property
    def network(self) -> Network:
        """The network that the trials train."""
        network: Network = self.arguments.network
        return network

    @cached_property
    def dataset(self) -> Dataset:
        """The data set that the trials train on, whose labels are so read once. Raises BadInput where it is missing."""
        return find_dataset(self.arguments.dataset, self.data_folder.parent, self.arguments.sample_rate)

    def check_data(self, splits: Sequence[int]) -> None:
        """Check that the data has those splits. Raises BadInput where the trials would fail."""
        arguments, dataset = self.arguments, self.dataset
        if arguments.background is not None:
            background_classes(arguments.dataset, dataset.classes, arguments.background)
        for split in splits:
            train_videos, _ = dataset.split(split)
            if hasattr(arguments, "validation_fraction") and getattr(arguments, "select_on", None) != "test":
                held_out(arguments, train_videos)


def read_trial_command(command: str, words: Sequence[str], folder: Path) -> TrialCommand | str:
    """Parse a trial command of ours; returns why it cannot be parsed, if so.

    Args:
        words: of the command.
        folder: working directory of the trials; elsewhere, the modules may be others.

    Raises:
        BadInput: the trial would refuse its options.
    """
    module, options = _module_of(words)
    if module not in TRIALS or folder.resolve() != ROOT:
        return "the trial command is not one of ours"
    if shell_replaces(command):
        return "the shell replaces words of the trial command"
    arguments = parsed(TRIALS[module].parse, options, f"trialCommand: {module}")
    parser = TRIALS[module].parser()
    parser.allow_abbrev = False
    try:
        with warnings.catch_warnings(action="ignore"):  # already given above
            parsed(parser.parse_args, options, "")
    except BadInput:
        warnings.warn(
            "trialCommand: write its options in full: the pipeline and the reports know no abbreviations", stacklevel=2
        )
    assigned = dict(word.split("=", 1) for word in words if re.match(r"[A-Za-z_]\w*=", word))
    return TrialCommand(module, arguments, folder / _data_folder(arguments, assigned))


def split_command(command: str) -> list[str]:
    """The words of a trial command.

    Raises:
        BadInput: it needs a shell, which NNI would then kill in place of the trial.
    """
    command = command.strip().replace("\\\n", " ")
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True  # no other characters end a word
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as fault:
        raise BadInput(f"trialCommand: it cannot be read: {fault}") from None
    if not words:
        raise BadInput("trialCommand: it is empty")
    operators = [word for word in words if set(word) <= set("();<>|&")]
    if operators or "\n" in command:
        raise BadInput(
            f"trialCommand: it must be one simple command, without {operators[0] if operators else 'a line break'}: "
            "a stopped trial would keep running; set its folder by trialCodeDirectory, the rest in a script of your own"
        )
    return words


def check_check_command(command: Any, trial: TrialCommand | str) -> None:
    """Check the command that a tuner runs first.

    Raises:
        BadInput: it cannot be run, has wrong options, or checks other data than the trials train on.
    """
    if command is None:
        return
    if not isinstance(command, str):
        raise BadInput(f"check_command: it must be a string, not {command!r}")
    try:
        words = shlex.split(command)
    except ValueError as fault:
        raise BadInput(f"check_command: it cannot be read: {fault}") from None
    if not words:
        raise BadInput("check_command: it is empty")
    module, options = _module_of(words)
    if module != "trials.check_data":
        return
    arguments = parsed(check_data.parse_arguments, options, f"check_command: {module}")
    checked = ROOT / (arguments.folder or _data_folder(arguments, {}))
    if isinstance(trial, TrialCommand) and checked.resolve() != trial.data_folder.resolve():
        raise BadInput(f"check_command: it checks {checked}, but the trials train on {trial.data_folder}")


def shell_replaces(command: str) -> bool:
    """Whether a shell expands some words of a command: variables, ``~``, patterns, ..."""
    # Quoted text is literal, except variables and commands within double quotes. "#" starts a comment.
    quoted = re.compile(r"""\\.|'[^']*'|"((?:\\.|[^"\\])*)\"""", re.DOTALL)
    bare = quoted.sub(lambda found: re.sub(r"[^$`]", "", found[1] or "") or "-", command)
    return re.search(r"[$`*?\[{]|(?<![^\s=])~|(?<!\S)#", bare) is not None


def _module_of(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The Python module that a command runs, if any, and the words after it."""
    if "-m" not in words[:-1]:
        return None, []
    index = words.index("-m") + 1
    if words[index] == ELSEWHERE and index + 1 < len(words):
        index += 1
    return words[index], list(words[index + 1 :])


def _data_folder(arguments: argparse.Namespace, assigned: dict[str, str]) -> Path:
    """The folder of the data set that options name, relative to the command's working directory."""
    root = arguments.data_root or {**os.environ, **assigned}.get("G2L_DATA_ROOT") or "data"
    return Path(root) / arguments.dataset


def parsed(parse: Callable[[list[str]], argparse.Namespace], words: list[str], what: str) -> argparse.Namespace:
    """Options as a command parses them. Raises BadInput with the message of its parser."""
    try:
        with warnings.catch_warnings(record=True, action="always") as warned, redirect_stdout(io.StringIO()):
            arguments = parse(words)
    except BadInput as fault:
        raise BadInput(f"{what}: {fault}") from None
    except SystemExit:
        raise BadInput(f"{what}: it would only print its help") from None
    for each in warned:
        warnings.warn(f"{what}: {each.message}", stacklevel=2)
    return arguments
