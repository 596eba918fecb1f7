"""Any raster as float32 with NaN for its holes, written as GDAL's virtual raster: what the warper is given."""

import xml.sax.saxutils
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from affine import Affine

from components.geo.geotiff import RasterReader
from components.geo.paths import gdal_path, is_remote


def float_bands(source: RasterReader, crs: Any, transform: Affine) -> str:
    """A virtual raster of the chosen bands in float32, NaN where nodata, alpha or a mask band says invalid.

    So the warper meets one kind of hole, whatever the file has, and one kind of number: of complex ones the modulus.
    """
    path = gdal_path(source.path)
    path = path if is_remote(source.path) else str(Path(path).absolute())
    numbers: Sequence[int] = source.bands
    if source.alpha is not None:
        path, numbers = _with_alpha_as_mask(path, source, source.alpha), range(1, source.band_count + 1)
    kind, subclass, use_mask = "ComplexSource", "", ""
    modulus = ""
    if source.is_complex:
        kind, subclass = "SimpleSource", ' subClass="VRTDerivedRasterBand"'
        modulus = "<PixelFunctionType>mod</PixelFunctionType><SourceTransferType>CFloat32</SourceTransferType>"
    elif source.mask_is_honoured:
        use_mask = "<UseMaskBand>true</UseMaskBand>"
    bands = "".join(
        f'<VRTRasterBand dataType="Float32" band="{i}"{subclass}><NoDataValue>nan</NoDataValue>{modulus}<{kind}>'
        f"{_source_of(path, band)}{use_mask}</{kind}></VRTRasterBand>"
        for i, band in enumerate(numbers, 1)
    )
    return (
        f'<VRTDataset rasterXSize="{source.width}" rasterYSize="{source.height}">'
        f"<SRS>{xml.sax.saxutils.escape(crs.to_wkt())}</SRS>"
        f"<GeoTransform>{','.join(repr(float(number)) for number in transform.to_gdal())}</GeoTransform>"
        f"{bands}</VRTDataset>"
    )


def _with_alpha_as_mask(path: str, source: RasterReader, alpha: int) -> str:
    """A virtual raster of the chosen bands, in float32, whose mask is the alpha band."""
    bands = "".join(
        f'<VRTRasterBand dataType="Float32" band="{i}"><SimpleSource>{_source_of(path, band)}</SimpleSource>'
        "</VRTRasterBand>"
        for i, band in enumerate(source.bands, 1)
    )
    return (
        f'<VRTDataset rasterXSize="{source.width}" rasterYSize="{source.height}">{bands}<MaskBand>'
        f'<VRTRasterBand dataType="Byte"><SimpleSource>{_source_of(path, alpha)}</SimpleSource></VRTRasterBand>'
        "</MaskBand></VRTDataset>"
    )


def _source_of(path: str, band: int) -> str:
    name = xml.sax.saxutils.escape(path)
    return f'<SourceFilename relativeToVRT="0">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
