"""Options of a given command line, read and replaced as argparse reads them.

If an option is given several times, the last one counts; ``--option value`` and ``--option=value`` are the same; after
``--`` there are no options. Names must be written in full: what an abbreviation stands for depends on all other options
of the command, so ``experiments.preflight`` warns of abbreviations.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile


def option(words: Sequence[str], name: str) -> str | None:
    """The value of an option among the words of a command: "" if it has none, None if it is not given."""
    given = _positions(words, name)
    if not given:
        return None
    _, equals, value = words[given[-1]].partition("=")
    return value if equals else next(iter(words[given[-1] + 1 :]), "")


def option_values(words: Sequence[str], name: str) -> list[str] | None:
    """The values of an option that takes several, up to the next option; None if it is not given."""
    given = _positions(words, name)
    if not given:
        return None
    _, equals, value = words[given[-1]].partition("=")
    return [value] if equals else list(takewhile(lambda word: not word.startswith("--"), words[given[-1] + 1 :]))


def with_option(words: Sequence[str], name: str, value: str) -> list[str] | None:
    """The words of a command with another value of an option, given once; None if it is not given at all."""
    changed, given = list(words), _positions(words, name)
    for index in reversed(given):
        joined = "=" in words[index]
        if not joined and index + 1 == len(words):
            return None
        last = [f"{name}={value}"] if joined else [name, value]
        changed[index : index + (1 if joined else 2)] = last if index == given[-1] else []
    return changed if given else None


def setting_option(words: Sequence[str], name: str, value: str) -> list[str]:
    """The words of a command with this value of an option, which is added at the end if it is not given."""
    return with_option(words, name, value) or [*words, name, value]


def _positions(words: Sequence[str], name: str) -> list[int]:
    """The indices at which an option is given."""
    options = takewhile(lambda word: word != "--", words)
    return [index for index, word in enumerate(options) if word.partition("=")[0] == name]
