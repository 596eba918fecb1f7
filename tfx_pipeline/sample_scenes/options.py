"""What a sample scene may be asked to be."""

import math

from pydantic import Field

from components.options import Options

# Below this size roof planes, car windows and crowns are still drawn; coarser scenes are drawn fine and averaged.
FINEST_DRAWN_M = 0.25


class SceneOptions(Options):
    """Everything a scene depends on: equal options give equal bytes.

    Attributes:
        seed: Picks the town, its sun and its camera.
        height_px: Rows of the rasters.
        width_px: Columns of the rasters.
        ground_sample_distance_m: Side of a pixel on the ground, in metres.
        west_m: Easting of the upper left corner, in metres of EPSG:25832.
        north_m: Northing of the upper left corner, in metres of EPSG:25832.
    """

    seed: int = Field(default=1, ge=0, lt=2**63)
    height_px: int = Field(default=512, ge=16, le=6000)
    width_px: int = Field(default=512, ge=16, le=6000)
    ground_sample_distance_m: float = Field(default=0.5, ge=0.05, le=1.0)
    west_m: float = Field(default=496_000.0, ge=0.0, le=1_000_000.0)
    north_m: float = Field(default=5_420_000.0, ge=0.0, le=10_000_000.0)

    @property
    def oversampling(self) -> int:
        """Drawn pixels a side of one delivered pixel: a coarse pixel is a mixture, as a sensor's is."""
        return max(1, math.ceil(self.ground_sample_distance_m / FINEST_DRAWN_M - 1e-9))
