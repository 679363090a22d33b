"""ssh in tests: a host is a folder, the home folder there, in which files say how it behaves.

``python fake_ssh.py HOSTS -T -o NAME=VALUE ... [-p PORT] [-l USER] -- HOST COMMAND``

    refusal     its text is said, and the exit code is 255
    greeting    comes before what the command prints
    damage      OLD and NEW in two lines: replaced in what the command prints
    cut         the connection is cut as soon as this file is there, which is gone then: the command is killed, and the
                exit code is 255

Like sshd, it passes on nothing of the environment. Each command is appended to the host's ``commands``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

REQUIRED = {"BatchMode=yes", "StrictHostKeyChecking=yes", "ClearAllForwardings=yes", "ForwardAgent=no"}


def main() -> None:
    """Run a command on a host."""
    host, command = _read_command_line(sys.argv[2:])
    home = Path(sys.argv[1]) / host
    if not home.is_dir():
        _lose(f"ssh: connect to host {host} port 22: No route to host")
    if (home / "refusal").exists():
        _lose((home / "refusal").read_text())
    with open(home / "commands", "a") as commands:
        commands.write(f"{command}\n")
    if (home / "greeting").exists():
        os.write(1, (home / "greeting").read_bytes())
    damage = (home / "damage").read_bytes().splitlines() if (home / "damage").exists() else []
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    shell = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=home,
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE if damage else None,
    )
    while damage and shell.stdout is not None and (printed := os.read(shell.stdout.fileno(), 2**16)):
        os.write(1, printed.replace(damage[0], damage[1]))
    while shell.poll() is None:
        if (home / "cut").exists():
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
            (home / "cut").unlink()
            sys.exit(255)
        time.sleep(0.01)
    sys.exit(shell.returncode if shell.returncode >= 0 else 128 - shell.returncode)


def _read_command_line(words: list[str]) -> tuple[str, str]:
    """Host and command; refuses what the real ssh would, and a connection that is less safe than ours must be."""
    options, left = set(), list(words)
    while left and left[0] != "--":
        option = left.pop(0)
        if option in ("-o", "-p", "-l"):
            value = left.pop(0)
            options |= {value} if option == "-o" else set()
        elif option != "-T":
            _lose(f"ssh: unknown option {option}")
    if missing := REQUIRED - options:
        _lose(f"ssh: without {sorted(missing)}")
    _, host, command = left
    return host, command


def _lose(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    sys.exit(255)


if __name__ == "__main__":
    main()
