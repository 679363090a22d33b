from __future__ import annotations

import pytest

from common.command_parser import command_parser


@pytest.mark.parametrize(
    ("example", "shown"), [("--top 3", "python -m rooms.plan --top 3"), ("", "python -m rooms.plan")]
)
def test_the_help_has_name_purpose_and_example(example: str, shown: str) -> None:
    parser = command_parser("rooms.plan", "Plan a room.", example)
    usage, purpose, *_, last = parser.format_help().split("\n\n")
    assert usage.startswith("usage: python -m rooms.plan ")
    assert purpose == "Plan a room."
    assert last == f"example: {shown}\n"
