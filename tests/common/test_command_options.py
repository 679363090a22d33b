"""Options read as argparse reads them: against argparse itself."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.command_options import option, option_values, setting_option, with_option

PARSER = argparse.ArgumentParser(allow_abbrev=False)
PARSER.add_argument("--split")
PARSER.add_argument("--seed")
PARSER.add_argument("--candidates", nargs="+")
PARSER.add_argument("rest", nargs="*")

values = st.text("ab1= ;'", min_size=1)
parts = st.one_of(
    st.tuples(st.sampled_from(["--split", "--seed"]), values),
    st.builds(lambda name, value: (f"{name}={value}",), st.sampled_from(["--split", "--seed"]), values),
    st.builds(lambda some: ("--candidates", *some), st.lists(values, min_size=1)),
)
commands = st.lists(parts).map(lambda chosen: [word for part in chosen for word in part])


@given(commands)
def test_options_are_read_as_argparse_reads_them(words: list[str]) -> None:
    known = PARSER.parse_args(words)
    assert (option(words, "--split"), option(words, "--seed")) == (known.split, known.seed)
    assert option_values(words, "--candidates") == known.candidates


@given(commands, values)
def test_a_replaced_option_is_what_argparse_reads(words: list[str], value: str) -> None:
    before, replaced = PARSER.parse_args(words), with_option(words, "--split", value)
    if before.split is None:
        assert replaced is None
    else:
        assert replaced is not None
        after = PARSER.parse_args(replaced)
        assert (after.split, after.seed, after.candidates) == (value, before.seed, before.candidates)
        assert sum(word.partition("=")[0] == "--split" for word in replaced) == 1


def test_the_last_of_several_options_counts() -> None:
    assert option(["x", "--device", "cuda", "--device=cpu", "--devices", "3"], "--device") == "cpu"
    assert option(["x"], "--device") is None
    assert option(["x", "--device"], "--device") == ""
    assert option(["x", "--", "--device", "cpu"], "--device") is None


@pytest.mark.parametrize("words", [["x"], ["x", "--split"], ["x", "--splits", "1"]])
def test_nothing_is_replaced_where_there_is_no_value(words: list[str]) -> None:
    assert with_option(words, "--split", "5") is None


@given(commands, st.sampled_from(["--split", "--seed"]), values)
def test_an_option_is_set_whether_it_is_given_or_not(words: list[str], name: str, value: str) -> None:
    changed = setting_option(words, name, value)
    assert option(changed, name) == value
    assert vars(PARSER.parse_args(changed)) == {**vars(PARSER.parse_args(words)), name.removeprefix("--"): value}
