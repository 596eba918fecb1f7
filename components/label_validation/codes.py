"""The codes a finding can have: what each one means and how bad it is unless the configuration says otherwise."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Code(NamedTuple):
    """One kind of finding: its severity by default, and its meaning in one line."""

    severity: Severity
    meaning: str


CODES: dict[str, Code] = {
    # One tile's files
    "missing-file": Code("error", "a file is not there"),
    "unreadable": Code("error", "a raster cannot be opened, or breaks off in the middle"),
    "unusable-label": Code("error", "the label has not the form that the configuration says"),
    "unusable": Code("error", "the tile cannot be used for another reason"),
    # Image against label
    "label-size": Code("error", "label and image differ in height or width"),
    "label-crs": Code("error", "label and image have different coordinate systems"),
    "label-place": Code("error", "label and image lie apart on the ground"),
    "resolution-mismatch": Code("warning", "pixel sizes differ: label from image, or tile from the other tiles"),
    "resampled-raster": Code("info", "a raster is resampled onto the grid of the image"),
    "label-shift": Code("warning", "the label's edges fit the image clearly better once the label is moved"),
    # One tile's label
    "off-palette": Code("error", "pixels of a colour or value that is in no class"),
    "void-share": Code("warning", "most of the label is void"),
    "ignore-share": Code("warning", "the eroded truth leaves out nothing, or nearly everything"),
    # One tile's image
    "blank-image": Code("error", "the image is constant, or nearly all nodata"),
    "clipped-image": Code("warning", "many pixels have a band's lowest or highest value"),
    # Between tiles
    "duplicate-tile": Code("error", "two tiles have the same image; within one split a warning"),
    "duplicate-label": Code("warning", "two different images have the same label"),
    "ground-overlap": Code("error", "tiles of two splits share ground"),
    "mixed-dtype": Code("error", "tiles have different dtypes"),
    "mixed-crs": Code("info", "tiles have different coordinate systems"),
    "band-drift": Code("warning", "a tile's, split's or date's band mean is far away from the others'"),
    "class-colours-contradict": Code("warning", "a class looks in one tile as another class does in the others"),
    "class-colours-collapse": Code("warning", "a tile's classes do not differ as they do in the other tiles"),
    # The data set
    "empty-split": Code("error", "train or eval has no tile"),
    "class-absent": Code("error", "a class has no pixel in a split; outside train a warning"),
    "imbalance": Code("warning", "the most frequent class outnumbers the rarest too far"),
}
