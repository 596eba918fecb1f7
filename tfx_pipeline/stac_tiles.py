"""A STAC item collection as the list of tiles.

Each item is a tile: its id, an image and a label asset, and its date. Only the file is read, no link is followed.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from components.errors import ConfigError, MissingFileError
from components.tile_source import SPLITS
from tfx_pipeline.data_options import ListedTile, StacOptions
from tfx_pipeline.tile_root import join

if TYPE_CHECKING:
    import pystac


def read_stac(path: Path, options: StacOptions) -> list[ListedTile]:
    """The tiles of an item collection; relative hrefs of assets count from the file's folder.

    Args:
        path: The JSON file.
        options: Which asset is what.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it is no item collection, or an item lacks an asset or has an unknown split.
    """
    return [_listed(path, item, options) for item in read_items(path)]


def read_items(path: Path) -> "list[pystac.Item]":
    """The items of a collection in a file.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it is no item collection.
    """
    import pystac

    if not path.is_file():
        raise MissingFileError(f"the item collection {path} does not exist", "a JSON file", "correct data.stac.items")
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or not pystac.ItemCollection.is_item_collection(document):
            kind = document.get("type") if isinstance(document, dict) else type(document).__name__
            raise ConfigError(
                f"{path} is no STAC item collection (its type is {kind})",
                "a FeatureCollection whose features are STAC items",
                "save a search's items (pystac_client: search.item_collection().save_object(...))",
            )
        return list(pystac.ItemCollection.from_dict(document))
    except (ValueError, KeyError, TypeError, pystac.STACError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} cannot be read as STAC: {error}", "an item collection", "correct it") from error


def asset_place(path: Path, href: str) -> str:
    """Where an asset lies; relative ones count from the folder of the collection's file."""
    return join(str(path.parent), url2pathname(urlsplit(href).path) if href.startswith("file:") else href)


def _listed(path: Path, item: "pystac.Item", options: StacOptions) -> ListedTile:
    def href(asset: str) -> str:
        if asset not in item.assets:
            raise ConfigError(
                f"item {item.id} of {path} has no asset '{asset}'; it has {', '.join(item.assets) or 'none'}",
                "each asset that data.stac names, in every item",
                "correct data.stac, or leave the item out (data.exclude does not help: take it out of the file)",
            )
        return asset_place(path, item.assets[asset].href)

    split = item.properties.get(options.split_property) if options.split_property else None
    if split is not None and split not in SPLITS:
        raise ConfigError(
            f"item {item.id} of {path} has the split {split!r} ({options.split_property})",
            " or ".join(SPLITS),
            "correct the property",
        )
    moment = item.datetime or item.common_metadata.start_datetime
    masks = {name: href(asset) for name, asset in options.mask_assets.items()}
    return ListedTile(
        tile=item.id,
        image=href(options.image_asset),
        label="" if masks else href(options.label_asset or "labels"),
        masks=masks,
        rasters={name: href(asset) for name, asset in options.raster_assets.items()},
        ignore=href(options.ignore_asset) if options.ignore_asset else "",
        date=moment.isoformat() if moment else "",
        split=split,
    )
