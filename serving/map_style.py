"""The style file that QGIS applies to a map: the classes alone, by name, instead of 256 numbers of a palette."""

import xml.etree.ElementTree as ET
from pathlib import Path

from components.classes import ClassTable


def write_style(path: Path, table: ClassTable) -> None:
    """Writes a `.qml`; QGIS reads it where it lies beside a raster of the same name."""
    root = ET.Element("qgis", version="3.0.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for class_id, entry in enumerate(table.classes):
        color = "#{:02x}{:02x}{:02x}".format(*entry.color)
        ET.SubElement(palette, "paletteEntry", value=str(class_id), color=color, label=entry.name, alpha="255")
    ET.ElementTree(root).write(path, encoding="UTF-8")
