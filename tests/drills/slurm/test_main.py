from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.drills.slurm import __main__ as drills
from tests.drills.slurm import cluster
from tests.drills.slurm.__main__ import DRILLS, run
from tests.drills.slurm.cluster import why_not


@pytest.mark.slow
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize("drill", DRILLS)
def test_all_facts_are_true(drill: str, tmp_path: Path) -> None:
    facts = run(drill, tmp_path / "drill")
    assert facts
    assert [fact.text for fact in facts if not fact.true] == []


def test_without_slurm_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("munged", "sbatch"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(cluster, "PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["slurm"])
    drills.main()
    assert capsys.readouterr().err.startswith("skipped: there is no slurmctld, no slurmd (Debian's packages")
