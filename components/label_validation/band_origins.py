"""Which rasters a band comes from, so that a finding about a band names the file to look at."""

from typing import NamedTuple

from components.geo.bands import BandSet


class BandOrigin(NamedTuple):
    """A recorded band.

    Attributes:
        name: Of the band.
        rasters: Names of the rasters that it is read or derived from.
        as_stored: Whether its numbers are those in the raster.
    """

    name: str
    rasters: tuple[str, ...]
    as_stored: bool


def origins_of(bands: BandSet) -> tuple[BandOrigin, ...]:
    """The recorded bands, in record order."""
    expressions = bands.expressions
    rasters: dict[str, tuple[str, ...]] = {band.name: (band.raster,) for band in bands.bands if band.expression is None}
    for name, expression in expressions.items():  # each after those that it uses
        rasters[name] = tuple(dict.fromkeys(raster for used in expression.names for raster in rasters[used]))
    return tuple(
        BandOrigin(band.name, rasters[band.name], band.name not in expressions and not (band.decibel or band.despeckle))
        for band in bands.bands
        if band.recorded
    )
