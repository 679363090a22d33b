"""Steps of a run: options that are replaced in their commands, and how many trainings they are."""

from __future__ import annotations

import pytest

from common.bad_input import BadInput
from experiments.steps import with_options


def test_options_are_replaced_where_they_are() -> None:
    command = "python3 -m trials.search_trial --dataset gtea --split 1 --epochs=5"
    replaced = with_options(command, {"--split": "3", "--dataset": "my data", "--epochs": "7"})
    assert replaced == "python3 -m trials.search_trial --dataset 'my data' --split 3 --epochs=7"


def test_an_option_that_comes_twice_is_replaced_for_good() -> None:
    assert with_options("t --split 1 --split 2", {"--split": "5"}) == "t --split 5"
    assert with_options("t --split=1 --epochs 2 --split 2", {"--split": "5"}) == "t --epochs 2 --split 5"


def test_an_option_that_is_missing_is_named() -> None:
    with pytest.raises(BadInput, match="needs the option --split"):
        with_options("python3 -m trials.search_trial --dataset gtea", {"--split": "3"})
