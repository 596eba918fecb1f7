"""Opens a tile's labels, whatever form they have, as class ids on the image's grid."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property

from components.classes import ClassTable, ColorDecoder
from components.errors import LabelError
from components.geo.aligned_raster import AlignedRaster
from components.geo.class_names import id_of
from components.geo.color_labels import ColorLabelReader
from components.geo.geotiff import open_raster
from components.geo.index_labels import IndexLabelReader, ids_of_values
from components.geo.label_options import ColorLabels, IndexLabels, LabelOptions, MaskLabels, VectorLabels
from components.geo.label_reader import IgnoreReader, LabelReader
from components.geo.mask_labels import MaskLabelReader
from components.geo.raster import Grid
from components.tile_source import TileSource

__all__ = ["LabelDecoder", "LabelReader"]


class LabelDecoder:
    """Opens the labels of one data set; keeps what is costly to build (the colour table, the tile's geometries).

    Args:
        table: The classes.
        options: What form the labels have; None is colours, strict.

    Raises:
        ConfigError: If the options name a class that is not in the table.
    """

    def __init__(self, table: ClassTable, options: LabelOptions | None = None) -> None:
        self._table = table
        self._options: LabelOptions = options or ColorLabels()
        match self._options:
            case IndexLabels():
                self._ids = ids_of_values(self._options, table)
            case MaskLabels():
                self._background = id_of(self._options.background, table, "labels.background")
            case VectorLabels():
                from components.geo.vector_labels import VectorSource  # shapely: only vectors need it

                self._vectors = VectorSource(self._options, table)

    def __reduce__(self) -> tuple[type["LabelDecoder"], tuple[ClassTable, LabelOptions]]:
        return LabelDecoder, (self._table, self._options)  # what is costly to build is costly to send, too

    @cached_property
    def _color_decoder(self) -> ColorDecoder:
        tolerance = self._options.tolerance if isinstance(self._options, ColorLabels) else 0
        return ColorDecoder(self._table, tolerance)

    @contextmanager
    def open(self, source: TileSource, grid: Grid) -> Iterator[LabelReader]:
        """Opens a tile's labels on the grid of its image.

        A label raster on another grid is opened all the same, so that a validator can say what is wrong; unless
        `resample` is set, its pixels are then read one to one, and windows beyond it are refused.

        Args:
            source: The tile.
            grid: The image's grid.

        Raises:
            LabelError: If the labels have another form than the options say, or cannot be brought onto the grid.
            MissingFileError, RasterError: As `open_raster`.
        """
        with self._open_whole(source, grid) as labels:
            if source.area_of_interest:
                from components.geo.area_of_interest import InsideReader, open_area  # shapely: only vectors need it

                yield InsideReader(labels, open_area(source.area_of_interest, grid))
            else:
                yield labels

    @contextmanager
    def _open_whole(self, source: TileSource, grid: Grid) -> Iterator[LabelReader]:
        options = self._options
        with ExitStack() as stack:
            resample = not isinstance(options, VectorLabels) and options.resample
            ignore = None
            if source.ignore:
                aligned = AlignedRaster(stack.enter_context(open_raster(source.ignore)), grid, resample)
                ignore = IgnoreReader(aligned, options.ignore)
            if isinstance(options, MaskLabels):
                yield self._open_masks(stack, source, grid, options, ignore)
                return
            if not source.label:
                raise LabelError(
                    f"tile {source.tile} has no label file",
                    f"a label for labels.kind: {options.kind}",
                    "name it under data.labels; for one mask a class set labels: {kind: masks}",
                )
            if isinstance(options, VectorLabels):
                yield self._vectors.open(source, grid, ignore)
                return
            aligned = AlignedRaster(stack.enter_context(open_raster(source.label)), grid, resample)
            if isinstance(options, IndexLabels):
                yield IndexLabelReader(aligned, grid, self._ids, ignore)
            else:
                yield ColorLabelReader(aligned, grid, self._color_decoder, self._table, ignore)

    def _open_masks(
        self, stack: ExitStack, source: TileSource, grid: Grid, options: MaskLabels, ignore: IgnoreReader | None
    ) -> LabelReader:
        if not source.masks:
            raise LabelError(
                f"tile {source.tile} has no masks",
                "one binary raster a class (labels.kind: masks)",
                "map class names to patterns under data.labels: {roof: masks/{tile}_roof.tif, ...}",
            )
        masks = []
        for name, path in source.masks.items():
            class_id = id_of(name, self._table, "data.labels")
            masks.append((class_id, AlignedRaster(stack.enter_context(open_raster(path)), grid, options.resample)))
        first = masks[0][1].raster
        for _, mask in masks[1:]:
            raster = mask.raster
            if not options.resample and (
                (raster.height, raster.width) != (first.height, first.width)
                or not raster.georeference.transform.almost_equals(first.georeference.transform)
            ):
                raise LabelError(
                    f"{raster.path} ({raster.height} x {raster.width} pixels) lies on another grid than {first.path} "
                    f"({first.height} x {first.width})",
                    "all masks of a tile on one grid",
                    "warp it by nearest neighbour, or set labels.resample: true",
                )
        return MaskLabelReader(masks, grid, self._table, self._background, options.overlap, ignore)
