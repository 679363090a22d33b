"""README and guides say what is there: their commands parse, and their links, files and modules exist."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

import pytest

from common.atomic_file import write_json
from common.bad_input import BadInput
from experiments.g2l import COMMANDS
from nas_space.network import Block, Layer
from nas_space.networks.your_own import OwnNetwork
from tests.conftest import REPOSITORY

GUIDES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
YAML_FILES = sorted((REPOSITORY / "experiments").glob("*.yml"))
PACKAGES = sorted(path.parent.name for path in REPOSITORY.glob("*/__init__.py"))
FOREIGN = ("git", "python3", ".venv/bin/pip", "source", "ssh", "tensorboard", "pytest")
"""Programs of others, whose options are not looked at."""
PLACEHOLDERS = re.compile(r"\b(NAME|FILE|MODULE|DIR|COMMAND|DATA|X)\b|^NAME_|/NAME_")
"""What stands for a name of the reader's own."""

QUOTED = re.compile(r"`((?:[A-Z_]+=\S+ )?(?:g2l|python|make|\$[A-Z]+)\s[^`]+)`")
"""A command that is quoted in a text, or only its name."""

OWN = {"experiments/spaces/mine.json", "machines.yml"}
"""Files that a command of a guide writes, or its reader."""
SLURM = "experiments/slurm.sh"
"""The batch script that runs the words after it as a command of g2l."""

Command = tuple[str, ...]


class Parsed(Exception):
    """The command's own parser has accepted the words; nothing was done."""


def module_and_options(words: Command) -> tuple[str, Command]:
    """What a command line runs, and with what; of a mere name, its help. Raises AssertionError where there is none."""
    if words[0] == "sbatch":
        words = ("g2l", *words[words.index(SLURM) + 1 :])
    program, name, *options = words
    if program == "g2l":
        if name in ("--help", "COMMAND"):
            return "experiments.g2l", ("--help",)
        assert name in COMMANDS, f"g2l has no command {name!r}"
        return COMMANDS[name].module, tuple(options or ["--help"])
    assert name == "-m", f"python without -m: {words}"
    return options[0], tuple(options[1:] or ["--help"])


def parse(module: str, options: Command) -> None:
    """Let a command parse its options, and stop it there. Raises AssertionError where it refuses them."""
    main = importlib.import_module(entry_point(module)).main
    parse_args = argparse.ArgumentParser.parse_args

    def only_parse(parser: argparse.ArgumentParser, args: list[str] | None = None) -> NoReturn:
        parse_args(parser, args)
        raise Parsed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *options])
        patch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
        try:
            main()
        except Parsed:
            return
        except SystemExit as end:
            if end.code != 0:  # it is 0 after --help
                raise AssertionError(f"{module} refuses {shlex.join(options)}") from None
            return
        except BadInput as fault:
            raise AssertionError(f"{module} refuses {shlex.join(options)}: {fault}") from None
    assert module == "experiments.g2l", f"{module} has not parsed its options"


def entry_point(module: str) -> str:
    """The module that ``python -m`` runs. Raises AssertionError where there is none."""
    spec = find_spec(module) if find_spec(module.partition(".")[0]) else None
    assert spec is not None, f"no module {module}"
    return module if spec.submodule_search_locations is None else f"{module}.__main__"


@cache
def blocks(guide: Path) -> tuple[list[str], str]:
    """The shell blocks of a guide, and the rest of it without any block."""
    text = guide.read_text()
    fences = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [code for language, code in fences.findall(text) if language == "sh"], fences.sub("", text)


def lines(code: str) -> Iterator[Command]:
    """The words of each command of a shell block; a quoted text may go over several lines."""
    pending = ""
    for line in code.replace("\\\n", " ").splitlines():
        pending += f"{line}\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # the quotation goes on
            continue
        pending = ""
        if words:
            yield tuple(words)
    assert not pending, f"a quotation without an end: {pending}"


@cache
def commands(guide: Path) -> list[Command]:
    """Every command of a guide: all lines of its shell blocks, and what the text quotes."""
    code, prose = blocks(guide)
    variables: dict[str, list[str]] = {}
    found = []
    quoted = [words for text in QUOTED.findall(prose) for words in lines(text.replace("\n", " "))]
    for words in [*(words for block in code for words in lines(block)), *quoted]:
        assigned = list(takewhile(re.compile("[A-Z_]+=").match, words))
        rest = list(words[len(assigned) :])
        if not rest:
            variables |= {name: shlex.split(value) for name, _, value in (each.partition("=") for each in assigned)}
        elif rest[0].startswith("$"):
            found.append((*variables[rest[0][1:]], *rest[1:]))
        else:
            found.append(tuple(word for word in rest if word != "..."))
    return found


ALL = [
    pytest.param(words, id=f"{guide.stem}: {shlex.join(words)}"[:100]) for guide in GUIDES for words in commands(guide)
]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network file of the guide to one's own network."""
    layer = Layer("c1", "1.conv", 1, multiply_adds=3072)
    network = OwnNetwork("your-own", (), (Block("network", (layer,)),), False, "my_networks:tcn", 2048, 11, 81771)
    folder = tmp_path_factory.mktemp("described")
    write_json(folder / "my_tcn.json", network.to_json())
    return folder


@pytest.mark.parametrize("words", ALL)
def test_every_command_is_accepted_by_its_own_parser(
    words: Command, described: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "my_tcn.json" in words:
        monkeypatch.chdir(described)
    if words[0] == "make":
        makefile = (REPOSITORY / "Makefile").read_text()
        settings = {word.partition("=")[0] for word in words if "=" in word}
        assert {word for word in words[1:] if "=" not in word} <= set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
        assert settings <= set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
    elif words[0] == "nnictl":
        assert words[1] in ("create", "view", "stop", "log")
    elif words[0] not in FOREIGN:
        parse(*module_and_options(words))


@pytest.mark.parametrize(
    "words",
    [
        "g2l trian --dataset d",
        "g2l train --datset d --split 1 --structure hand --output o",
        "g2l train --dataset d --split 1",
        "g2l plots timeline --no-such-option",
        "python -m trials.no_such_module",
        "python -m benchmarks.load locally",
    ],
)
def test_a_wrong_command_is_found(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        parse(*module_and_options(tuple(words.split())))
    assert "Traceback" not in capsys.readouterr().err


def test_a_block_is_read_as_a_shell_reads_it() -> None:
    block = 'A="python -m b\n  --c 1"   # comment\n$A --d "e f" \\\n  --g\n'
    assert list(lines(block)) == [("A=python -m b\n  --c 1",), ("$A", "--d", "e f", "--g")]


def anchors(guide: Path) -> set[str]:
    """What GitHub calls the headings of a guide."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", guide.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_links_lead_somewhere(guide: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", blocks(guide)[1]):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (guide.parent / name).resolve() if name else guide
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("guide", [*GUIDES, *YAML_FILES], ids=lambda path: path.stem)
def test_files_and_modules_that_are_named_exist(guide: Path) -> None:
    text = guide.read_text()
    packages = "|".join(PACKAGES)
    for path in re.findall(rf"(?<![\w./-])(?:{packages})/[\w./*-]*[\w*]", text):
        assert PLACEHOLDERS.search(path) or path in OWN or list(REPOSITORY.glob(path)), path
    for name in re.findall(r"(?<![\w/.*{-])\w+\.yml\b", text):
        assert PLACEHOLDERS.search(name) or name in OWN or (REPOSITORY / "experiments" / name).exists(), name
    for dotted in re.findall(rf"(?<![\w/.-])(?:{packages})(?:\.[A-Za-z_]\w*)+(?![\w/])", text):
        assert dotted.endswith((".md", ".yml")) or is_there(dotted), dotted


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parent, _, name = dotted.rpartition(".")
    if "." in parent and not is_there(parent):
        return False
    spec = find_spec(parent)
    is_package = spec is not None and spec.submodule_search_locations is not None
    return (is_package and find_spec(dotted) is not None) or hasattr(importlib.import_module(parent), name)


def test_the_readme_is_short_and_leads_to_every_guide() -> None:
    text = GUIDES[0].read_text()
    assert text.count("\n") <= 150
    assert {f"docs/{guide.name}" for guide in GUIDES[1:]} <= set(re.findall(r"\]\((docs/\w+\.md)", text))


def test_every_picture_is_shown_and_small() -> None:
    shown = {
        (guide.parent / name).resolve()
        for guide in GUIDES
        for name in re.findall(r"!\[[^]]*\]\((\S+?\.(?:png|svg))\)", guide.read_text())
    }
    there = {path for end in ("png", "svg") for path in (REPOSITORY / "docs").rglob(f"*.{end}")}
    assert shown == there
    assert all(path.stat().st_size < 300_000 for path in there)
