"""Where a version comes from, up to the tiles: one document, kept beside the versions and carried in bundles.

It is read from ML Metadata (`tfx_pipeline.version_lineage`) once, for nothing in it changes any more; so it outlives
the metadata, and travels to where there are none.
"""

from typing import Any, Literal

from pydantic import Field, ValidationError

from components.options import Options
from components.publishing.versions import read_provenance
from components.tile_source import TileSource
from serving.versions.registry import Registry, write_whole
from serving.versions.registry_error import RegistryError

LINEAGE_FOLDER = "lineage"


class LineageNode(Options):
    """A step that ran, or what it read or wrote."""

    id: str
    kind: Literal["step", "artifact"]
    name: str
    """`Trainer`, or the artifact's key: `model`."""
    type: str = ""
    """Of an artifact: `Model`, `Examples`."""
    uri: str = ""
    made: str = ""
    """UTC, ISO 8601."""
    properties: dict[str, Any] = Field(default_factory=dict)


class Lineage(Options):
    """Everything that a version was made of."""

    version: int
    model: str
    model_digest: str | None = None
    pipeline: str = ""
    run: str = ""
    """TFX's name of the run that pushed it."""
    pushed: str = ""
    """UTC, ISO 8601."""
    data_fingerprint: str = ""
    """Of the files."""
    records_fingerprint: str = ""
    """Of the records that it was trained on, as the maps' tags carry it (EOSEG_DATA_FINGERPRINT)."""
    config_hash: str = ""
    """Of what decides the training, as the maps' tags carry it (EOSEG_CONFIG_HASH)."""
    code_revision: str = ""
    """Empty where it was not written down."""
    figures: dict[str, float | None] = Field(default_factory=dict)
    """Of the evaluated split; None where absent."""
    evaluated_split: str = ""
    tiles: tuple[TileSource, ...] = ()
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Step -> its parameters."""
    nodes: tuple[LineageNode, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    """From what is read to who reads it, from who writes to what is written."""

    def tiles_of(self, split: str) -> list[TileSource]:
        """The tiles of a split."""
        return [tile for tile in self.tiles if tile.split == split]


def read_lineage(registry: Registry, version: int) -> Lineage | None:
    """What is kept of a version; None where nothing is, or it is of other files under the same number."""
    path = registry.own / LINEAGE_FOLDER / f"{version}.json"
    try:
        lineage = Lineage.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
    folder = registry.version_folder(version)
    if folder.is_dir() and read_provenance(folder).get("model_digest") != lineage.model_digest:
        return None
    return lineage


def write_lineage(registry: Registry, version: int, lineage: Lineage) -> None:
    """Keeps the lineage of a version.

    Raises:
        RegistryError: If it cannot be written.
    """
    write_whole(registry.own / LINEAGE_FOLDER / f"{version}.json", lineage.model_dump_json(indent=1) + "\n")


def keep_lineage(registry: Registry, lineage: Lineage) -> None:
    """As `write_lineage`, where the folder can be written to; who only looks need not be able to."""
    try:
        write_lineage(registry, lineage.version, lineage)
    except RegistryError:
        return
