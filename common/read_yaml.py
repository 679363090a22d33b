"""Read a YAML file that may be damaged: it is read as a whole, or refused in one line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from common.bad_input import BadInput
from common.read_file import read_text

MOST_VALUES = 100_000
"""Values, with aliases expanded: a few lines of nested aliases can expand to billions."""


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        BadInput: it cannot be read, is not YAML, repeats a name within an object, or has too many values.
    """
    text = read_text(path)
    try:
        _check(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except Exception as fault:  # PyYAML raises YAMLError, but KeyError, RecursionError, ... for odd values
        reason = " ".join(str(fault).split())
        raise BadInput(f"{path}: not a YAML file: {reason} ({type(fault).__name__})") from None


def _check(root: yaml.Node | None) -> None:
    """Raise ValueError for too many values, duplicate keys (PyYAML takes the last), and NUL characters."""
    size, open_nodes = 0, [root]
    while open_nodes:
        node = open_nodes.pop()
        size += 1
        if size > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values, aliases written out")
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
