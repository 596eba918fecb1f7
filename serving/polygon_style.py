"""The style that QGIS gives a layer of polygons: each class in its colour, by its name."""

import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

from components.classes import ClassTable, Color

CLASS_FIELD = "class_id"


def hex_color(color: Color) -> str:
    """`#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def polygon_style(table: ClassTable) -> str:
    """QGIS' style document (QML) for polygons with the class number in the field `class_id`."""
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ET.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr=CLASS_FIELD, symbollevels="0", enableorderby="0"
    )
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for class_id, entry in enumerate(table.classes):
        ET.SubElement(
            categories, "category", value=str(class_id), symbol=str(class_id), label=entry.name, render="true"
        )
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=str(class_id), alpha="1", clip_to_extent="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0", "locked": "0"})
        options = ET.SubElement(layer, "Option", type="Map")
        color = ",".join(map(str, (*entry.color, 255)))
        # A hairline in the same colour: fills without one leave light lines between neighbours when edges are smoothed.
        for name, value in (
            ("color", color),
            ("style", "solid"),
            ("outline_color", color),
            ("outline_style", "solid"),
            ("outline_width", "0.1"),
            ("outline_width_unit", "MM"),
        ):
            ET.SubElement(options, "Option", name=name, value=value, type="QString")
    return ET.tostring(root, encoding="unicode")


def add_style(geopackage: Path, layer: str, table: ClassTable) -> None:
    """Puts the style into a GeoPackage, in the table that QGIS looks for it.

    Raises:
        sqlite3.Error: If it cannot be written.
    """
    with closing(sqlite3.connect(geopackage)) as database, database:
        database.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), "
            "f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), "
            "styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), "
            "update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"
        )
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, '')",
            (layer, layer, polygon_style(table), "the classes' colours"),
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', 0)"
        )
