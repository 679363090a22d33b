from __future__ import annotations

import pytest

from common.bad_input import BadInput, run_command
from common.command_parser import CommandParser, command_parser


@pytest.mark.parametrize(
    ("example", "shown"), [("--top 3", "python -m rooms.plan --top 3"), ("", "python -m rooms.plan")]
)
def test_the_help_has_name_purpose_and_example(example: str, shown: str) -> None:
    parser = command_parser("rooms.plan", "Plan a room.", example)
    usage, purpose, *_, last = parser.format_help().split("\n\n")
    assert usage.startswith("usage: python -m rooms.plan ")
    assert purpose == "Plan a room."
    assert last == f"example: {shown}\n"


def plan() -> CommandParser:
    parser = command_parser("rooms.plan", "Plan a room.")
    parser.add_argument("--walls", type=int, required=True)
    parser.add_argument("--roof", choices=("flat", "gable"))
    return parser


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "the following arguments are required: --walls"),
        (["--walls", "four"], "argument --walls: invalid int value: 'four'"),
        (["--walls"], "argument --walls: expected one argument"),
        (["--walls", "4", "--floor", "1"], "unrecognized arguments: --floor 1"),
        (["--walls", "4", "two\nlines"], r"unrecognized arguments: two\nlines"),
    ],
)
def test_options_are_refused_in_one_line(
    words: list[str], fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("warnings.showwarning", None)  # put back afterwards
    with pytest.raises(SystemExit) as end:
        run_command(lambda: print(plan().parse_args(words)))
    assert end.value.code == 2
    assert capsys.readouterr() == ("", f"error: {fault}; see python -m rooms.plan --help\n")


def test_a_choice_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput, match=r"^argument --roof: invalid choice: 'round' .*flat.*gable.*; see python"):
        plan().parse_args(["--walls", "4", "--roof", "round"])


def test_a_command_within_a_command_names_its_own_help() -> None:
    parser = command_parser("rooms", "Rooms.")
    parser.add_subparsers(required=True, metavar="ROOM").add_parser("kitchen").add_argument("--stove", required=True)
    with pytest.raises(BadInput, match=r"required: --stove; see python -m rooms kitchen --help$"):
        parser.parse_args(["kitchen"])


def test_a_parser_without_help_names_none() -> None:
    with pytest.raises(BadInput, match=r"^unrecognized arguments: x$"):
        CommandParser(add_help=False).parse_args(["x"])
