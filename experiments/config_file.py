"""The YAML file of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from nas_space.bad_input import BadInput


def read_config(path: Path) -> dict[str, Any]:
    """The content of an experiment's YAML file. Raises BadInput where there is none, or it is damaged."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise BadInput(f"{path}: cannot be read: {fault.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise BadInput(f"{path}: not a YAML file: {str(fault).splitlines()[0]}") from None
    if not isinstance(config, dict):
        raise BadInput(f"{path}: not the YAML file of an experiment")
    return config


def class_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the tuner that a configuration names."""
    tuner = config.get("tuner")
    arguments = tuner.get("classArgs") if isinstance(tuner, dict) else None
    return arguments if isinstance(arguments, dict) else {}
