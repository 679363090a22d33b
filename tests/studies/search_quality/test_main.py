"""The command that compares searches: all of it, again and elsewhere, and what it refuses."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from common.bad_input import BadInput
from common.read_file import read_json
from nas_space.budget import multiply_adds
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from studies.search_quality import __main__ as command
from studies.search_quality import weight_sharing
from studies.search_quality import work as working
from studies.search_quality.__main__ import main
from studies.search_quality.final_results import read_final_results, read_rules
from studies.search_quality.search import SearchKey, SearchResult
from studies.search_quality.work import Rules
from tests.studies.search_quality.conftest import FINAL, NETWORK, PlayedPool
from trials.data.arguments import Task


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["search_quality", *map(str, words)])
    main()


def times(folder: Path, pattern: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob(pattern)}


def test_all_of_it(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once trained, then nothing anew, and the table alone; the structures of others are the hand-designed ones."""
    for split in (1, 2):
        write_structure(Structure.hand(NETWORK), tmp_path / f"small-{split}-0.json")
    output = tmp_path / "out"
    data: Sequence[object] = ("--data-root", task.dataset.folder.parent, "--dataset", "small", "--output", output)
    found = f"found={tmp_path}/{{dataset}}-{{split}}-{{seed}}.json"
    strategies = ("--strategy", "hand", "evolution", "--structures", found)
    size = ("--network", "ms-tcn:stages=2,layers=3", "--budget", 4, "--epochs", 2, "--final-epochs", 1)
    words = (*data, *strategies, *size, "--search-seeds", 0, "--final-seeds", 0, 1, "--workers", 1)
    run(monkeypatch, *words)
    table = capsys.readouterr().out
    finished = times(output, "metrics.json")
    # hand and found share theirs: two structures x two splits x two seeds.
    assert len(finished) == 8
    assert [line.split()[:3] for line in table.splitlines()[2:5]] == [
        [strategy, "2", "4"] for strategy in ("hand", "evolution", "found")
    ]
    judged = times(output, "*.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(working, "new_pool", PlayedPool)
        run(patch, *words)
    assert capsys.readouterr().out == table
    run(monkeypatch, "--table", "--output", output)
    assert capsys.readouterr().out == table == (output / "table.txt").read_text()
    run(monkeypatch, "--table", "--output", output, "--against", "found")
    other = capsys.readouterr().out
    assert "- found" in other
    assert "- random" not in other
    assert table == (output / "table.txt").read_text()
    with pytest.raises(BadInput, match="--against best: not compared yet; there are hand; evolution; found"):
        run(monkeypatch, "--table", "--output", output, "--against", "best")
    assert times(output, "metrics.json") == finished
    assert times(output, "*.jsonl") == judged
    assert len((output / "trainings.csv").read_text().splitlines()) == 1 + 3 * 2 * 2
    assert len((output / "strategies.csv").read_text().splitlines()) == 1 + 3
    assert (output / "differences.svg").exists()
    assert (output / "dilations.svg").exists()
    with pytest.raises(BadInput, match="other settings"):
        run(monkeypatch, *words, "--epochs", 1)


def test_final_trainings_that_average_say_so(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    data: Sequence[object] = ("--data-root", task.dataset.folder.parent, "--dataset", "small", "--splits", 1)
    size = ("--network", "ms-tcn:stages=2,layers=3", "--final-epochs", 2, "--final-seeds", 0, "--workers", 1)
    search = ("--strategy", "hand", "random", "--budget", 2, "--epochs", 1, "--search-seeds", 0)
    words = (*data, *size, *search, "--output", output)
    monkeypatch.setattr(working, "new_pool", PlayedPool)
    with pytest.raises(BadInput, match="--average-last must be a share of the epochs"):
        run(monkeypatch, *words, "--average-last", 2)
    assert not output.exists()
    run(monkeypatch, *words, "--average-last", 0.25)
    said = "final trainings: weights averaged over the last 0.25 of the epochs\n"
    assert said in capsys.readouterr().out
    assert said in (output / "table.txt").read_text()
    settings = [read_json(path)["run"]["settings"] for path in times(output, "metrics.json")]
    assert [each["average_last"] for each in settings] == [0.25, 0.25]
    assert read_rules(output)["average_last"] == 0.25
    with pytest.raises(BadInput, match="other settings"):
        run(monkeypatch, *words)


def test_searches_that_are_trainings(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They cost what they took; rules and CSV file alone are enough to go on elsewhere, where nothing is done again."""
    monkeypatch.setattr(weight_sharing, "ITERATIONS", 2)
    monkeypatch.setattr(weight_sharing, "EPOCHS_PER_ITERATION", 1)
    monkeypatch.setattr(working, "new_pool", PlayedPool)
    output, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    size = ("--network", "ms-tcn:stages=2,layers=3", "--final-epochs", 1, "--workers", 1)
    strategies = ("differentiable", "differentiable+genetic", "differentiable+local")
    what = ("--strategy", *strategies, "--splits", 1, "--budget", 4, "--epochs", 2, "--differentiable-epochs", 2)
    seeds = ("--search-seeds", 0, "--final-seeds", 0)
    words = ("--data-root", task.dataset.folder.parent, "--dataset", "small", *size, *what, *seeds)
    run(monkeypatch, *words, "--output", output)
    table = capsys.readouterr().out
    finals = read_final_results(output)
    assert [(final.key.strategy, final.search.epochs) for final in finals] == [
        ("differentiable", 2),
        ("differentiable+genetic", 6),
        ("differentiable+local", 4),
    ]
    seconds = [final.search.seconds or 0.0 for final in finals]
    assert 0 < seconds[0] < min(seconds[1:])
    assert finals[0].search.structure != finals[2].search.structure

    elsewhere.mkdir()
    for name in ("rules.json", "trainings.csv"):
        (elsewhere / name).write_bytes((output / name).read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(Rules, "search", lambda *_: pytest.fail("searched again"))
        patch.setattr(Rules, "train", lambda *_: pytest.fail("trained again"))
        run(patch, *words, "--output", elsewhere)
    assert capsys.readouterr().out == table
    assert (elsewhere / "trainings.csv").read_bytes() == (output / "trainings.csv").read_bytes()
    run(monkeypatch, *words, "--final-seeds", 0, 1, "--output", elsewhere)
    assert len(times(elsewhere, "metrics.json")) == 2
    assert read_final_results(elsewhere)[::2] == finals


def test_what_is_found_within_limits_is_also_trained_for_the_choice(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "new_pool", PlayedPool)
    size = ("--network", "ms-tcn:stages=2,layers=3", "--final-epochs", 1, "--differentiable-epochs", 2, "--workers", 1)
    strategies = ("hand", "cut-eighth", "even-eighth", "differentiable-eighth", "differentiable-fewer")
    seeds = ("--search-seeds", 0, "--final-seeds", 0)
    words = ("--data-root", task.dataset.folder.parent, "--dataset", "small", *size, "--splits", 1, *seeds)
    run(monkeypatch, *words, "--strategy", *strategies, "--output", tmp_path / "out")
    found = {final.key.strategy: final.search for final in read_final_results(tmp_path / "out")}
    assert found.keys() == set(strategies)
    hand = Structure.hand(NETWORK)
    for name in ("cut-eighth", "even-eighth", "differentiable-eighth"):
        assert ReceptiveField.of(found[name].structure).network.frames <= 29 // 8
    assert 0 < multiply_adds(found["differentiable-fewer"].structure) <= multiply_adds(hand) / 2

    shutil.copytree(tmp_path / "out" / "searches", tmp_path / "choice" / "searches")
    choosing = ("--score-on", "validation", "--output", tmp_path / "choice")
    with monkeypatch.context() as patch:
        patch.setattr(Rules, "search", lambda *_: pytest.fail("searched again"))
        run(patch, *words, "--strategy", "hand", "differentiable-fewer", *choosing)
    assert read_rules(tmp_path / "choice")["score_on"] == "validation"
    train, test = task.dataset.split(1)
    for path in (tmp_path / "choice" / "final").glob("small/split1/*/seed0/metrics.json"):
        about = read_json(path)["run"]
        assert sorted(about["train_videos"] + about["test_videos"]) == sorted(train)
        assert not set(about["test_videos"]) & set(task.search_videos(1)[1])
        assert not set(about["test_videos"]) & set(test)
    with pytest.raises(BadInput, match="other settings"):
        run(monkeypatch, *words, "--strategy", "hand", "--output", tmp_path / "choice")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--dataset"),
        (("--dataset", "x", "--strategy", "best"), "--strategy best: unknown"),
        (("--dataset", "x", "--strategy", "hand", "tpe+local"), "name tpe, too"),
        (("--dataset", "x", "--strategy", "hand", "hand+local", "hand+local+genetic"), "powers of two only"),
        (("--dataset", "x", "--strategy", "hand", "hand+global"), "unknown"),
        (("--dataset", "x", "--strategy", "cut-eighth", "cut-eighth+local"), "would leave its limits"),
        (("--dataset", "x", "--strategy", "hand", "--structures", "x+local=x.json"), "not taken"),
        (("--dataset", "x", "--budget", 10), "budget"),
        (("--dataset", "x", "--final-seeds", -1), "at least 0"),
        (("--dataset", "x", "--structures", "random=x.json"), "not taken"),
        (("--dataset", "x", "--structures", "../up=x.json"), "plain name"),
        (("--table", "--output", "nowhere"), "no such file"),
    ],
)
def test_what_makes_no_comparison_is_refused(
    words: Sequence[object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=message):
        run(monkeypatch, *words)


def test_a_device_that_is_not_there_leaves_nothing(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--data-root", task.dataset.folder.parent, "--dataset", "small", "--output", tmp_path / "out")
    with pytest.raises(BadInput, match="device 'cuda:99' is not there"):
        run(monkeypatch, *words, "--device", "cuda:99")
    assert not (tmp_path / "out").exists()


def test_all_work_on_the_device_and_none_goes_on_on_another(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that PyTorch has everywhere, but on which nothing can be trained."""
    output, used = tmp_path / "out", []
    words = ("--data-root", task.dataset.folder.parent, "--dataset", "small", "--output", output)

    def played(rules: Rules, *_: object) -> None:
        used.append(rules.device)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "work", played)
    for device in ("meta", "cpu"):
        monkeypatch.setattr(command, "find_device", lambda _, device=device: torch.device(device))
        with pytest.raises(KeyboardInterrupt if device == "meta" else BadInput):
            run(monkeypatch, *words)
    assert used == [torch.device("meta")]
    rules = Rules(output, {"small": task}, NETWORK, 4, 2, FINAL, torch.device("meta"))
    for search in ("random", "differentiable"):
        with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
            rules.search(SearchKey("small", search, 1, 0), None)
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        rules.search(SearchKey("small", "random+local", 1, 0), SearchResult(Structure.hand(NETWORK), 4, 1.0))
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        rules.train(SearchKey("small", "random", 1, 0), Structure.hand(NETWORK), 0)
