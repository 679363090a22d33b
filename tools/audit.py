"""Look up known vulnerabilities of the locked packages, with pip-audit.

If pip-audit gets no information about any package (offline, or behind a mirror without advisories), the audit is
skipped and prints why: pip-audit's own "no known vulnerabilities found" would be misleading.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from common.bad_input import KnownFailure, run_command
from common.command_parser import command_parser
from tools.licences import LOCK

ACCEPTED: dict[str, str] = {}
"""Advisories (by PYSEC, CVE or GHSA number) that do not affect us, each with the reason."""


def look_up(lock: Path) -> tuple[list[dict[str, Any]], str]:
    """The packages of ``lock`` as pip-audit reports them, none if it fails; and the last line of its messages."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    for advisory in ACCEPTED:
        command += ["--ignore-vuln", advisory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    messages = done.stderr.splitlines() or [f"pip-audit says nothing, exit code {done.returncode}"]
    return json.loads(done.stdout)["dependencies"] if done.stdout else [], messages[-1]


def findings(packages: list[dict[str, Any]]) -> list[str]:
    """One line per advisory: package, version, numbers of the advisory, fixed versions, description."""
    return [
        f"{package['name']} {package['version']}: {', '.join([advisory['id'], *advisory['aliases']])}, "
        f"fixed in {', '.join(advisory['fix_versions']) or 'no version'}: {advisory['description'][:200]}"
        for package in packages
        for advisory in package.get("vulns", ())
    ]


def main() -> None:
    """Look up known vulnerabilities of the locked packages; with some that are not accepted, the exit code is 1."""
    parser = command_parser("tools.audit", main.__doc__, "--warn")
    parser.add_argument("--warn", action="store_true", help="only warn of them, with exit code 0")
    arguments = parser.parse_args()
    packages, message = look_up(LOCK)
    unknown = [package for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        reason = unknown[0]["skip_reason"] if unknown else message
        print(f"audit of {LOCK.name} skipped, no package could be looked up: {reason[:160]}")
        return
    if unknown:
        warnings.warn(f"could not be looked up: {', '.join(package['name'] for package in unknown)}", stacklevel=1)
    found = findings(packages)
    for line in found:
        warnings.warn(line, stacklevel=1)
    print(f"audit of {LOCK.name}: packages: {len(packages) - len(unknown)}, known vulnerabilities: {len(found)}")
    if found and not arguments.warn:
        raise KnownFailure(f"{LOCK.name}: take fixed versions, or add harmless advisories to ACCEPTED in {__file__}")


if __name__ == "__main__":
    run_command(main)
