"""Read an experiment's YAML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from common.bad_input import BadInput
from common.read_file import read_json
from common.read_yaml import read_yaml


def read_config(path: Path) -> dict[str, Any]:
    """The content of an experiment's YAML file. Raises BadInput where it is missing or damaged."""
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise BadInput(f"{path}: not the YAML file of an experiment")
    if config.get("searchSpaceFile") is not None:
        # NNI's own message would say less, and it would block on a pipe.
        if not isinstance(config["searchSpaceFile"], str):
            raise BadInput(f"{path}: searchSpaceFile must be the name of a file")
        space = path.parent / Path(config["searchSpaceFile"]).expanduser()
        content = read_yaml(space) if space.suffix in (".yml", ".yaml") else read_json(space)
        if not isinstance(content, dict) or not content:
            raise BadInput(f"{space}: not a search space (an object of choices, see experiments/spaces)")
    return config


def make_paths_absolute(config: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of a configuration absolute; ``folder`` is their base."""
    for holder, key in (
        (config, "trialCodeDirectory"),
        (config, "searchSpaceFile"),
        (config, "experimentWorkingDirectory"),
        (_tuner(config), "codeDirectory"),
    ):
        if isinstance(holder.get(key), str):
            holder[key] = os.path.realpath(folder / Path(holder[key]).expanduser())


def class_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The tuner's arguments in a configuration."""
    arguments = _tuner(config).get("classArgs")
    return arguments if isinstance(arguments, dict) else {}


def class_name(config: dict[str, Any]) -> Any:
    """The tuner's class in a configuration; None where there is none."""
    return _tuner(config).get("className")


def _tuner(config: dict[str, Any]) -> dict[str, Any]:
    tuner = config.get("tuner")
    return tuner if isinstance(tuner, dict) else {}
