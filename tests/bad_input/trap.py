"""Code that a file of an attacker names: imported, it makes a folder."""

from __future__ import annotations

from pathlib import Path

Path("made").mkdir()
