from __future__ import annotations

import pytest

from benchmarks.load import Sample, configuration, table
from strategies import tuners


@pytest.mark.parametrize("kind", ["global", "local"])
def test_the_search_makes_so_many_trials(kind: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", "ws://localhost:1/tuner")
    config = configuration(kind, trials=40, concurrency=8)
    module, name = config["tuner"]["className"].rsplit(".", 1)
    assert (module, config["trialConcurrency"]) == ("strategies.tuners", 8)
    search = getattr(tuners, name)(**config["tuner"]["classArgs"]).create_search(config["searchSpace"])
    if kind == "global":
        assert search.budget == 40
    else:
        assert len(search.chains) * search.iterations == 40


def test_times_are_means_since_the_line_above() -> None:
    samples = [Sample(1, 100.0, 3 << 20, 2.0, 1000, 2000), Sample(101, 130.0, 5 << 20, 2.5, 3400, 99_000)]
    first, second = [line.split() for line in table(samples).splitlines()[1:]]
    assert first == ["1", "3.0", "MB", "1", "kB", "2", "kB"]
    assert second == ["101", "5.0", "MB", "5.0", "ms/trial", "0.30", "s/trial", "3", "kB", "99", "kB"]
