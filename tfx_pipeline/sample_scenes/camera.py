"""The camera: turns reflectance under sun and sky into bytes, with its own exposure, colour cast, blur and noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tfx_pipeline.sample_scenes.noise import smooth_noise
from tfx_pipeline.sample_scenes.painting import Floats

# Skylight over sunlight on open ground, in near infrared, red, green, blue: a clear sky is blue.
_SKY = (0.10, 0.17, 0.23, 0.33)
# Light scattered into the camera on its way up, as reflectance.
_HAZE = (0.004, 0.010, 0.016, 0.028)


@dataclass(frozen=True)
class Camera:
    """One photo's settings.

    Attributes:
        gains: (4,) by band; their common part is the exposure, their differences the colour cast.
        gamma: Exponent's inverse of the tone curve.
        haze: Strength of the haze, 1 for a clear day.
        blur_px: Standard deviation of the point spread, in delivered pixels.
        noise: Standard deviation of the noise, in grey values at mid grey.
    """

    gains: tuple[float, float, float, float]
    gamma: float
    haze: float
    blur_px: float
    noise: float

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "Camera":
        """Settings that differ from photo to photo as those of a survey flight do."""
        exposure = random.normal(0.0, 0.10)
        cast = random.normal(0.0, (0.12, 0.05, 0.03, 0.06))
        gains = tuple(float(gain) for gain in np.exp(exposure + cast))
        return cls(
            (gains[0], gains[1], gains[2], gains[3]),
            float(random.uniform(1.55, 1.9)),
            float(random.uniform(0.6, 2.2)),
            float(random.uniform(0.45, 0.75)),
            float(random.uniform(1.3, 3.0)),
        )


def expose(
    random: np.random.Generator, camera: Camera, reflectance: Floats, direct: Floats, sky: Floats, oversampling: int
) -> NDArray[np.uint8]:
    """Takes the photo.

    Args:
        random: Noise and uneven illumination.
        camera: Its settings.
        reflectance: float32 (4, height, width) of the canvas.
        direct: float32 (height, width), sun on each pixel.
        sky: float32 (height, width), sky over each pixel.
        oversampling: Drawn pixels a side of one delivered pixel.

    Returns:
        uint8 (4, height / oversampling, width / oversampling): near infrared, red, green, blue.
    """
    bands = []
    size = reflectance.shape[1] // oversampling, reflectance.shape[2] // oversampling
    uneven = 1 + np.float32(0.035) * smooth_noise(random, size, max(size) / 1.5)
    for band in range(4):
        light = (direct + np.float32(_SKY[band]) * sky) / np.float32(1 + _SKY[band])
        radiance = average(reflectance[band] * light, oversampling) * uneven
        radiance = radiance * np.float32(camera.gains[band]) + np.float32(camera.haze * _HAZE[band])
        radiance = gaussian_filter(radiance, camera.blur_px)
        # Full white at a reflectance of 0.62 in visible light; near infrared is exposed for vegetation.
        tone = np.power(np.clip(radiance / np.float32(0.62), 0, 2), np.float32(1 / camera.gamma))
        # A soft shoulder instead of clipping: highlights of metal roofs keep some structure.
        tone = np.where(tone > 0.8, 0.8 + 0.2 * np.tanh((tone - 0.8) / 0.2), tone)
        # Photon noise grows with the root of the signal; interpolating the sensor's mosaic makes it a little smooth.
        noise = gaussian_filter(random.standard_normal(size, dtype=np.float32), 0.5) * np.float32(1.9)
        grey = 255 * tone + np.float32(camera.noise) * noise * np.sqrt(0.4 + 1.2 * tone)
        bands.append(np.clip(np.rint(grey), 0, 255).astype(np.uint8))
    return np.stack(bands)


def average(field: Floats, factor: int) -> Floats:
    """Means of factor x factor squares: float32 (height / factor, width / factor)."""
    if factor == 1:
        return field
    height, width = field.shape[0] // factor, field.shape[1] // factor
    squares = field.reshape(height, factor, width, factor)
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float32), np.float32)
