"""Tile lists in files: CSV (separated by commas, semicolons or tabs) and Parquet.

Columns: `tile`, `image`, and `label` or a `mask:CLASS` for each class; if wanted `split`, `date`, `ignore`, and
`raster:NAME` for further rasters. Empty cells are as if the column were not there; other columns are passed over.
"""

import csv
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.data_options import ListedTile

COLUMNS = ("tile", "image", "label", "split", "date", "ignore")
PREFIXES = {"raster:": "rasters", "mask:": "masks"}

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
"""A spreadsheet writes semicolons where the comma is the country's decimal sign."""


def read_tile_list(path: Path) -> list[ListedTile]:
    """The tiles that a file lists, in its order; paths as they are written.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it is no list of tiles; the message names the row.
    """
    header, rows = read_cells(path)
    _check_header(path, header)
    listed = [_listed(path, place, row) for place, row in rows]
    if not listed:
        raise ConfigError(f"the tile list {path} has no row", "one row a tile", "correct the file or data.list")
    return listed


def read_cells(path: Path) -> tuple[list[str], list[tuple[str, dict[str, Any]]]]:
    """The columns that a file has, and of each row where it stands, in words, with the cells of the known columns.

    Raises:
        MissingFileError, ConfigError: As `read_tile_list`.
    """
    if not path.is_file():
        raise MissingFileError(f"the tile list {path} does not exist", "a CSV or Parquet file", "correct data.list")
    return _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)


def _csv(path: Path) -> tuple[list[str], list[tuple[str, dict[str, Any]]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = _separator(file.readline())
            file.seek(0)
            reader = csv.DictReader(file, strict=True, delimiter=separator)
            header = list(reader.fieldnames or [])
            rows = [(f"line {reader.line_num}", row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read as CSV: {error}",
            "UTF-8 with a header, separated by commas, semicolons or tabs",
            "correct the file",
        ) from error
    uneven = next((place for place, row in rows if None in row or None in row.values()), None)
    if uneven is not None:
        raise ConfigError(
            f"{path}, {uneven}: not as many cells as the header has",
            f"{len(header)} cells, separated by {SEPARATORS[separator]}s like the header",
            f"quote cells that hold a {SEPARATORS[separator]}",
        )
    return header, rows


def _separator(header: str) -> str:
    """What separates the columns: that by which the header has the most names that are known. The comma wins a tie."""
    names = {separator: next(csv.reader([header], delimiter=separator), []) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: sum(map(_is_known, names[separator])))


def _parquet(path: Path) -> tuple[list[str], list[tuple[str, dict[str, Any]]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            header = list(file.schema_arrow.names)
            table = file.read([name for name in header if _is_known(name)])
    except (pyarrow.ArrowException, OSError) as error:
        raise ConfigError(
            f"{path} cannot be read as Parquet: {error}", "a Parquet file", "write it anew, or as CSV"
        ) from error
    return header, [(f"row {i + 1}", row) for i, row in enumerate(table.to_pylist())]


def _check_header(path: Path, header: list[str]) -> None:
    truth = "label" in header or any(name.startswith("mask:") for name in header)
    missing = [name for name in ("tile", "image") if name not in header] + ([] if truth else ["label"])
    if missing:
        raise ConfigError(
            f"{path} has no column {missing[0]}; its columns are {', '.join(header) or 'none'}",
            f"columns {', '.join(COLUMNS)}, raster:NAME, mask:CLASS; in CSV separated by commas, semicolons or tabs",
            "separate the file by commas: its header is one single cell" if len(header) == 1 else "correct the header",
        )
    for name in header:
        # A column of the archive's own is welcome, a misspelt one would silently be without effect.
        close = difflib.get_close_matches(name, [known for known in COLUMNS if known not in header], cutoff=0.8)
        if not _is_known(name) and close:
            raise ConfigError(
                f"{path} has a column '{name}', which looks like '{close[0]}'", f"'{close[0]}'", "rename the column"
            )


def _is_known(name: str) -> bool:
    return name in COLUMNS or name.startswith(tuple(PREFIXES))


def _listed(path: Path, place: str, row: dict[str, Any]) -> ListedTile:
    values: dict[str, Any] = {}
    for name, cell in row.items():
        text = cell_text(cell)
        if not text or not _is_known(name):
            continue
        prefix, _, of = name.partition(":")
        if of:
            values.setdefault(PREFIXES[f"{prefix}:"], {})[of] = text
        else:
            values[name] = text
    try:
        return ListedTile.model_validate(values)
    except ValidationError as error:
        raise ConfigError(
            "\n".join([f"{path}, {place} cannot be used:", *_explained(error)]),
            "a tile's id, its image and its label, and a split of train, eval or test",
            "correct the row",
        ) from error


def cell_text(cell: Any) -> str:
    """What a cell says, empty where it says nothing."""
    if cell is None or cell != cell:  # NaN is how pandas writes an empty cell
        return ""
    return str(cell.isoformat() if hasattr(cell, "isoformat") else cell).strip()


def _explained(error: ValidationError) -> Iterable[str]:
    for item in error.errors():
        key = ".".join(map(str, item["loc"]))
        message = item["msg"].removeprefix("Value error, ")
        yield f"  {key}: {message}" if key else f"  {message}"
