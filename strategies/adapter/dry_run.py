"""A tuner made without NNI: whether it could search with its arguments over its space."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from common.bad_input import BadInput
from strategies.adapter.search_tuner import SearchTuner


def dry_run(tuner: type[SearchTuner], arguments: Mapping[str, Any], search_space: Any) -> None:
    """Make a tuner and its search as NNI would, but touch nothing of NNI's, and run no check command.

    Args:
        arguments: the ``classArgs`` of an experiment's YAML file.
        search_space: as NNI hands it over.

    Raises:
        BadInput: with what would end the experiment before its first trial.
    """
    parameters = dict(inspect.signature(tuner).parameters)
    parameters.pop("earlier", None)
    unknown = [name for name in arguments if name not in parameters and name not in tuner.earlier_arguments]
    missing = [name for name, known in parameters.items() if known.default is known.empty and name not in arguments]
    if unknown:
        raise BadInput(f"{tuner.__name__} has no argument {unknown[0]!r}; it has {', '.join(parameters)}")
    if missing:
        raise BadInput(f"{tuner.__name__} needs the argument {missing[0]}")
    given = {name: value for name, value in arguments.items() if name != "check_command"}
    try:
        with _away_from_nni():
            made = tuner(**given)
        if made._refusal is not None:
            raise BadInput(made._refusal)
        made.create_search(search_space)
    except BadInput:
        raise
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as fault:
        raise BadInput(f"{tuner.__name__} cannot search with these arguments and this space ({fault!r})") from None


@contextmanager
def _away_from_nni() -> Iterator[None]:
    """What a tuner asks its environment for when it is made: a folder, and an address that it does not use yet."""
    with TemporaryDirectory() as folder:
        own = {"NNI_CHECKPOINT_DIRECTORY": folder, "NNI_TUNER_COMMAND_CHANNEL": "ws://127.0.0.1:9/tuner"}
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value
