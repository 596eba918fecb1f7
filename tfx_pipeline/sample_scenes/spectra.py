"""What the materials of a town look like: their reflectance in near infrared, red, green and blue.

The numbers are rounded from what the USGS and ECOSTRESS spectral libraries show for such materials around 830, 660,
560 and 480 nm; weathering and mixture make the ranges of real towns wide, hence `tinted`.
"""

import numpy as np
from numpy.typing import NDArray

Reflectance = NDArray[np.float32]
"""float32 (4,) or (4, height, width): near infrared, red, green, blue; 0 to 1."""

SPECTRA: dict[str, tuple[float, float, float, float]] = {
    # Sealed ground
    "asphalt": (0.175, 0.150, 0.145, 0.138),
    "worn asphalt": (0.240, 0.215, 0.205, 0.190),
    "fresh asphalt": (0.095, 0.085, 0.085, 0.085),
    "paving": (0.310, 0.285, 0.265, 0.235),
    "red paving": (0.300, 0.260, 0.190, 0.150),
    "concrete": (0.390, 0.370, 0.350, 0.320),
    "gravel": (0.360, 0.325, 0.290, 0.240),
    "marking": (0.640, 0.640, 0.630, 0.610),
    "kerb": (0.360, 0.345, 0.330, 0.310),
    # Roofs
    "red tile": (0.330, 0.270, 0.130, 0.090),
    "orange tile": (0.410, 0.360, 0.200, 0.120),
    "brown tile": (0.230, 0.170, 0.110, 0.085),
    "old tile": (0.280, 0.210, 0.150, 0.115),
    "slate": (0.120, 0.110, 0.115, 0.125),
    "grey sheet": (0.300, 0.300, 0.300, 0.300),
    "bright metal": (0.560, 0.570, 0.570, 0.570),
    "blue metal": (0.300, 0.160, 0.230, 0.340),
    "green copper": (0.300, 0.220, 0.310, 0.270),
    "bitumen": (0.110, 0.100, 0.098, 0.095),
    "roof gravel": (0.300, 0.280, 0.255, 0.220),
    "white membrane": (0.640, 0.660, 0.650, 0.620),
    "green roof": (0.370, 0.130, 0.135, 0.075),
    "sedum roof": (0.300, 0.190, 0.135, 0.090),
    "solar": (0.085, 0.040, 0.048, 0.085),
    "glass": (0.160, 0.150, 0.170, 0.190),
    # Growing ground
    "lush grass": (0.520, 0.070, 0.115, 0.045),
    "lawn": (0.430, 0.095, 0.130, 0.062),
    "meadow": (0.380, 0.135, 0.145, 0.075),
    "dry grass": (0.330, 0.245, 0.205, 0.125),
    "bare soil": (0.290, 0.220, 0.165, 0.110),
    "dark soil": (0.190, 0.130, 0.100, 0.075),
    "sandy soil": (0.390, 0.330, 0.265, 0.185),
    "crop": (0.480, 0.060, 0.090, 0.040),
    "stubble": (0.400, 0.330, 0.260, 0.160),
    "hedge": (0.420, 0.055, 0.085, 0.040),
    # Crowns
    "broadleaf": (0.470, 0.055, 0.092, 0.036),
    "bright broadleaf": (0.520, 0.095, 0.135, 0.045),
    "dark broadleaf": (0.380, 0.040, 0.066, 0.032),
    "conifer": (0.260, 0.038, 0.055, 0.032),
    "copper beech": (0.340, 0.090, 0.055, 0.045),
    "autumn": (0.390, 0.230, 0.150, 0.050),
    "thin crown": (0.260, 0.165, 0.140, 0.090),
    # Everything else
    "pool water": (0.070, 0.180, 0.480, 0.570),
    "pond water": (0.030, 0.055, 0.075, 0.060),
    "red clay": (0.380, 0.330, 0.175, 0.115),
    "green hard court": (0.190, 0.130, 0.215, 0.150),
    "blue hard court": (0.210, 0.130, 0.190, 0.330),
    "play sand": (0.480, 0.440, 0.370, 0.270),
    "rubble": (0.340, 0.310, 0.275, 0.230),
}


def spectrum(name: str) -> Reflectance:
    """The reflectance of a material, float32 (4,)."""
    return np.array(SPECTRA[name], np.float32)


def tinted(random: np.random.Generator, name: str, brightness: float = 0.12, hue: float = 0.04) -> Reflectance:
    """One object's own reflectance, float32 (4,): the material's, varied in brightness and, less, band by band.

    Args:
        random: Where the variation comes from.
        name: A key of `SPECTRA`.
        brightness: Relative deviation that all bands share.
        hue: Relative deviation of each band by itself.
    """
    factor = np.exp(random.normal(0.0, brightness) + random.normal(0.0, hue, 4))
    return np.asarray(np.clip(spectrum(name) * factor, 0.01, 0.95), np.float32)
