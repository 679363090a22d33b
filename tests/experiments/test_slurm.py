"""experiments/slurm.sh with programs in place of g2l and scontrol; tests/drills/slurm runs it in a SLURM."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.drills.nni_home import wait_for

ENDS = 'echo "$@" > said; exit "$1"'
"""A g2l that ends with the code that its first argument names."""
WAITS = """
trap 'kill $!; exit "$1"' TERM
sleep 60 &
sleep 0.1
touch started
wait
"""
"""A g2l that goes on until SIGTERM, and then ends with the code that its first argument names."""
DIES = "sleep 0.1; touch started; exec sleep 60"
"""A g2l that SIGTERM ends before it can do anything."""
SCONTROL = """
case $1 in
    requeue) echo "$2" >> requeued;;
    show) [[ "$2 $3" = "hostnames node[3-4,7]" ]] && printf '%s\\n' node3 node4 node7;;
esac
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts the script as job 7 on one node, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def start(*words: str, g2l: str = ENDS, scontrol: str = SCONTROL, **slurm: str) -> subprocess.Popen[str]:
        for name, text in (("g2l", g2l), ("scontrol", scontrol)):
            path = tmp_path / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/bash\n{text}")
            path.chmod(0o755)
        known = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "node3", **slurm}
        environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", **known}
        command = ["bash", str(REPOSITORY / "experiments" / "slurm.sh"), *words]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def end(process: subprocess.Popen[str], number: signal.Signals | None = None) -> int:
    """The exit code of a script; the file ``errors`` has what it said. While g2l is at work, it gets that signal."""
    if number is not None:
        wait_for(Path("started").exists, 30)
        process.send_signal(number)
    Path("errors").write_text(process.communicate(timeout=30)[1])
    return process.returncode


def requeued() -> str:
    """The jobs that scontrol was asked to requeue."""
    return Path("requeued").read_text() if Path("requeued").exists() else ""


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_an_end_good_or_bad_is_the_jobs_and_it_is_not_requeued(start: Start, code: int) -> None:
    assert end(start(str(code))) == code
    assert requeued() == ""


@pytest.mark.parametrize(("g2l", "code"), [(WAITS, "130"), (WAITS, "143"), (DIES, "")])
def test_at_its_time_limit_g2l_is_stopped_and_the_job_requeued(start: Start, g2l: str, code: str) -> None:
    assert end(start(code, g2l=g2l), signal.SIGUSR1) == 0
    assert requeued() == "7\n"


@pytest.mark.parametrize("code", ["0", "1", "2"])
def test_it_is_not_requeued_if_it_has_just_ended_at_its_time_limit(start: Start, code: str) -> None:
    assert end(start(code, g2l=WAITS), signal.SIGUSR1) == int(code)
    assert requeued() == ""


def test_a_cancelled_job_is_stopped_in_order_and_does_not_come_back(start: Start) -> None:
    assert end(start("130", g2l=WAITS), signal.SIGTERM) == 130
    assert requeued() == ""


def test_a_job_that_slurm_does_not_requeue_fails(start: Start) -> None:
    refuses = "echo 'Requested operation is presently disabled' >&2; exit 1"
    assert end(start("130", g2l=WAITS, scontrol=refuses), signal.SIGUSR1) == 1
    first, second = Path("errors").read_text().splitlines()
    assert first == "Requested operation is presently disabled"
    assert "to go on: scontrol requeue 7" in second


@pytest.mark.parametrize(("restarts", "asked"), [("99", "7\n"), ("100", "")])
def test_a_job_that_gets_nowhere_is_not_requeued_for_ever(start: Start, restarts: str, asked: str) -> None:
    code = end(start("130", g2l=WAITS, SLURM_RESTART_COUNT=restarts), signal.SIGUSR1)
    assert (requeued(), code) == (asked, 0 if asked else 1)


SAYS = 'echo "$@" > said'


def test_launch_keeps_its_experiment_beside_the_log_until_another_job_has_that_number(start: Start) -> None:
    kept = Path("slurm-7.experiment")
    kept.write_text("Ab3dE\n")
    assert end(start("launch", "a b.yml", g2l=SAYS, SLURM_RESTART_COUNT="1")) == 0
    assert Path("said").read_text() == "launch a b.yml --id-file slurm-7.experiment\n"
    assert kept.read_text() == "Ab3dE\n"
    assert end(start("launch", "a b.yml", g2l=SAYS)) == 0
    assert not kept.exists()


def test_the_pipeline_gets_what_was_asked_for(start: Start) -> None:
    assert end(start("pipeline", "--dataset", "demo", g2l='printf "%s|" "$@" > said')) == 0
    assert Path("said").read_text() == "pipeline|--dataset|demo|"


@pytest.mark.parametrize(
    ("gpus", "more"),
    [("", {}), ("1", {"gpuIndices": 0}), ("2", {"gpuIndices": "0,1"}), ("4", {"gpuIndices": "0,1,2,3"})],
)
def test_several_nodes_are_machines_that_share_their_files(start: Start, gpus: str, more: dict[str, object]) -> None:
    several = {"SLURM_JOB_NUM_NODES": "3", "SLURM_JOB_NODELIST": "node[3-4,7]", "SLURM_GPUS_ON_NODE": gpus}
    assert end(start("pipeline", g2l=SAYS, **several)) == 0
    assert Path("said").read_text() == "pipeline --machines slurm-7.machines.yml\n"
    hosts = [{"host": host, "sharedFiles": True, **more} for host in ("node3", "node4", "node7")]
    assert yaml.safe_load(Path("slurm-7.machines.yml").read_text()) == {"machineList": hosts}


def test_outside_of_slurm_it_says_how_to_start_it(start: Start) -> None:
    assert end(start("0", SLURM_JOB_ID="")) != 0
    assert "start this script with sbatch" in Path("errors").read_text()
