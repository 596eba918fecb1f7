"""Looks at a map while it is made, and keeps what is needed to tell drift: in the pass that predicts it."""

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from pydantic import PositiveInt

from components.classes import VOID_ID
from components.contract import ModelContract
from components.drift.band_histogram import BandCounter
from components.errors import ConfigError, RasterError
from components.evaluation.calibration import CONFIDENCE, MILLION, PIXELS, reliability_counts
from components.geo.image import ImageReader
from components.geo.paths import is_remote
from components.mapping.blended_rows import BlendedRows
from components.options import Options
from serving.drift.map_statistics import CONFIDENCE_BINS, MapStatistics, statistics_file, write_statistics
from serving.drift.observed_reader import ObservedReader


class MonitorOptions(Options):
    """How closely maps are looked at. Neighbouring rows show much the same: some of them tell as much as all."""

    row_step: PositiveInt = 4
    """Bands are counted in every so many rows."""
    confidence_row_step: PositiveInt = 8
    """Confidence is counted in every so many rows."""


@dataclass(frozen=True)
class MadeMap:
    """What `predict_map` knows of a map that is finished; see `MapStatistics`."""

    path: Path
    tile: str
    date: str
    model: str
    version: int
    prediction: str
    height: int
    width: int
    seconds: float
    resumed_rows: int
    class_pixels: dict[str, int]
    nodata_pixels: int


class MapMonitor:
    """Looks at one map: give it to `predict_map`.

    Args:
        folder: Where its statistics are written to; a local path.
        options: How closely to look.

    Attributes:
        path: The file that was written; None before.

    Raises:
        ConfigError: If the folder cannot be made, or is none of this machine's.
    """

    def __init__(self, folder: str | Path, options: MonitorOptions | None = None) -> None:
        if is_remote(str(folder)):
            raise ConfigError(
                f"{folder} is no local path", "a path on this machine", "keep the statistics here, and copy them there"
            )
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{folder} cannot be made: {error.strerror or error}",
                "a folder for the statistics of maps",
                "choose another --monitor",
            ) from error
        self.path: Path | None = None
        self._options = options or MonitorOptions()
        self._bands = BandCounter((), "uint8")
        self._classes = 0
        self._confidence = np.zeros((CONFIDENCE_BINS, 3), np.int64)

    @property
    def mean_confidence(self) -> float | None:
        """Mean probability of the map's class so far, 0 to 1; None where no pixel had one."""
        pixels = int(self._confidence[:, PIXELS].sum())
        return float(self._confidence[:, CONFIDENCE].sum() / MILLION / pixels) if pixels else None

    def begin(self, reader: ImageReader, contract: ModelContract) -> ImageReader:
        """The tile to be read in place of `reader`. A map that is begun again is counted anew."""
        self._bands = BandCounter(contract.bands, contract.dtype)
        self._classes = len(contract.table)
        self._confidence[:] = 0
        return ObservedReader(reader, self._bands, contract.downsample, self._options.row_step)

    def look(self, rows: BlendedRows) -> None:
        """Counts the confidence of some rows."""
        step = self._options.confidence_row_step
        picked = slice(-rows.row % step, None, step)
        ids = rows.class_ids()[picked]
        if not ids.size:
            return
        weights = rows.weights if len(rows.weights) == 1 else rows.weights[picked]
        with np.errstate(invalid="ignore", divide="ignore"):  # pixels that no patch says anything of are not counted
            confidence = rows.sums[:, picked].max(axis=0) / (np.float32(255) * weights)
        np.minimum(confidence, 1, out=confidence)
        # Held against itself: what is right is nobody's question here, and pixels without a class are left out.
        self._confidence += reliability_counts(
            ids, ids, np.where(ids == VOID_ID, np.float32(0), confidence), self._classes, CONFIDENCE_BINS
        )

    def finish(self, made: MadeMap) -> list[str]:
        """Writes the statistics.

        Returns:
            What a reader of the result must know: the map is made, whether its statistics can be kept or not.
        """
        statistics = MapStatistics(
            map=str(made.path),
            tile=made.tile,
            date=made.date,
            time=datetime.now(timezone.utc).isoformat("T", "seconds"),
            model=made.model,
            version=made.version,
            prediction=made.prediction,
            height=made.height,
            width=made.width,
            seconds=made.seconds,
            resumed_rows=made.resumed_rows,
            class_pixels=made.class_pixels,
            nodata_pixels=made.nodata_pixels,
            row_step=self._options.row_step,
            bands=self._bands.histograms(),
            confidence_row_step=self._options.confidence_row_step,
            confidence=tuple(self._confidence[:, PIXELS].tolist()),
            confidence_sum=float(self._confidence[:, CONFIDENCE].sum() / MILLION),
        )
        path = statistics_file(self._folder, made.path, made.version, made.prediction)
        try:
            write_statistics(path, statistics)
        except RasterError as error:
            return [f"the map's statistics are not kept: {error.problem}"]
        self.path = path
        return []

    def was_there(self, path: Path, version: int, prediction: str) -> list[str]:
        """What to say where the map was there already, so that nothing of it was looked at."""
        if statistics_file(self._folder, path, version, prediction).exists():
            return []
        return ["there are no statistics of this map: it was there already (--overwrite makes both anew)"]
