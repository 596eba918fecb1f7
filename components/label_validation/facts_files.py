"""Facts of tiles as JSON files in a folder that workers and driver share: local, or what TensorFlow can write to."""

import hashlib
import uuid

import tensorflow as tf

from components.file_systems import load_file_system, write_text
from components.label_validation.facts import TileFacts


def write_facts(facts: TileFacts, folder: str) -> str:
    """Writes one tile's facts, whole or not at all, and gives the file's path.

    The name follows from the tile alone, so that a bundle that a runner tries again does no harm.
    """
    path = f"{folder}/{hashlib.sha256(facts.source.tile.encode()).hexdigest()[:32]}.json"
    part = f"{folder}/.{uuid.uuid4().hex}.part"
    write_text(part, facts.model_dump_json())
    tf.io.gfile.rename(part, path, overwrite=True)
    return path


def read_facts(folder: str) -> list[TileFacts]:
    """The facts of all tiles, sorted by tile."""
    load_file_system(folder)
    tiles = []
    for path in tf.io.gfile.glob(f"{folder}/*.json"):
        with tf.io.gfile.GFile(path) as file:
            tiles.append(TileFacts.model_validate_json(file.read()))
    return sorted(tiles, key=lambda facts: facts.source.tile)
