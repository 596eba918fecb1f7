"""Checks of one tile's image: whether it shows anything, and in full."""

from components.geo.bands import IMAGE
from components.label_validation.facts import BandFacts, TileFacts
from components.label_validation.findings import Finding, finding_of
from components.label_validation.options import ValidationOptions
from components.tile_source import TileSource

LEAST_LEVELS = 16
"""A band of fewer steps between its lowest and highest value holds something else than brightness: most of its pixels
have one of the two without being clipped."""


def check_image(facts: TileFacts, options: ValidationOptions) -> list[Finding]:
    """`blank-image`, `clipped-image`: whether the image shows anything, and in full."""
    source = facts.source
    if facts.valid_share is None:
        return []
    nodata = 1 - facts.valid_share
    if facts.is_blank or nodata > options.max_nodata_share:
        if nodata > options.max_nodata_share:
            found = f"{nodata:.2%} of the image is nodata"
        else:
            values = ", ".join(f"{band.name} {band.low:g}" for band in facts.bands)
            found = f"every pixel of the image has the same value ({values})"
        return [
            finding_of(
                "blank-image",
                source,
                file=source.image,
                found=found,
                expected=f"an image with at most {options.max_nodata_share:.2%} nodata (validation.max_nodata_share)",
                remedy="deliver the tile again, check the declared nodata value and what data.bands derives, or leave "
                "the tile out (`exclude`)",
            )
        ]
    whole_numbers = not facts.dtype.startswith(("float", "complex"))
    findings = []
    for band in facts.bands:
        if band.high - band.low < (LEAST_LEVELS if whole_numbers else 0) or band.high == band.low:
            continue
        # A float band may well end at its lowest value: heights above ground, distances, probabilities.
        ends = [("highest", band.share_high, band.high)] + [("lowest", band.share_low, band.low)] * whole_numbers
        for end, share, value in ends:
            if share > options.max_clipped_share:
                findings.append(
                    finding_of(
                        "clipped-image",
                        source,
                        file=source.all_rasters[band.rasters[0]],
                        found=f"{share:.1%} of the valid pixels of {_named(band)} have its {end} value, {value:g}",
                        expected=f"at most {options.max_clipped_share:.1%} (validation.max_clipped_share)",
                        remedy=_remedy_for_clipping(source, band, value),
                    )
                )
    return findings


def _named(band: BandFacts) -> str:
    """The band, with the rasters that it comes from where that is not simply the image."""
    if band.rasters == (IMAGE,) and band.as_stored:
        return f"band {band.name}"
    made = "of" if band.as_stored else "made of"
    return f"band {band.name} ({made} the {_rasters(band)})"


def _rasters(band: BandFacts) -> str:
    return " and the ".join(name if name == IMAGE else f"raster {name}" for name in band.rasters)


def _remedy_for_clipping(source: TileSource, band: BandFacts, value: float) -> str:
    files = ", ".join(source.all_rasters[name] for name in band.rasters)
    if band.as_stored:
        return (
            f"deliver {files} without clipping; if {value:g} stands for nodata there, declare it "
            f"(gdal_edit.py -a_nodata {value:g} FILE)"
        )
    return (
        f"check what data.bands.{band.name} makes of {files}: an expression that clips, or nodata there that is not "
        "declared, ends in one number"
    )
