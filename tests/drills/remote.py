"""Drills of searches on two other hosts, which this machine plays: they are undisturbed, or struck by faults."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from common.bad_input import BadInput, KnownFailure, run_command
from tests.drills.faults import run, table
from tests.drills.remote_drills import REMOTE, UNDISTURBED
from tests.drills.ssh_host import why_none

DRILLS = {drill.__name__.replace("_", "-"): drill for drill in REMOTE}


def main() -> None:
    """Run searches on two hosts over ssh, print what was lost (nothing), and whether the numbers are those of one."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.drills.remote",
        description=main.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="drills:\n"
        + "".join(f"  {name:<24}{drill.__doc__}\n" for name, drill in DRILLS.items())
        + "\nexample: python -m tests.drills.remote hosts-killed-in-turn",
    )
    parser.add_argument("drills", nargs="*", metavar="DRILL", help="which (default: all, one to three minutes each)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.drills if name not in DRILLS]
    if unknown:
        raise BadInput(f"no such drill: {unknown[0]!r} (see --help)")
    if (reason := why_none()) is not None:
        print(f"skipped: {reason}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = run({name: DRILLS[name] for name in arguments.drills or DRILLS}, Path(folder), UNDISTURBED)
    print(table(rows))
    failed = [row.drill for row in rows if not row.passed]
    if failed:
        raise KnownFailure(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    run_command(main)
