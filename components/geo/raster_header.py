"""What a raster's header says about its bands: which are meant, how they are read, and what marks their holes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags

from components.errors import RasterError
from components.geo.bands import Band

READABLE_DTYPES = ("uint8", "uint16", "int16", "float32")
"""Pixels of these types come back as they are."""

DTYPES_READ_AS_FLOAT32 = ("int8", "int32", "uint32", "int64", "uint64", "float64")
"""Pixels of these types come back as float32, which holds whole numbers up to 2**24 exactly."""

COMPLEX_DTYPES = ("complex_int16", "complex_int32", "complex64", "complex128")
"""Radar amplitudes and phases; read by their modulus, and only where a composite asks for that."""

EIGHT_BIT_DTYPES = ("uint8", "int8")
"""What comes in 8 bits is a picture made of backscatter, stretched, cut off at both ends and often in decibels already:
a logarithm or a speckle filter of it gives numbers, and wrong ones. Radar products hold complex numbers, float32, or
amplitudes in 16 bits (Sentinel-1 GRD, ERS PRI, ALOS mosaics)."""


def band_numbers(path: str, dataset: rasterio.DatasetReader, bands: Sequence[int | str] | None) -> tuple[int, ...]:
    """The numbers of the chosen bands."""
    if not dataset.count:
        raise RasterError(
            f"{path} has no bands of its own ({dataset.driver})",
            "a raster",
            f"name one of its parts: {', '.join(dataset.subdatasets[:3]) or 'none was found'}",
        )
    if bands is None:
        # An alpha band is a mask, not a measurement, unless somebody names it.
        colorinterp = dataset.colorinterp
        return tuple(i for i in dataset.indexes if colorinterp[i - 1] is not ColorInterp.alpha)
    numbers = []
    for band in bands:
        if isinstance(band, int):
            if band not in dataset.indexes:
                raise RasterError(
                    f"{path} has {dataset.count} band(s), not band {band}",
                    f"band numbers from 1 to {dataset.count}",
                    "correct the band numbers of the configuration, or the file",
                )
            numbers.append(band)
            continue
        found = [i for i in dataset.indexes if dataset.descriptions[i - 1] == band]
        if len(found) != 1:
            described = {i: dataset.descriptions[i - 1] for i in dataset.indexes if dataset.descriptions[i - 1]}
            raise RasterError(
                f"{path} has {len(found) or 'no'} band(s) with the description '{band}'",
                "one of " + ", ".join(f"'{text}' (band {i})" for i, text in described.items())
                if described
                else f"a number from 1 to {dataset.count}: the file's bands have no descriptions",
                "correct the description in the configuration, or give the band by its number",
            )
        numbers.append(found[0])
    return tuple(numbers)


def dtype_read(path: str, stored: set[str], modulus: bool) -> str:
    """The dtype that bands stored so are read as."""
    if stored & set(COMPLEX_DTYPES) and not modulus:
        raise RasterError(
            f"{path} has complex pixels ({', '.join(sorted(stored))})",
            "real numbers, or a band that is made of the modulus",
            "write the band as {number: 1, decibel: amplitude} under data.bands",
        )
    unknown = stored - set(READABLE_DTYPES) - set(DTYPES_READ_AS_FLOAT32) - set(COMPLEX_DTYPES)
    if unknown:
        raise RasterError(
            f"{path} has pixels of type {unknown.pop()}",
            " or ".join(READABLE_DTYPES),
            f"convert it: gdal_translate -ot Float32 '{Path(path).name}' converted.tif",
        )
    return next(iter(stored)) if len(stored) == 1 and stored <= set(READABLE_DTYPES) else "float32"


def check_radar(path: str, bands: Sequence[Band], stored: Sequence[str]) -> None:
    """Whether bands can be radar backscatter where the configuration takes decibels of them or filters speckle.

    Args:
        path: The raster's.
        bands: Those that are read from it.
        stored: The dtype of each in the file.

    Raises:
        RasterError: If one is of `EIGHT_BIT_DTYPES`.
    """
    for band, dtype in zip(bands, stored, strict=True):
        if dtype in EIGHT_BIT_DTYPES and (band.despeckle or band.decibel):
            asked = " and ".join(key for key in ("despeckle", "decibel") if getattr(band, key))
            chosen = f"number {band.choice}" if isinstance(band.choice, int) else f"'{band.choice}'"
            raise RasterError(
                f"{path}: band {band.name} ({chosen} in the file) has {dtype} pixels, and the configuration asks for "
                f"{asked}",
                "linear backscatter (float32, amplitudes in 16 bits, or complex): 8 bits hold a picture of it",
                f"take the product itself instead of its picture, or {asked} out of data.bands.{band.name}",
            )


def exact_nodata(dataset: rasterio.DatasetReader, bands: Sequence[int], dtype: str) -> NDArray[Any] | None:
    """The bands' nodata values `(bands, 1, 1)` where comparing pixels with them is exactly GDAL's mask, else None.

    That spares reading the pixels a second time. It holds for whole numbers; GDAL compares floats with a tolerance.
    """
    if np.dtype(dtype).kind not in "iu":
        return None
    limits = np.iinfo(dtype)
    values = []
    for band in bands:
        value = dataset.nodatavals[band - 1]
        if dataset.mask_flag_enums[band - 1] != [MaskFlags.nodata] or value is None:
            return None
        if not float(value).is_integer() or not limits.min <= value <= limits.max:
            return None
        values.append(int(value))
    return np.array(values, dtype)[:, None, None]


def has_mask(dataset: rasterio.DatasetReader, bands: Sequence[int]) -> bool:
    """Whether any chosen band has a mask to honour: nodata, alpha or a mask band.

    An alpha flag is ignored where the "alpha" band is itself among the chosen ones: ISPRS Potsdam tags its infrared
    band so.
    """
    colorinterp = dataset.colorinterp
    alpha_is_chosen = any(colorinterp[band - 1] is ColorInterp.alpha for band in bands)
    for band in bands:
        flags = dataset.mask_flag_enums[band - 1]
        if MaskFlags.all_valid in flags:
            continue
        if MaskFlags.alpha in flags and alpha_is_chosen:
            continue
        return True
    return False


def overlooked_alpha(dataset: rasterio.DatasetReader, bands: Sequence[int]) -> int | None:
    """An alpha band that is not among the chosen ones and of which GDAL makes no mask.

    GDAL does so for the last of 2 or 4 bands of uint8 or uint16 alone; multispectral mosaics of drones have 5 or 6.
    """
    alpha = [i for i in dataset.indexes if dataset.colorinterp[i - 1] is ColorInterp.alpha]
    if len(alpha) != 1 or alpha[0] in bands:
        return None
    unmasked = all(MaskFlags.all_valid in dataset.mask_flag_enums[band - 1] for band in bands)
    return alpha[0] if unmasked else None
