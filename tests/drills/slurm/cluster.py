"""A SLURM of two nodes, both this machine: Debian's munged, slurmctld and slurmd, with files and ports of its own."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from experiments.launch import free_port
from tests.drills.nni_home import wait_for

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
"""Where a user may not have the daemons."""

CONFIG = """
ClusterName=drill
SlurmctldHost={machine}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# The latter: how many seconds a requeued job waits, at least. (By default it is two minutes.)
AuthInfo=socket={folder}/munge.socket,cred_expire=20
SchedulerParameters=sched_interval=5,bf_interval=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SwitchType=switch/none
MpiDefault=none
JobRequeue=1
MinJobAge=3600
NodeName={nodes[0]} NodeHostname={machine} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cores}
NodeName={nodes[1]} NodeHostname={machine} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cores}
PartitionName=drill Nodes={nodes[0]},{nodes[1]} Default=YES DefaultTime=60
"""
NODES = ("first", "second")


def why_not() -> str | None:
    """Why there can be no SLURM here; None: there can."""
    absent = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=PATH) is None]
    return f"there is no {', no '.join(absent)} (Debian's packages slurm-wlm and munge)" if absent else None


@dataclass(frozen=True)
class Cluster:
    """A SLURM that runs."""

    folder: Path
    """With its configuration and its logs."""

    def run(self, *command: str, cwd: Path | None = None, environment: Mapping[str, str] = os.environ) -> str:
        """What one of SLURM's commands prints. Raises RuntimeError if it fails."""
        known = {**environment, "SLURM_CONF": str(self.folder / "slurm.conf")}
        done = subprocess.run(command, cwd=cwd, env=known, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def job(self, id: str) -> dict[str, str]:
        """What SLURM knows of a job: ``JobState``, ``Restarts``, ``ExitCode``, ..."""
        words = self.run("scontrol", "--oneliner", "show", "job", id).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def has_ended(self, id: str) -> bool:
        """Whether a job has ended, good or bad, and is not to start again."""
        return self.job(id)["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


@contextmanager
def slurm(folder: Path) -> Iterator[Cluster]:
    """A SLURM in that folder, which must not exist; all of it ends with the block."""
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    (folder / "slurm.conf").write_text(
        CONFIG.format(
            folder=folder,
            nodes=NODES,
            machine=socket.gethostname().partition(".")[0],
            ports=[free_port() for _ in range(3)],
            user=getpass.getuser(),
            cores=psutil.cpu_count(),
        )
    )
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    munge = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
    munge |= {"log-file": folder / "munged.log", "seed-file": folder / "munge.seed"}
    cluster = Cluster(folder)

    def is_idle() -> bool:
        try:
            return cluster.run("sinfo", "--noheader", "--format=%t").strip() == "idle"
        except RuntimeError:  # it has just been started
            return False

    with ExitStack() as daemons:
        # It does not like its socket in a folder that only its user may enter.
        daemons.enter_context(
            _daemon(folder, "munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in munge.items()))
        )
        wait_for((folder / "munge.socket").exists, 30)
        daemons.enter_context(_daemon(folder, "slurmctld", "-D"))
        for node in NODES:
            daemons.enter_context(_daemon(folder, "slurmd", "-D", "-N", node))
        wait_for(is_idle, 60)
        try:
            yield cluster
        finally:
            cluster.run("scancel", "--user", getpass.getuser())
            wait_for(lambda: not cluster.run("squeue", "--noheader"), 120)


@contextmanager
def _daemon(folder: Path, *command: str) -> Iterator[None]:
    """A daemon, which is ended with the block; what it says is in a log."""
    environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
    with open(folder / f"{command[0]}.said", "a") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
