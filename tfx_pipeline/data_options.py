"""The key `data` of a configuration: where the tiles are, what their bands are, which split each belongs to."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag, field_validator, model_validator

from components.geo.bands import IMAGE, Band, BandSet, Despeckle
from components.options import Options
from components.splits.ground_blocks import BlockOptions
from components.tile_source import Split
from tfx_pipeline.tile_dates import iso_date
from tfx_pipeline.tile_fields import fields_of

REST = "rest"

SplitRule = Literal["rest"] | float | tuple[str, ...]


class BandChoice(Options):
    """How one band is made: read from a raster by number or description, or derived from other bands."""

    raster: str = IMAGE
    """The raster it is read from: `image`, or a name of `data.rasters`."""
    number: PositiveInt | None = None
    """Band number in that raster, from 1. Give one of `number`, `description` and `expression`."""
    description: str | None = None
    """The band's description (name) in the file, instead of its number."""
    expression: str | None = None
    """Arithmetic over the names of other bands: `(nir - red) / (nir + red)`."""
    despeckle: Despeckle | None = None
    """Of radar: filters speckle; None leaves it."""
    decibel: Literal["intensity", "amplitude"] | None = None
    """Of radar: 10 log10 of an intensity, or 20 log10 of an amplitude; None takes the file's numbers."""
    recorded: bool = True
    """False: only there for expressions, the network does not see it."""


def _form_of_band(choice: object) -> str | None:
    """Which of the three forms is meant, so that a mistake in one is not reported for all."""
    forms: dict[type, str] = {int: "number", str: "expression", dict: "BandChoice", BandChoice: "BandChoice"}
    return forms.get(type(choice))


AnyBand = Annotated[
    Annotated[int, Tag("number")] | Annotated[str, Tag("expression")] | Annotated[BandChoice, Tag("BandChoice")],
    Discriminator(
        _form_of_band,
        custom_error_type="no_band",
        custom_error_message="a band is a number, an expression, or a mapping ({raster: ..., number: ...})",
    ),
]


class ListedTile(Options):
    """One tile of a list; relative paths are below `data.root`.

    Raises:
        pydantic.ValidationError: On both or neither of `label` and `masks`, or on a date that is none.
    """

    tile: str = Field(min_length=1)
    """The tile's id."""
    image: str = Field(min_length=1)
    """File of the image."""
    label: str = ""
    """File of the label; or give `masks`."""
    masks: dict[str, str] = Field(default_factory=dict)
    """Class name -> file of its binary raster."""
    rasters: dict[str, str] = Field(default_factory=dict)
    """Raster name -> file: further rasters of the same ground."""
    ignore: str = ""
    """File of a raster that marks what the eroded truth leaves out."""
    date: str = ""
    """When the image was taken: `2021-07-15`."""
    split: Split | None = None
    """None leaves it to `data.splits` or `data.blocks`."""

    @field_validator("tile", mode="before")
    @classmethod
    def _id_is_text(cls, tile: object) -> object:
        return str(tile) if isinstance(tile, int) else tile

    @field_validator("date", mode="before")
    @classmethod
    def _iso(cls, date: object) -> str:
        return iso_date(str(date))

    @model_validator(mode="after")
    def _one_truth(self) -> "ListedTile":
        if bool(self.label) == bool(self.masks):
            raise ValueError(f"tile {self.tile} has {'both' if self.label else 'neither'} of label and masks; give one")
        if IMAGE in self.rasters:
            raise ValueError(f"tile {self.tile}: the raster '{IMAGE}' is what the key `image` names")
        return self


class StacOptions(Options):
    """A STAC item collection as the list of tiles: each item is a tile, its id the tile's id."""

    items: str
    """A JSON file: a FeatureCollection of items. It is read as it is; links are not followed."""
    image_asset: str = "image"
    """The asset key of the image."""
    label_asset: str | None = None
    """The asset key of the labels; None takes `labels`, or `mask_assets` where these are given."""
    mask_assets: dict[str, str] = Field(default_factory=dict)
    """Class name -> asset key, for labels that are binary rasters."""
    raster_assets: dict[str, str] = Field(default_factory=dict)
    """Raster name -> asset key."""
    ignore_asset: str | None = None
    """The asset key of rasters that mark what the eroded truth leaves out."""
    split_property: str | None = None
    """The property that holds the split; items without it are left to `data.splits`."""

    @model_validator(mode="after")
    def _one_truth(self) -> "StacOptions":
        if self.label_asset and self.mask_assets:
            raise ValueError("give either label_asset or mask_assets")
        return self


class DataOptions(Options):
    """Where the tiles are and which split each belongs to.

    One of four says which tiles there are: `images` with `labels` are patterns below `root`, where `{name}` stands for
    one or more characters without `/` and all other patterns are filled with what the image's matched; `tiles` lists
    them; `list` is a CSV or Parquet file that does; `stac` an item collection.

    One of three says which split each is in: `splits`, `blocks`, or the list itself.

    Raises:
        pydantic.ValidationError: On none or several of these, or patterns that do not fit together.
    """

    root: str = "."
    """A folder, a bucket with a prefix (`s3://bucket/prefix`), or an archive (`/vsizip/tiles.zip`)."""
    images: str | None = None
    """A pattern below `root`: `{tile}/image.tif`. `{name}` stands for one or more characters without `/`."""
    labels: str | dict[str, str] | None = None
    """A pattern, or a pattern for each class (binary masks). Without a field it is one file for all tiles."""
    rasters: dict[str, str] = Field(default_factory=dict)
    """Raster name -> pattern: further rasters of the same ground."""
    ignore: str | None = None
    """Pattern of rasters that mark what the eroded truth leaves out."""
    area_of_interest: str | None = None
    """A vector file for all tiles: what lies outside its polygons has no truth."""
    date: str | None = None
    """Made of the fields of `images`: `{year}-{month}-{day}`."""
    tile_id: str = "{tile}"
    """How a tile is called, made of the fields of `images`."""
    tiles: tuple[ListedTile, ...] = ()
    """The tiles one by one, instead of patterns."""
    list: str | None = None
    """A CSV or Parquet file that lists the tiles."""
    stac: StacOptions | None = None
    """A STAC item collection that lists the tiles."""
    splits: dict[Split, SplitRule] = Field(default_factory=dict)
    """Tile ids, or shell patterns of them, for each split, where `rest` takes what no other split does; or the share of
    all tiles that each split gets."""
    blocks: BlockOptions | None = None
    """Cuts every tile into blocks and deals these to the splits."""
    split_registry: str | None = None
    """A JSON file, relative to the current directory, that freezes which split each tile or block is in."""
    exclude: tuple[str, ...] = ()
    """Tile ids or patterns that are left out altogether."""
    bands: dict[str, AnyBand] = Field(min_length=1)
    """Band names, in record order, each with its number in the image (from 1), an expression over other bands, or a
    mapping with the keys of one band."""

    @field_validator("splits", mode="before")
    @classmethod
    def _ids_are_text(cls, splits: object) -> object:
        # YAML reads `train: [1, 3]` as numbers; tile ids are text.
        if isinstance(splits, dict):
            wrong = next(
                (s for s, rule in splits.items() if not isinstance(rule, list | tuple | float) and rule != REST), None
            )
            if wrong is not None:
                raise ValueError(f"{wrong} is '{splits[wrong]}'; write a list of tile ids, a share (0.7), or rest")
            return {split: _texts(tiles) for split, tiles in splits.items()}
        return splits

    @field_validator("exclude", mode="before")
    @classmethod
    def _excluded_ids_are_text(cls, exclude: object) -> object:
        return _texts(exclude)

    @field_validator("split_registry")
    @classmethod
    def _registry_is_local(cls, path: str | None) -> str | None:
        if path and ("://" in path or path.startswith("/vsi")):
            raise ValueError("the registry is a local file, to be kept under version control")
        return path

    @field_validator("bands")
    @classmethod
    def _numbered_from_one(cls, bands: dict[str, int | str | BandChoice]) -> dict[str, int | str | BandChoice]:
        for name, choice in bands.items():
            if isinstance(choice, int) and choice < 1:
                raise ValueError(f"band {name} has number {choice}; numbers start at 1")
        return bands

    @property
    def band_set(self) -> BandSet:
        """The bands, each as what it is made of."""
        return BandSet(bands=tuple(_band(name, choice) for name, choice in self.bands.items()))

    @property
    def shares(self) -> dict[Split, float]:
        """The share of each split; empty where `splits` names tiles."""
        return {split: rule for split, rule in self.splits.items() if isinstance(rule, float)}

    @property
    def patterns(self) -> dict[Split, tuple[str, ...]]:
        """The ids and patterns of each split, without `rest`."""
        return {split: rule for split, rule in self.splits.items() if isinstance(rule, tuple)}

    def check_labels(self, kind: str, class_names: tuple[str, ...]) -> None:
        """Whether these labels can be of a kind (`labels.kind`) and of these classes.

        Raises:
            ValueError: If not.
        """
        masks = _mask_names(self)
        if masks is None:
            return
        if masks and any(tile.label for tile in self.tiles):
            raise ValueError("some tiles have a label, others masks; a data set has labels of one kind")
        if masks and kind != "masks":
            raise ValueError(f"data gives a mask for each class, but labels.kind is {kind}; expected masks")
        if not masks and kind == "masks":
            raise ValueError("labels.kind is masks, so data must map class names to files (data.labels as a mapping)")
        unknown = sorted(masks - set(class_names))
        if unknown:
            raise ValueError(f"a mask is named {unknown[0]}, which is no class; classes are {', '.join(class_names)}")
        one_file = isinstance(self.labels, str) and not fields_of(self.labels)
        if one_file and kind != "vectors" and fields_of(self.images or ""):
            raise ValueError(f"data.labels ({self.labels}) names no field: all tiles would share one label raster")

    @model_validator(mode="after")
    def _bands_fit_together(self) -> "DataOptions":
        self.band_set  # noqa: B018 raises
        return self

    @model_validator(mode="after")
    def _one_source(self) -> "DataOptions":
        given = [key for key in ("images", "tiles", "list", "stac") if getattr(self, key)]
        if len(given) != 1:
            raise ValueError(
                "give one of `images` with `labels` (patterns), `tiles` (a list), `list` (a CSV or Parquet file) and "
                f"`stac` (an item collection); received {' and '.join(given) or 'none'}"
            )
        if not self.images:
            useless = [key for key in ("labels", "rasters", "ignore", "date") if getattr(self, key)]
            if useless:
                raise ValueError(f"`{useless[0]}` goes with `images`; with `{given[0]}`, each tile names its own")
        return self

    @model_validator(mode="after")
    def _patterns_fit_together(self) -> "DataOptions":
        if not self.images:
            return self
        if not self.labels:
            raise ValueError("`images` is a pattern, so `labels` must be one too")
        if IMAGE in self.rasters:
            raise ValueError(f"rasters.{IMAGE} is what `images` names; give further rasters other names")
        labels = self.labels if isinstance(self.labels, dict) else {"": self.labels}
        patterns = {
            "tile_id": self.tile_id,
            "ignore": self.ignore or "",
            "date": self.date or "",
            **{f"labels.{name}".rstrip("."): pattern for name, pattern in labels.items()},
            **{f"rasters.{name}": pattern for name, pattern in self.rasters.items()},
        }
        for key, pattern in patterns.items():
            unknown = sorted(fields_of(pattern) - fields_of(self.images))
            if unknown:
                raise ValueError(f"{key} uses {{{unknown[0]}}}, which `images` ({self.images}) does not name")
        return self

    @model_validator(mode="after")
    def _one_rule(self) -> "DataOptions":
        if self.blocks is not None:
            if self.splits:
                raise ValueError("`blocks` deals every tile's blocks to the splits; take `splits` out, or `blocks`")
            if any(tile.split for tile in self.tiles):
                raise ValueError("`blocks` deals every tile's blocks to the splits; listed tiles have no split then")
        elif self.images and not self.splits:
            raise ValueError("`splits` must say which tiles are for train and which for eval")
        if sum(rule == REST for rule in self.splits.values()) > 1:
            raise ValueError("only one split can take the `rest`")
        shares = self.shares
        if shares and len(shares) < len(self.splits):
            raise ValueError("`splits` gives shares to some splits and tiles to others; one or the other")
        if shares and (min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6):
            raise ValueError(f"shares are above 0 and sum to 1; these sum to {sum(shares.values()):g}")
        return self

    @model_validator(mode="after")
    def _no_useless_raster(self) -> "DataOptions":
        # What is written beside the bands and read by none was forgotten there. A list in a file may know more rasters
        # than one configuration wants: `tfx_pipeline.tiles` passes them over, and says so.
        named = {
            "rasters": list(self.rasters),
            "stac.raster_assets": list(self.stac.raster_assets if self.stac else ()),
            "tiles": [name for tile in self.tiles for name in tile.rasters],
        }
        read = self.band_set.rasters
        for key, names in named.items():
            useless = next((name for name in names if name not in read), None)
            if useless is not None:
                raise ValueError(
                    f"`{key}` names the raster '{useless}', which no band is read from; add a band to `bands` "
                    f"({useless}: {{raster: {useless}, number: 1}}), or take the raster out"
                )
        return self


def _mask_names(options: DataOptions) -> set[str] | None:
    """The classes that masks are given for; empty where labels are no masks, None where a file has yet to tell."""
    if options.stac is not None:
        return set(options.stac.mask_assets)
    if options.list is not None:
        return None
    if options.tiles:
        return {name for tile in options.tiles for name in tile.masks}
    return set(options.labels) if isinstance(options.labels, dict) else set()


def _texts(values: object) -> object:
    if isinstance(values, list | tuple):
        return [str(value) if isinstance(value, int) else value for value in values]
    return values


def _band(name: str, choice: int | str | BandChoice) -> Band:
    if isinstance(choice, int):
        return Band(name=name, number=choice)
    if isinstance(choice, str):
        return Band(name=name, expression=choice)
    return Band(name=name, **dict(choice))
