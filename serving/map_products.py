"""What is made of a finished map: polygons, areas, a STAC item."""

from collections.abc import Mapping
from pathlib import Path

from components.classes import ClassTable
from serving.map_areas import write_areas
from serving.map_outputs import MapOutputs
from serving.map_polygons import write_polygons


def write_products(
    map_path: Path, outputs: MapOutputs, table: ClassTable, tags: Mapping[str, str], *, anew: bool
) -> list[str]:
    """Writes those that are wanted, each whole or not at all.

    Args:
        map_path: The finished map.
        outputs: Where to.
        table: The classes.
        tags: The map's, for the STAC item.
        anew: Whether the map is new; else only what is missing is written.

    Returns:
        What a reader of them must know.

    Raises:
        EosegError: If one cannot be written, or the map's coordinate system does not allow for it.
    """
    notes = []
    for name, path in outputs.named.items():
        if not anew and path.exists():
            continue
        if name == "polygons":
            write_polygons(map_path, path, table, outputs.polygon_options)
        elif name == "areas":
            notes.append(write_areas(map_path, path, table).note)
    if outputs.stac is not None and (anew or not outputs.stac.exists()):
        from serving.map_stac import write_stac_item

        assets = {name: path for name, path in outputs.named.items() if name != "stac"}
        write_stac_item(map_path, assets, tags, outputs.stac)
    return [note for note in notes if note]
