"""Drills of searches on two other hosts, which this machine plays: they are undisturbed, or struck by faults."""

from __future__ import annotations

import sys

from common.bad_input import run_command
from tests.drills.choice import chosen_drills
from tests.drills.faults import run_and_print
from tests.drills.remote.drills import REMOTE, UNDISTURBED
from tests.drills.remote.ssh_host import why_none

DRILLS = {drill.__name__.replace("_", "-"): drill for drill in REMOTE}


def main() -> None:
    """Run searches on two hosts over ssh, print what was lost (nothing), and whether the numbers are those of one."""
    drills = chosen_drills("tests.drills.remote", main.__doc__, DRILLS, "one to three minutes")
    if (reason := why_none()) is not None:
        print(f"skipped: {reason}", file=sys.stderr)
        return
    run_and_print(drills, UNDISTURBED)


if __name__ == "__main__":
    run_command(main)
