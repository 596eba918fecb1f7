"""Measures what a version was trained on: its training records, and its maps of the evaluated tiles.

Every pixel of a training record counts, in as many records as hold `MOST_PIXELS` pixels, evenly over the split; so the
figures are exact where the split is not larger, and the cost does not grow where it is. Pixels that overlapping patches
share count each time, as they do in training. Records do not say which pixels are nodata: of a patch that has nodata
the pixels with a label count alone, which are none.

The records are read twice. The groups that tiles are counted in are deciles of them all, and the full histograms of
many tiles would not fit in memory.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.dataset.record_index import RecordIndex, index_records, record_files
from components.drift.band_histogram import BandCounter, BandHistogram
from components.drift.divergence import grouped, quantile_cuts
from components.drift.reference import (
    EXTRA,
    GROUPS,
    REFERENCE_FILE,
    ReferenceBand,
    ReferenceClasses,
    ReferenceConfidence,
    ReferenceStatistics,
)
from components.drift.value_bins import bin_counts, count_codes
from components.errors import DataError
from components.evaluation.calibration import PIXELS
from components.evaluation.counts import EvaluationCounts
from components.evaluation.counts_file import from_npz
from components.evaluation.map_evaluator.files import read_map_evaluation
from components.evaluation.saved_model_scorer import read_contract
from components.file_systems import local_copy
from components.records import patch_example
from components.records.record_format import RecordFormat

COUNTS_FILE = "candidate_counts.npz"
"""In the artifact of `components.evaluation.map_evaluator.component`, which cannot be imported without TFX."""

MOST_PIXELS = 1 << 27
MOST_TILES = 200
"""Whose own counts are kept."""

_BLOCK = re.compile(rb"(.+)/r\d+c\d+", re.DOTALL)
"""A ground block's id, as `components.tile_source` makes it: its tile's comes first."""


def write_reference(folder: Path, saved_model: str, examples: str, map_evaluation: str | None) -> None:
    """Measures, and writes `assets.extra/reference_statistics.json`, whole or not at all.

    Args:
        folder: A version's, or what is copied into it; local.
        saved_model: The exported SavedModel, which has the contract.
        examples: The `Examples` artifact.
        map_evaluation: The `MapEvaluation` artifact; None where there is none.

    Raises:
        DataError: If the records or the evaluation cannot be read.
    """
    files = record_files([f"{examples.rstrip('/')}/Split-train/*"])
    document, counts = None, None
    if map_evaluation is not None:
        document = read_map_evaluation(map_evaluation).document
        counts = _candidate_counts(map_evaluation)
    statistics = measure_reference(files, read_contract(saved_model), document, counts)
    extra = folder / EXTRA
    extra.mkdir(parents=True, exist_ok=True)
    part = extra / f".{REFERENCE_FILE}.{os.getpid()}.part"
    part.write_text(statistics.model_dump_json(), encoding="utf-8")
    part.replace(extra / REFERENCE_FILE)


def measure_reference(
    files: Sequence[str],
    record_format: RecordFormat,
    evaluation: Mapping[str, Any] | None = None,
    counts: EvaluationCounts | None = None,
    most_pixels: int = MOST_PIXELS,
) -> ReferenceStatistics:
    """The statistics of a training split.

    Args:
        files: The training records.
        record_format: Of them.
        evaluation: `figures.json` of the evaluation of whole tiles; None where there is none.
        counts: Of the same; None where there are none.
        most_pixels: See the module.

    Raises:
        DataError: If there is no record with a valid pixel, or one does not fit the format.
    """
    index = index_records(files)
    step = max(1, -(-len(index) * record_format.patch_size**2 // most_pixels))
    chosen = range(0, len(index), step)
    counter = BandCounter(record_format.bands, record_format.dtype)
    classes = len(record_format.table)
    trained = np.zeros(classes, np.int64)
    for patch in _patches(index, chosen, record_format):
        counter.add(patch.image, patch.valid)
        trained += np.bincount(patch.label.ravel(), minlength=256)[:classes]
    histograms = counter.histograms()
    if not all(band.pixels for band in histograms):
        raise DataError(
            f"the training records of {files[0] if files else 'the split'} hold no valid pixel",
            "image data to compare later maps with",
            "run the ingest again",
        )
    cuts = [quantile_cuts(band.bins, band.counts, GROUPS) for band in histograms]
    tiles = _by_tile(lambda: _patches(index, chosen, record_format), cuts)
    found = evaluation or {}
    return ReferenceStatistics(
        records=len(index),
        counted_records=len(chosen),
        bands=tuple(_band(histograms[i], cuts[i], [of_tile[i] for of_tile in tiles]) for i in range(len(histograms))),
        classes=_classes(record_format.table.names, trained, found),
        confidence=None if counts is None else _confidence(counts.by_tile().reliability[:, :, PIXELS]),
    )


@dataclass(frozen=True)
class _Patch:
    tile: bytes
    image: NDArray[Any]
    label: NDArray[np.uint8]
    valid: NDArray[np.bool_]


def _patches(index: RecordIndex, chosen: Sequence[int], record_format: RecordFormat) -> Iterator[_Patch]:
    size, bands = record_format.patch_size, len(record_format.bands)
    for number in chosen:
        (serialized,) = index.read([number])
        try:
            feature = tf.train.Example.FromString(serialized).features.feature
            image_bytes, label_bytes, tile = (
                feature[name].bytes_list.value[0]
                for name in (patch_example.IMAGE, patch_example.LABEL, patch_example.TILE)
            )
            image = np.frombuffer(image_bytes, record_format.dtype).reshape(size, size, bands)
            label = np.frombuffer(label_bytes, np.uint8).reshape(size, size)
            has_nodata = feature[patch_example.NODATA_SHARE].float_list.value[0] > 0
        except (ValueError, IndexError, DecodeError) as error:
            raise DataError(
                f"record {number} of {index.files[index.file_of_record[number]]} cannot be read: {error}",
                f"patches of {size} x {size} pixels of {bands} band(s) in {record_format.dtype}",
                "run the ingest again with this configuration",
            ) from error
        block = _BLOCK.fullmatch(tile)
        tile = block.group(1) if block else tile
        yield _Patch(tile, image, label, label != VOID_ID if has_nodata else np.ones(label.shape, np.bool_))


def _by_tile(patches: Callable[[], Iterator[_Patch]], cuts: Sequence[tuple[int, ...]]) -> list[list[NDArray[np.int64]]]:
    """Of each tile, each band's pixels by group; of at most `MOST_TILES`, the first ones met."""
    found: dict[bytes, list[NDArray[np.int64]]] = {}
    for patch in patches():
        if patch.tile not in found:
            if len(found) == MOST_TILES:
                continue
            found[patch.tile] = [np.zeros(len(of_band) + 1, np.int64) for of_band in cuts]
        for i, sums in enumerate(found[patch.tile]):
            counts = count_codes(patch.image[..., i][patch.valid])
            sums += grouped(*bin_counts(counts, patch.image.dtype.name), cuts[i])
    return [found[tile] for tile in sorted(found)]


def _band(histogram: BandHistogram, cuts: tuple[int, ...], tiles: Sequence[NDArray[np.int64]]) -> ReferenceBand:
    return ReferenceBand(histogram=histogram, cuts=cuts, tiles=tuple(tuple(tile.tolist()) for tile in tiles))


def _classes(names: tuple[str, ...], trained: NDArray[np.int64], evaluation: Mapping[str, Any]) -> ReferenceClasses:
    tiles = tuple(tuple(tile["mapped_pixels"]) for tile in evaluation.get("tiles") or ())
    mapped = tuple(np.sum(tiles, axis=0).tolist()) if tiles else None
    return ReferenceClasses(names=names, trained=tuple(trained.tolist()), mapped=mapped, tiles=tiles[:MOST_TILES])


def _confidence(tiles: NDArray[np.int64]) -> ReferenceConfidence | None:
    """Of `(tiles, bins)` pixels."""
    if not tiles.sum():
        return None
    rows = [tuple(tile.tolist()) for tile in tiles]
    return ReferenceConfidence(counts=tuple(tiles.sum(axis=0).tolist()), tiles=tuple(rows[:MOST_TILES]))


def _candidate_counts(map_evaluation: str) -> EvaluationCounts | None:
    with local_copy(f"{map_evaluation}/{COUNTS_FILE}") as path:
        return from_npz(path.read_bytes(), str(path)) if path.is_file() else None
