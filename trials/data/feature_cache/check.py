"""Compare the content of packed features with the feature files."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.bad_input import BadInput
from trials.data.feature_cache.cache import FeatureCache
from trials.data.feature_cache.packed import PackedFeatures, Unusable
from trials.data.feature_files import FeatureFiles, FeatureType

READING = re.compile(r"-every([1-9][0-9]{0,8})-(float32|float16)-[0-9a-f]{12}\.features")
REMEDY = "remove it: it is packed again"


def caches_of(data: Path, folder: Path) -> Iterator[FeatureCache]:
    """The packed files of a data set in a cache folder, for all sample rates and types."""
    for path in sorted(folder.glob(f"{glob.escape(data.resolve().name)}-every*.features")):
        match = READING.search(path.name)
        if match is not None:
            dtype: FeatureType = "float16" if match[2] == "float16" else "float32"
            cache = FeatureCache(FeatureFiles(data / "features", int(match[1]), dtype), folder, list)
            if cache.path == path:  # else of another folder of the same name
                yield cache


def compare_cache(cache: FeatureCache) -> tuple[int, list[str]]:
    """The number of videos in a packed file, and its differences from the feature files, one line per video."""
    try:
        packed = PackedFeatures(cache.path, cache.files.dtype)
    except Unusable as fault:
        return 0, [f"{cache.path}: {fault}; {REMEDY}"]
    except OSError as fault:
        return 0, [f"{cache.path}: cannot be read: {fault.strerror}"]
    faults = []
    for video, entry in tqdm(packed.videos.items(), unit="video", desc="comparing", disable=None, leave=False):
        if not packed.is_intact(video):
            faults.append(f"{cache.path}: video {video!r} is damaged; {REMEDY}")
            continue
        try:
            features, full_frames = cache.files.read(video)
        except BadInput as fault:
            faults.append(f"{fault}, which {cache.path} holds")
            continue
        if full_frames != entry.full_frames or not np.array_equal(features, packed.rows(video)):
            faults.append(f"{cache.path}: video {video!r} is not as in {cache.files.path(video)}; {REMEDY}")
    return len(packed.videos), faults


def check_caches(data: Path, folder: Path, faults: list[str]) -> Iterator[str]:
    """Compare all packed files of a data set; yields a line for each valid one, and adds to the faults."""
    found = False
    for cache in caches_of(data, folder):
        found = True
        videos, differences = compare_cache(cache)
        faults += differences
        if not differences:
            yield f"{cache.path}: equal to the files of its {videos} videos"
    if not found:
        yield f"{folder}: no packed features of {data}"
