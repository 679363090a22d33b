"""Read an experiment's YAML file."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from common.bad_input import BadInput
from common.read_file import read_json, read_text

LARGEST_CONFIG = 100_000
"""Values, with aliases expanded: a few lines of nested aliases can expand to billions."""


def read_config(path: Path) -> dict[str, Any]:
    """The content of an experiment's YAML file. Raises BadInput where it is missing or damaged."""
    config = _read_yaml(path)
    if not isinstance(config, dict):
        raise BadInput(f"{path}: not the YAML file of an experiment")
    if config.get("searchSpaceFile") is not None:
        # NNI's own message would say less, and it would block on a pipe.
        if not isinstance(config["searchSpaceFile"], str):
            raise BadInput(f"{path}: searchSpaceFile must be the name of a file")
        space = path.parent / Path(config["searchSpaceFile"]).expanduser()
        content = _read_yaml(space) if space.suffix in (".yml", ".yaml") else read_json(space)
        if not isinstance(content, dict) or not content:
            raise BadInput(f"{space}: not a search space (an object of choices, see experiments/spaces)")
    return config


def _read_yaml(path: Path) -> Any:
    text = read_text(path)
    try:
        _check(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except Exception as fault:  # PyYAML raises YAMLError, but KeyError, RecursionError, ... for odd values
        reason = " ".join(str(fault).split())
        raise BadInput(f"{path}: not a YAML file: {reason} ({type(fault).__name__})") from None


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


def _check(root: yaml.Node | None) -> None:
    """Raise ValueError for too many values, duplicate keys (PyYAML takes the last), and NUL characters."""
    size, open_nodes = 0, [root]
    while open_nodes:
        node = open_nodes.pop()
        size += 1
        if size > LARGEST_CONFIG:
            raise ValueError(f"more than {LARGEST_CONFIG} values, aliases written out")
        if isinstance(node, yaml.ScalarNode) and "\0" in node.value:
            raise ValueError(f"a NUL character in line {node.start_mark.line + 1}")
        if isinstance(node, yaml.SequenceNode):
            open_nodes.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            twice = [key for key, times in keys.items() if times > 1 and key != "<<"]
            if twice:
                raise ValueError(f"{twice[0]!r} comes twice in the values from line {node.start_mark.line + 1}")
            open_nodes.extend(each for pair in node.value for each in pair)
