"""The order of what a comparison does, and from where each search begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas_space.structure import Structure
from studies.search_quality import work as working
from studies.search_quality.search import SearchKey, SearchResult
from studies.search_quality.work import Rules, work
from tests.studies.search_quality.conftest import CPU, FINAL, NETWORK, PlayedPool


def test_a_stop_leaves_balanced_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[Any, ...]] = []

    def search(_: Rules, key: SearchKey, __: SearchResult | None) -> SearchResult:
        done.append(("search", key.seed, key.split))
        # The winner of split 1 is the same whatever the seed.
        return SearchResult(Structure((8 if key.split == 1 else 16 + key.seed,) * 6, NETWORK), 4, 1.0)

    def train(_: Rules, key: SearchKey, structure: Structure, seed: int) -> None:
        done.append((structure.dilations[0], key.strategy, key.seed, seed, key.split))

    monkeypatch.setattr(working, "new_pool", PlayedPool)
    monkeypatch.setattr(Rules, "search", search)
    monkeypatch.setattr(Rules, "train", train)
    hand = [SearchKey("small", "hand", split, 0) for split in (1, 2)]
    keys = hand + [SearchKey("small", "random", split, seed) for seed in (0, 1) for split in (1, 2)]
    work(Rules(tmp_path, {}, NETWORK, 4, 2, FINAL, CPU), keys, {}, [7, 8], workers=1)
    assert done == [
        *(("search", 0, 1), ("search", 0, 2)),
        *((1, "hand", 0, 7, 1), (1, "hand", 0, 7, 2), (8, "random", 0, 7, 1), (16, "random", 0, 7, 2)),
        *((1, "hand", 0, 8, 1), (1, "hand", 0, 8, 2), (8, "random", 0, 8, 1), (16, "random", 0, 8, 2)),
        *(("search", 1, 1), ("search", 1, 2)),
        *((17, "random", 1, 7, 2), (17, "random", 1, 8, 2)),  # that of split 1 is trained already
    ]


def test_a_search_goes_on_from_what_the_one_of_its_seed_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``hand`` has one seed, from which the local search of every seed starts."""
    starts: dict[tuple[str, int, int], int | None] = {}

    def search(_: Rules, key: SearchKey, start: SearchResult | None) -> SearchResult:
        starts[key.strategy, key.split, key.seed] = start.structure.dilations[0] if start else None
        found = 10 * key.split + key.seed + (100 if key.strategy.endswith("+genetic") else 0)
        return SearchResult(Structure((found,) * 6, NETWORK), 4, 1.0)

    monkeypatch.setattr(working, "new_pool", PlayedPool)
    monkeypatch.setattr(Rules, "search", search)
    monkeypatch.setattr(Rules, "train", lambda *_: None)
    keys = [SearchKey("small", "hand", split, 0) for split in (1, 2)]
    names = ("hand+local", "random", "random+genetic+local", "random+genetic")
    keys += [SearchKey("small", name, split, seed) for seed in (0, 1) for split in (1, 2) for name in names]
    work(Rules(tmp_path, {}, NETWORK, 4, 2, FINAL, CPU), keys, {}, [0], workers=1)
    assert starts == {
        **{("hand+local", split, seed): 1 for split in (1, 2) for seed in (0, 1)},
        **{("random", split, seed): None for split in (1, 2) for seed in (0, 1)},
        **{("random+genetic", split, seed): 10 * split + seed for split in (1, 2) for seed in (0, 1)},
        **{("random+genetic+local", split, seed): 100 + 10 * split + seed for split in (1, 2) for seed in (0, 1)},
    }
