"""The audit's verdicts, with pip-audit played by the test."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from common.bad_input import run_command
from tools import audit

# As pip-audit 2.10.1 prints them.
SAFE = {"name": "pytest", "version": "9.2.0", "vulns": []}
ADVISORY = {
    "id": "CVE-2030-1",
    "fix_versions": ["2.8.1", "3.0"],
    "aliases": ["GHSA-aaaa-bbbb-cccc"],
    "description": "Made up.",
}
VULNERABLE = {"name": "urllib3", "version": "2.8.0", "vulns": [ADVISORY]}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found and could not be audited: ours (1.0)"}

FOUND = "warning: urllib3 2.8.0: CVE-2030-1, GHSA-aaaa-bbbb-cccc, fixed in 2.8.1, 3.0: Made up.\n"

PipAudit = Callable[..., list[str]]
"""``pip_audit(*packages, message="", options=())``: run the audit with this report; returns pip-audit's command."""


@pytest.fixture
def pip_audit(monkeypatch: pytest.MonkeyPatch) -> PipAudit:
    def run(*packages: Any, message: str = "", options: tuple[str, ...] = (), code: int = 0) -> list[str]:
        commands: list[list[str]] = []

        def answer(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            commands.append(command)
            report = json.dumps({"dependencies": packages, "fixes": []}) if packages else ""
            return subprocess.CompletedProcess(command, 1, report, message)

        monkeypatch.setattr(subprocess, "run", answer)
        monkeypatch.setattr(sys, "argv", ["audit", *options])
        with warnings.catch_warnings(action="always"), pytest.raises(SystemExit) as end:
            run_command(audit.main)
        assert end.value.code == code
        return commands[0]

    return run


def test_packages_without_advisories_pass(pip_audit: PipAudit, capsys: pytest.CaptureFixture[str]) -> None:
    pip_audit(SAFE, SAFE, message="No known vulnerabilities found")
    assert capsys.readouterr() == ("audit of constraints.txt: packages: 2, known vulnerabilities: 0\n", "")


def test_an_advisory_is_told_with_its_fix_and_fails(pip_audit: PipAudit, capsys: pytest.CaptureFixture[str]) -> None:
    pip_audit(SAFE, VULNERABLE, code=1)
    output = capsys.readouterr()
    assert output.out == "audit of constraints.txt: packages: 2, known vulnerabilities: 1\n"
    assert output.err.startswith(f"{FOUND}error: constraints.txt: take fixed versions, or ")


def test_with_warn_it_does_not_fail(pip_audit: PipAudit, capsys: pytest.CaptureFixture[str]) -> None:
    pip_audit(SAFE, VULNERABLE, options=("--warn",))
    assert capsys.readouterr().err == FOUND


def test_accepted_advisories_are_left_out(pip_audit: PipAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ACCEPTED", {"CVE-2030-1": "made up", "CVE-2030-2": "made up, too"})
    assert pip_audit(SAFE)[-4:] == ["--ignore-vuln", "CVE-2030-1", "--ignore-vuln", "CVE-2030-2"]


@pytest.mark.parametrize(
    ("packages", "message", "reason"),
    [
        ((UNKNOWN, UNKNOWN), "No known vulnerabilities found", UNKNOWN["skip_reason"]),
        ((), "Traceback ...\nConnectionError: no route to host\n", "ConnectionError: no route to host"),
        ((), "", "pip-audit says nothing, exit code 1"),
    ],
    ids=["mirror without advisories", "offline", "silent"],
)
def test_what_cannot_be_looked_up_is_skipped_in_one_line(
    packages: tuple[Any, ...], message: str, reason: str, pip_audit: PipAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    pip_audit(*packages, message=message)
    start = "audit of constraints.txt skipped, no package could be looked up: "
    assert capsys.readouterr() == (f"{start}{reason}\n", "")


def test_a_single_package_that_cannot_be_looked_up_is_named(
    pip_audit: PipAudit, capsys: pytest.CaptureFixture[str]
) -> None:
    pip_audit(SAFE, UNKNOWN)
    output = capsys.readouterr()
    assert output.out == "audit of constraints.txt: packages: 1, known vulnerabilities: 0\n"
    assert output.err == "warning: could not be looked up: ours\n"
