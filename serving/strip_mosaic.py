"""Strips of a raster, files of their own, as one Cloud-Optimised GeoTIFF.

GDAL's COG driver only copies: it writes the overviews and the index before the pixels. So it is given a virtual raster
(VRT) over the strips, and nothing is ever held twice but on disk.
"""

import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import rasterio
from rasterio import shutil as raster_copy
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from components.geo.class_geotiff import BLOCK, COMPRESSION
from components.geo.raster import Grid
from serving.map_layers import Layer


def write_vrt(path: Path, strips: Mapping[int, Path], grid: Grid, layer: Layer, tags: Mapping[str, str]) -> None:
    """Writes the virtual raster.

    Args:
        path: The `.vrt`.
        strips: First row -> file of the strip, in the same folder.
        grid: Of the whole raster.
        layer: What it holds.
        tags: For the dataset, beside the layer's own.
    """
    root = ET.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    if grid.georeference.crs:
        # Without an axis mapping the data's axes are east, north, as in every raster file, whatever the authority says.
        ET.SubElement(root, "SRS").text = grid.georeference.crs
    if not grid.georeference.transform.is_identity:
        ET.SubElement(root, "GeoTransform").text = ", ".join(map(repr, grid.georeference.transform.to_gdal()))
    metadata = ET.SubElement(root, "Metadata")
    for key, value in {**dict(layer.tags), **tags}.items():
        ET.SubElement(metadata, "MDI", key=key).text = value
    tops = sorted(strips)
    for number, description in enumerate(layer.descriptions, 1):
        band = ET.SubElement(
            root,
            "VRTRasterBand",
            dataType="Byte",
            band=str(number),
            blockXSize=str(BLOCK),
            blockYSize=str(BLOCK),
        )
        ET.SubElement(band, "Description").text = description
        ET.SubElement(band, "NoDataValue").text = str(layer.nodata)
        if layer.palette:
            ET.SubElement(band, "ColorInterp").text = "Palette"
            entries = ET.SubElement(band, "ColorTable")
            for red, green, blue, alpha in layer.palette:
                ET.SubElement(entries, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4=str(alpha))
        else:
            ET.SubElement(band, "ColorInterp").text = "Gray" if len(layer.descriptions) == 1 else "Undefined"
        if layer.scale != 1:
            ET.SubElement(band, "Scale").text = repr(layer.scale)
        if layer.categories:
            names = ET.SubElement(band, "CategoryNames")
            for category in layer.categories:
                ET.SubElement(names, "Category").text = category
        for top, bottom in zip(tops, (*tops[1:], grid.height), strict=True):
            source = ET.SubElement(band, "SimpleSource")
            ET.SubElement(source, "SourceFilename", relativeToVRT="1").text = strips[top].name
            ET.SubElement(source, "SourceBand").text = str(number)
            width, height = str(grid.width), str(bottom - top)
            ET.SubElement(source, "SrcRect", xOff="0", yOff="0", xSize=width, ySize=height)
            ET.SubElement(source, "DstRect", xOff="0", yOff=str(top), xSize=width, ySize=height)
    ET.ElementTree(root).write(path, encoding="UTF-8")


def write_cog(vrt: Path, path: Path, overviews: str) -> None:
    """Copies a raster as a Cloud-Optimised GeoTIFF with overviews, in bounded memory.

    Args:
        vrt: What to copy.
        path: The file to write; a `.aux.xml` beside it gets the names of the values.
        overviews: GDAL's name of the resampling. A class number is never an average of others.

    Raises:
        rasterio.errors.RasterioError: If it cannot be written.
    """
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            raster_copy.copy(
                vrt,
                path,
                driver="COG",
                blocksize=BLOCK,
                overview_resampling=overviews,
                overviews="IGNORE_EXISTING",
                bigtiff="IF_SAFER",
                num_threads="ALL_CPUS",
                **COMPRESSION,
            )
        except (CPLE_BaseError, SystemError) as error:
            # GDAL's own errors come through as they are, and as SystemError where a thread of GDAL's kept the reason.
            raise RasterioIOError(f"{vrt} cannot be copied to {path}: {error}") from error
