"""Where the data is, for processes that run in other folders than the user's."""

from __future__ import annotations

import os
from pathlib import Path


def share_data_places(data_root: Path | None = None) -> None:
    """Let checks and trials, which run in the repository's folder, find the data as this process does.

    ``$G2L_DATA_ROOT`` and ``$G2L_CACHE``, which they inherit, become absolute. Without a data root and without a folder
    ``data`` here, trials look into that of the repository.

    Args:
        data_root: folder of data sets; None: ``$G2L_DATA_ROOT``, else ``./data``.
    """
    named = data_root or os.environ.get("G2L_DATA_ROOT")
    if named or Path("data").is_dir():
        os.environ["G2L_DATA_ROOT"] = str(Path(named or "data").resolve())
    if cache := os.environ.get("G2L_CACHE"):
        os.environ["G2L_CACHE"] = str(Path(cache).resolve())
