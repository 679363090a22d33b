"""What NNI starts for a trial that runs on another machine: it finds one, and brings home what the trial writes.

``python -m machines.trial trials.search_trial ...`` is to NNI what ``python -m trials.search_trial ...`` is. If the
machine is lost, the trial goes on from its files on another one, and NNI does not notice. Nothing listens anywhere: all
goes through the ssh connection of the trial.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from common.atomic_file import remove, write_atomically
from common.bad_input import BadInput, KnownFailure, run_command
from common.command_options import option, setting_option, with_option
from machines import experiment_files, ssh
from machines.code import ROOT, Code, start_command, upload
from machines.host import THERE
from machines.machine_list import RemoteMachine
from machines.messages import BEAT, BEAT_SECONDS, HOME_GONE, Damaged, Sender, is_of_trial, receive
from machines.slots import Slot, free_slot, let_rest
from machines.ssh import NoConnection
from machines.trial_files import PATH_OPTIONS, TrialFiles, parse
from nas_space.networks import your_own
from nas_space.structure_files import HAND
from nni_api.trial_channel import TrialChannel
from nni_api.trial_report import TrialReport, reason_of
from trials.data.fingerprint import ChangedData, add_fingerprint, is_fingerprint

NO_CODE = 77
"""Exit code of the shell there if it does not have the code."""
ENDING_SECONDS = 10.0
"""How long a trial may take to tidy up after it has said that it ended."""


@dataclass
class TrialElsewhere:
    """A trial on other machines, as home sees it."""

    module: str
    words: Sequence[str]
    """Its options."""
    output: Path
    """NNI_OUTPUT_DIR."""
    channel: TrialChannel
    code: Code
    _reported: dict[str, int] = field(default_factory=lambda: {"PERIODICAL": 0, "FINAL": 0})
    """How many metrics of each kind NNI has: a trial that goes on elsewhere sends them again."""
    _begun: bool = False
    """Whether the trial has begun where it is now."""

    def run(self, slot: Slot) -> int:
        """Run it in a place, from the files that are here; returns its exit code.

        Raises:
            NoConnection: the machine cannot be reached, was lost, or starts no trial.
            BadInput, KnownFailure, OSError: what it sent cannot be written here.
        """
        machine = slot.machine
        files = TrialFiles.of(self.module, self.words, self.channel.parameters, self.output)
        folder = str(ROOT) if machine.shared_files else self.code.folder
        command = start_command(machine, folder, "machines.host")
        command = f"cd && test -d {shlex.quote(folder)} || exit {NO_CODE}; {command}"
        print(f"on {machine.name}", file=sys.stderr, flush=True)
        self._begun = False
        process = subprocess.Popen(ssh.words(machine, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            self._begin(Sender(process.stdin), slot, [] if machine.shared_files else files.needed)
            while (received := receive(process.stdout)) is not None:
                code = self._note(*received, machine, files)
                if code is not None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(ENDING_SECONDS)
                    return code
            return self._without_a_word(machine, process.wait())
        except Damaged as fault:
            if self._reported["FINAL"]:
                return 0  # only the end was lost
            raise NoConnection(f"{machine.name}: {fault}") from None
        finally:
            process.kill()  # the trial there ends with its connection
            process.communicate()

    def _begin(self, sender: Sender, slot: Slot, needed: Sequence[Path]) -> None:
        """Send what the trial starts from, and say from time to time that home is there."""
        with suppress(BrokenPipeError):  # the exit code of the process says why
            sender.send(self._start(slot))
            for path in needed:
                sender.send({"kind": "file", "path": str(path)}, path.read_bytes())
            sender.send({"kind": "go"})
        threading.Thread(target=_beat, args=(sender,), daemon=True).start()

    def _without_a_word(self, machine: RemoteMachine, ended: int) -> int:
        """What follows if a trial did not say that it ended."""
        if self._reported["FINAL"]:
            return 0  # only the end was lost
        if ended == NO_CODE:
            self._bring_code(machine)
            raise _NowThere
        if ended in (*ssh.LOST, HOME_GONE):
            raise NoConnection(f"{machine.name}: the connection was lost, or there was none")
        if not self._begun:  # Python is gone, or the disk is full: another machine may do
            raise NoConnection(f"{machine.name}: it starts no trial (exit code {ended})")
        print(
            f"the trial on {machine.name} ended without a word, with exit code {ended}: "
            "was it killed (is there enough memory?)",
            file=sys.stderr,
        )
        return ended

    def _bring_code(self, machine: RemoteMachine) -> None:
        """Give a machine the code that it lacks. Raises NoConnection where it cannot have it."""
        if machine.shared_files:
            raise NoConnection(f"{machine.name}: {ROOT} is missing, but sharedFiles says that it is there")
        try:
            upload(machine, self.code)
        except BadInput as fault:
            raise NoConnection(str(fault)) from None

    def _start(self, slot: Slot) -> dict[str, Any]:
        """The first message: all that the trial is started with."""
        machine = slot.machine
        environment = {name: os.environ[name] for name in ("NNI_TRIAL_JOB_ID", "NNI_EXP_ID", "NNI_PLATFORM")}
        environment["NNI_OUTPUT_DIR"] = f"{THERE}{self.output}"
        if machine.cache is not None:
            environment["G2L_CACHE"] = machine.cache
        visible = machine.visible_gpus(slot.number)
        if visible is not None:
            environment["CUDA_VISIBLE_DEVICES"] = visible
        parameters = dict(self.channel.parameters)
        if parameters.get("structure", HAND) != HAND:  # of a final training: a file, relative to the repository or not
            parameters["structure"] = f"{THERE}{Path(parameters['structure']).absolute()}"
        return {
            "kind": "start",
            "module": self.module,
            "words": words_there(self.words, machine),
            "environment": environment,
            "record": {"parameter_id": self.channel.parameter_id, "parameters": parameters},
            "trials": machine.trials,
            "shared": machine.shared_files,
        }

    def _note(self, message: dict[str, Any], payload: bytes, machine: RemoteMachine, files: TrialFiles) -> int | None:
        """What a trial says; returns its exit code if it has ended."""
        if not is_of_trial(message):
            raise KnownFailure(f"{machine.name}: it sent {shortened(message)}, which is no message of a trial")
        kind = message["kind"]
        if kind == "begun":
            self._begun = True
        elif kind == "end":
            return int(message["code"])
        elif kind == "metric":
            self._forward(message, machine)
        else:
            self._note_file(message, payload, machine, files)
        return None

    def _note_file(self, message: dict[str, Any], payload: bytes, machine: RemoteMachine, files: TrialFiles) -> None:
        """Write or remove a file of a trial, which may have no others."""
        written, path = message["kind"] == "file", Path(os.path.normpath(message["path"]))
        if written and path.parent == self.output.parents[3] and path.name.startswith("data-split"):
            self._add_fingerprint(path, payload, machine)
        elif not any(path.is_relative_to(own) for own in files.own):
            raise KnownFailure(f"{machine.name}: it sent {path}, which is no file of this trial")
        elif written:
            write_atomically(path, lambda file: file.write(payload))
        else:
            remove(path)

    def _forward(self, message: dict[str, Any], machine: RemoteMachine) -> None:
        """Hand a metric on to NNI, unless it has it."""
        kind, sequence = message["type"], message["sequence"]
        if sequence > self._reported[kind]:
            raise KnownFailure(f"{machine.name}: it sent metric {sequence}, but {self._reported[kind]} before it")
        if sequence == self._reported[kind]:
            self._reported[kind] += 1
            self.channel.send(kind, sequence, message["value"])

    def _add_fingerprint(self, path: Path, payload: bytes, machine: RemoteMachine) -> None:
        try:
            content = json.loads(payload)
        except (ValueError, RecursionError):
            content = None
        if not is_fingerprint(content):
            raise KnownFailure(f"{machine.name}: its {path.name} has no checksums of data")
        changed = add_fingerprint(path, content)
        if changed:
            raise ChangedData(
                f"{machine.name}: its {changed[0]} differs from what other trials of this experiment have read; "
                "make the data of all machines the same, then resume, or start a new experiment"
            )


class _NowThere(Exception):
    """The code has been sent: the trial can be started."""


def words_there(words: Sequence[str], machine: RemoteMachine) -> list[str]:
    """The options of a trial on a machine: with the data root there, and its own folder before paths of here."""
    root = option(words, "--data-root") or os.environ.get("G2L_DATA_ROOT") or "data"
    there = setting_option(words, "--data-root", machine.data_root or str(Path(root).absolute()))
    if machine.cache is not None:
        there = with_option(there, "--cache", machine.cache) or there
    for name in PATH_OPTIONS:
        given = option(there, name)
        if given and (name != "--network" or given.endswith(your_own.SUFFIX)):
            there = with_option(there, name, f"{THERE}{Path(given).absolute()}") or there
    return there


def _beat(sender: Sender) -> None:
    """Tell the trial that home is there, until the connection ends."""
    waiting = threading.Event()
    while not waiting.wait(BEAT_SECONDS):
        try:
            sender.send(BEAT)
        except (OSError, ValueError):  # ValueError: closed
            return


def run_somewhere(trial: TrialElsewhere, machines: Sequence[RemoteMachine]) -> int:
    """Run a trial on one machine after another until it ends; returns its exit code."""
    while True:
        with free_slot(machines) as slot:
            try:
                return trial.run(slot)
            except _NowThere:
                continue
            except NoConnection as fault:
                let_rest(slot.machine)
                print(f"{fault}; the trial goes on where there is room", file=sys.stderr, flush=True)


def main() -> None:
    """Run a trial of ours on another machine, in a real NNI experiment."""
    module, *words = sys.argv[1:] or [""]
    channel = TrialChannel.receive()
    output = Path(os.environ["NNI_OUTPUT_DIR"])
    try:
        parse(module, words)
        machines, code = experiment_files.wait_for(output.parents[3])
        ended = run_somewhere(TrialElsewhere(module, words, output, channel, code), machines)
    except Exception as fault:
        report = TrialReport(
            None if channel.added_by_hand else channel.parameters.get("_uid"),
            os.environ["NNI_TRIAL_JOB_ID"],
            failure=reason_of(fault),
            ends_search=isinstance(fault, ChangedData),
        )
        channel.report_final_result(report.to_nni())
        raise
    sys.exit(ended)


if __name__ == "__main__":
    run_command(main)
