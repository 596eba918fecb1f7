"""Which patches of a held-out split can be compared with the training split's, where training's were chosen.

Eval and test are the plain grid; training's patches need not be (`components.geo.patches.PatchOptions`). A rule that
chooses patches shifts every feature, the bands too: patches that show a rare class, ships say, are darker than others.
So skew is measured between equals:

| training's rule | is compared with |
|---|---|
| `min_class_share`, `max_void_share` | those held-out patches that the rule would have kept |
| `random_crops` | held-out patches weighed so that each tile counts the same, for so many crops come from each |

Crops, and patches of a small stride, overlap: many of them are no more evidence than the ground they cover. They are
counted as so many patches as would lie on it side by side.

`max_nodata_share` is the same for all splits, and `training.sampling` draws among records without changing them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import tensorflow as tf
import tensorflow_data_validation as tfdv
from numpy.typing import NDArray

from components.data_statistics.skew import Statistics, feature_names, largest_value, patch_count
from components.dataset.record_index import record_files
from components.errors import DataError
from components.geo.patches import PatchOptions
from components.records import patch_example

_BATCH = 256

MOST_ROWS_A_TILE = 1000
"""How many rows stand for a tile where tiles are weighed alike: TFDV's histograms have 10 buckets."""


@dataclass(frozen=True)
class Comparable:
    """What a held-out split's skew is measured on.

    Attributes:
        statistics: Of the comparable patches; None where there is none.
        patches: Patches side by side in the smaller of the two splits.
        note: How the patches were chosen, in words; empty where all of them are compared as they are.
    """

    statistics: Statistics | None
    patches: int
    note: str = ""


def comparable_splits(
    statistics: Mapping[str, Statistics], patches: PatchOptions, files_of: Callable[[str], Sequence[str]]
) -> dict[str, Comparable]:
    """What to measure the skew of each held-out split against training on.

    Args:
        statistics: StatisticsGen's by split, `train` among them.
        patches: How tiles were cut.
        files_of: The record files of a split. They are read only where training's rule makes a difference.

    Returns:
        By split, without `train`.

    Raises:
        DataError: If records that are needed cannot be read.
    """
    held_out = {split: own for split, own in statistics.items() if split != "train"}
    if not held_out:
        return {}
    trained = _ground_of_training(statistics["train"], patches, files_of)
    return {split: _comparable(trained, own, split, patches, files_of) for split, own in held_out.items()}


def _comparable(
    trained: int, other: Statistics, split: str, patches: PatchOptions, files_of: Callable[[str], Sequence[str]]
) -> Comparable:
    """One split's, where training has `trained` patches side by side."""
    rules = _rules(patches, other)
    if not rules and patches.random_crops is None:
        return Comparable(other, min(trained, _side_by_side(patch_count(other), patches, split)))
    table = _read(files_of(split), feature_names(other))
    kept = _kept(table, patches)
    notes = []
    if rules:
        notes.append(f"its {int(kept.sum())} of {len(kept)} patches that training would keep ({', '.join(rules)})")
    if patches.random_crops is None:
        rows = np.flatnonzero(kept)
    else:
        notes.append(
            f"{'with' if rules else 'its patches with'} each tile weighing the same, as random crops are taken "
            "(patches.random_crops)"
        )
        rows = _tiles_alike(table[patch_example.TILE])
        rows = rows[kept[rows]]
    ground = min(trained, _side_by_side(int(kept.sum()), patches, split))
    note = f"skew of split {split} was measured on {', '.join(notes)}"
    if not len(rows):
        return Comparable(None, 0, f"{note}: there is none, so none was measured")
    chosen = pyarrow.table({name: table[name][rows] for name in feature_names(other)})
    return Comparable(tfdv.generate_statistics_from_dataframe(chosen.to_pandas()), ground, note)


def _rules(patches: PatchOptions, other: Statistics) -> list[str]:
    """The rules of training alone that make a difference to the other split, in words."""
    rules = []
    if patches.min_class_share:
        shares = " or ".join(f"{name} {share:g}" for name, share in patches.min_class_share.items())
        rules.append(f"patches.min_class_share: {shares}")
    # A limit that no patch exceeds needs no second look at the records.
    if largest_value(other, patch_example.VOID_SHARE) > patches.max_void_share:
        rules.append(f"patches.max_void_share: {patches.max_void_share:g}")
    return rules


def _kept(table: dict[str, NDArray[Any]], patches: PatchOptions) -> NDArray[np.bool_]:
    """Which patches `components.records.write_tile` would have written in training."""
    pixels = patches.size**2

    def count(feature: str) -> NDArray[np.float64]:
        # Shares are float32: whole pixels again, so that one that equals a limit is not lost to rounding.
        counts: NDArray[np.float64] = np.rint(table[feature].astype(np.float64) * pixels)
        return counts

    kept = np.ones(len(table[patch_example.TILE]), np.bool_)
    if patch_example.VOID_SHARE in table:
        kept &= count(patch_example.VOID_SHARE) / pixels <= patches.max_void_share
    if patches.min_class_share:
        wanted = [(f"{patch_example.CLASS_FRACTION}/{name}", s) for name, s in patches.min_class_share.items()]
        has_any = [count(feature) >= share * pixels for feature, share in wanted if feature in table]
        kept &= np.any(has_any, axis=0) if has_any else False
    return kept


def _tiles_alike(tiles: NDArray[Any]) -> NDArray[np.int64]:
    """Row numbers in which each tile occurs equally often, its own rows evenly."""
    _, tile_of_row = np.unique(tiles, return_inverse=True)
    rows_of = [np.flatnonzero(tile_of_row == i) for i in range(tile_of_row.max() + 1)]
    times = min(MOST_ROWS_A_TILE, max(map(len, rows_of)))
    return np.concatenate([rows[np.arange(times) * len(rows) // times] for rows in rows_of])


def _side_by_side(count: int, patches: PatchOptions, split: str) -> int:
    """How many patches without overlap lie on the ground of `count` patches of the grid."""
    return max(1, round(count * (patches.stride_of(split) / patches.size) ** 2)) if count else 0


def _ground_of_training(train: Statistics, patches: PatchOptions, files_of: Callable[[str], Sequence[str]]) -> int:
    """How many patches lie side by side on the ground of the training patches.

    Of crops: how many squares of a patch's size, laid out from the tile's corner, hold the middle of one. These are no
    more than the tile has.
    """
    count = patch_count(train)
    if patches.random_crops is None:
        return _side_by_side(count, patches, "train")
    side = patches.size * patches.downsample
    table = _read(files_of("train"), [])
    cells = zip(
        table[patch_example.TILE].tolist(),
        ((table[patch_example.ROW] + side // 2) // side).tolist(),
        ((table[patch_example.COL] + side // 2) // side).tolist(),
        strict=True,
    )
    return len(set(cells))


def _read(files: Sequence[str], features: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Scalar float features, tile and place of all records, `(records,)` each; NaN where a record has no such feature.

    Raises:
        DataError: If a record cannot be read.
    """
    spec: dict[str, tf.io.FixedLenFeature] = {
        patch_example.TILE: tf.io.FixedLenFeature([], tf.string),
        patch_example.ROW: tf.io.FixedLenFeature([], tf.int64),
        patch_example.COL: tf.io.FixedLenFeature([], tf.int64),
        **{name: tf.io.FixedLenFeature([], tf.float32, default_value=float("nan")) for name in features},
    }
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in spec}
    try:
        dataset = tf.data.TFRecordDataset(list(files)).batch(_BATCH)
        for batch in dataset.map(lambda serialized: tf.io.parse_example(serialized, spec)).prefetch(2):
            for name, column in columns.items():
                column.append(batch[name].numpy())
    except tf.errors.OpError as error:
        raise DataError(
            f"the records of {files[0] if files else 'a split'} cannot be read: {error.message.splitlines()[0]}",
            "records of this configuration",
            "run the ingest again",
        ) from error
    return {name: np.concatenate(column) if column else np.empty(0) for name, column in columns.items()}


def split_files(uri: str, split: str) -> tuple[str, ...]:
    """The record files of a split in an `Examples` artifact."""
    return record_files([f"{uri.rstrip('/')}/Split-{split}/*"])
