"""Which network; apart from the networks themselves, so that a configuration is read without Keras."""

import os
from typing import Any, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from components.options import Options

_OWN_KEYS = {
    "segnet": {"classifier_kernels", "unpooling", "deep_supervision", "fusion", "branches"},
    "unet": {"encoder"},
    "fcn": {"encoder"},
    "pspnet": {"encoder", "output_stride", "deep_supervision"},
    "deeplabv3plus": {"encoder", "output_stride"},
}
"""Keys that some networks have and others have not."""


_Values = TypeVar("_Values", bound=tuple[Any, ...])


def without_repeats(values: _Values, what: str) -> _Values:
    """The values, or a ValueError that names one which is given twice, after `what` they are."""
    repeated = next((value for value in values if values.count(value) > 1), None)
    if repeated is not None:
        raise ValueError(f"the {what} {repeated} is given twice; give each once")
    return values


class Branch(Options):
    """One sensor of a network that joins two."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    """Names its encoder's layers."""
    bands: tuple[str, ...] = Field(min_length=1)
    """Names of its bands, in the order in which the encoder takes them."""

    @field_validator("bands")
    @classmethod
    def _each_once(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        return without_repeats(bands, "band")


class NetworkOptions(Options):
    """Which network, how large, and from which weights it starts.

    Raises:
        pydantic.ValidationError: On unknown keys, wrong values, or keys that the named network does not have.
    """

    name: Literal["segnet", "unet", "fcn", "pspnet", "deeplabv3plus"] = "segnet"
    """Which network."""
    width: float = Field(default=1.0, gt=0, le=4)
    """Multiplies the channels of every convolution but the last; a quarter is about a sixteenth of the work."""
    batch_norm_momentum: float = Field(default=0.9, gt=0, lt=1)
    """Of the moving statistics; Keras' 0.99 is too slow for runs of a few hundred steps."""
    encoder: Literal["resnet50", "mobilenet_v3_large"] | None = None
    """Of unet, fcn, pspnet and deeplabv3plus. None is the paper's: U-Net's own, ResNet-50 for the others. SegNet's is
    always VGG-16's."""
    output_stride: Literal[8, 16, 32] | None = None
    """Of pspnet and deeplabv3plus: pixels of the patch to one of the encoder's last features; beyond it, kernels are
    dilated. None is the paper's: 8 for pspnet, 16 for deeplabv3plus."""
    pretrained: str = "none"
    """`none`: initial weights from the seed. `imagenet`: Keras' weights for the encoder, fetched once. Or the path of a
    file of such weights (`.h5`, `.weights.h5`, `.keras`), or for segnet a `.caffemodel`. `~` and environment variables
    are filled in. Needs width 1."""
    pretrained_bands: dict[str, Literal["red", "green", "blue", "mean"]] | None = None
    """Which channel of those weights each band takes over (bands not named: the mean). None: bands named red, green and
    blue take their own; any other three bands take them in their order; all others the mean."""
    classifier_kernels: tuple[Literal[1, 3, 5, 7, 9], ...] = Field(default=(3,), min_length=1)
    """Of segnet's last convolution; the scores of several are averaged: [3, 5, 7] in Audebert et al. 2016."""
    unpooling: Literal["indices", "nearest"] = "indices"
    """How segnet's decoder enlarges: at the encoder's maxima, or by repeating values (to compare)."""
    deep_supervision: bool = False
    """segnet: predictions at 1/2, 1/4 and 1/8 of the size are added to the full one (with residual correction: none are
    added), and can have losses of their own while training. pspnet: the paper's auxiliary classifier."""
    fusion: Literal["none", "fusenet", "vfusenet", "residual_correction"] = "none"
    """How segnet joins the two sensors of `branches`."""
    branches: tuple[Branch, ...] = ()
    """The bands of each sensor, as `{optical: [infrared, red, green], height: [dsm, ndsm, ndvi]}`; FuseNet's first one
    is its main one."""

    @field_validator("classifier_kernels")
    @classmethod
    def _kernels_each_once(cls, kernels: tuple[int, ...]) -> tuple[int, ...]:
        return without_repeats(kernels, "kernel size")

    @field_validator("branches", mode="before")
    @classmethod
    def _of_a_mapping(cls, branches: Any) -> Any:
        # Kept as a list: JSON on its way to the trainer may sort a mapping, and the first branch is the main one.
        if isinstance(branches, dict):
            return [{"name": name, "bands": bands} for name, bands in branches.items()]
        if not isinstance(branches, (list, tuple)):
            raise ValueError(
                "give two names with their bands, such as {optical: [infrared, red, green], height: [dsm]}"
            )
        return branches

    @model_validator(mode="after")
    def _fits_the_network(self) -> "NetworkOptions":
        for key in sorted(set().union(*_OWN_KEYS.values()) - _OWN_KEYS[self.name]):
            if getattr(self, key) != type(self).model_fields[key].default:
                having = ", ".join(name for name, keys in _OWN_KEYS.items() if key in keys)
                raise ValueError(f"{self.name} has no {key}; it belongs to {having}: remove it, or choose one of these")
        return self

    @model_validator(mode="after")
    def _branches_fit_the_fusion(self) -> "NetworkOptions":
        if self.fusion == "none" and self.branches:
            raise ValueError("branches are given, but no fusion; set fusion, or remove branches")
        names = [branch.name for branch in self.branches]
        if self.fusion != "none" and (len(names) != 2 or names[0] == names[1]):
            raise ValueError(
                f"fusion {self.fusion} joins two sensors; give branches two names with their bands, such as "
                "{optical: [infrared, red, green], height: [dsm]}"
            )
        if "virtual" in names:
            raise ValueError("no branch can be called virtual: that is V-FuseNet's third encoder")
        if "encoder" in names:
            raise ValueError("no branch can be called encoder: that begins the names of other layers; name its sensor")
        return self

    @property
    def pretrained_path(self) -> str:
        """`pretrained`, with `~` and the environment variables of this machine filled in."""
        # Not Path.expanduser, which fails where the name after ~ is no user's.
        return os.path.expanduser(os.path.expandvars(self.pretrained))  # noqa: PTH111

    @model_validator(mode="after")
    def _weights_fit(self) -> "NetworkOptions":
        path = self.pretrained_path
        if path == "none":
            if self.pretrained_bands is not None:
                raise ValueError("pretrained_bands is given, but no pretrained; set pretrained, or remove it")
            return self
        if "://" in path:
            raise ValueError(f"{path} is no local path; fetch the file, and give the path of the copy")
        if self.width != 1:
            raise ValueError(f"pretrained weights are of width 1, not {self.width:g}; set width 1 or pretrained none")
        if self.name == "unet" and self.encoder is None:
            raise ValueError("there are no weights for U-Net's own encoder; set encoder resnet50, or pretrained none")
        if path.endswith(".caffemodel") and (self.name != "segnet" or self.fusion != "none"):
            raise ValueError("a .caffemodel is read for segnet without fusion only")
        return self
