"""Reads the file of zones before anything is computed: a wrong one would show only after the training."""

import shapely

from components.errors import ConfigError, EosegError
from components.geo.label_options import VectorLabels
from components.geo.vector_file import VectorFile
from components.geo.vector_shapes import POLYGON, simple_parts
from components.geo.zones import ZoneOptions

_KEYS = {
    "data.labels": "evaluation.zones.file",
    "labels.attribute": "evaluation.zones.attribute",
    "labels.layer": "evaluation.zones.layer",
    "labels.crs": "evaluation.zones.crs",
}
"""Zones are read as vector labels are, whose messages name these keys."""


def check_zones(options: ZoneOptions) -> None:
    """Refuses a file that cannot be read, has not the attribute, or holds no polygon.

    Raises:
        ConfigError: Naming the file and the key of `evaluation.zones`.
    """
    labels = VectorLabels(kind="vectors", attribute=options.attribute, layer=options.layer, crs=options.crs)
    try:
        parts, _ = simple_parts(VectorFile(options.file, labels).read(None, "").geometries)
    except EosegError as error:
        raise ConfigError(*(_renamed(text) for text in (error.problem, error.expected, error.remedy))) from error
    if not (shapely.get_type_id(parts) == POLYGON).any():
        raise ConfigError(
            f"{options.file} holds no polygon", "the zones' outlines", "correct evaluation.zones.file or .layer"
        )


def _renamed(text: str) -> str:
    for theirs, ours in _KEYS.items():
        text = text.replace(theirs, ours)
    return text
