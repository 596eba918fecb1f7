"""How a tile becomes a map: everything but the model that decides a pixel of it."""

from pydantic import Field, PositiveInt

from components.contract import ModelContract
from components.geo.bands import BandSet
from components.mapping.augmentation import Augment
from components.mapping.patch_axis import Blend
from components.options import Options


class MapOptions(Options):
    """How a tile is cut and put together again."""

    overlap: float = Field(default=0.25, ge=0, lt=0.95)
    """Share of a patch that its neighbour covers again."""
    blend: Blend = "hann"
    """`hann` weighs patches down towards their edges, `flat` takes the mean, `centre` cuts the edges off."""
    augment: Augment = "none"
    """Scores are the mean over the patch and its mirror images: `flips` is 4 of them, `d4` 8 with quarter turns. It
    takes as many times as long."""
    bands: tuple[PositiveInt, ...] | None = None
    """Numbers of the file's bands, in the order of the model's; None takes those that the model was trained on."""
    rasters: dict[str, str] = Field(default_factory=dict)
    """Further rasters that the model's bands are read from, by name."""

    def band_set(self, contract: ModelContract) -> BandSet:
        """Which bands to read: those asked for, else those that the model was trained on, else the file's first."""
        if self.bands is not None:
            return BandSet.of_numbers(self.bands)
        return contract.band_set or BandSet.of_numbers(range(1, len(contract.bands) + 1), contract.bands)
