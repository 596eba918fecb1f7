"""The files that a map comes with on request."""

from pathlib import Path

from components.options import Options
from serving.map_polygons import PolygonOptions


class MapOutputs(Options):
    """Where to write what beside the map; None leaves it out."""

    confidence: Path | None = None
    """GeoTIFF: the blended probability of the map's class in percent, uint8; 255 is nodata."""
    scores: Path | None = None
    """GeoTIFF: every class's blended probability times 254, uint8, a band a class; 255 is nodata."""
    polygons: Path | None = None
    """GeoPackage or GeoJSON of the classes' areas."""
    polygon_options: PolygonOptions = PolygonOptions()
    """Least area, simplification."""
    areas: Path | None = None
    """CSV: pixels, square metres, hectares and share of each class."""
    stac: Path | None = None
    """JSON: a STAC item of the map and these files."""

    @property
    def named(self) -> dict[str, Path]:
        """Those that are wanted, by name."""
        return {name: path for name, path in self if isinstance(path, Path)}
