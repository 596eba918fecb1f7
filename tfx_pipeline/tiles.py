"""Which tiles a configuration names: patterns over folders, explicit lists, splits."""

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.errors import ConfigError, DataError, MissingFileError
from components.geo.bands import IMAGE, Band, BandSet, Despeckle
from components.options import Options
from components.tile_source import SPLITS, Split, TileSource

REST = "rest"

_FIELD = re.compile(r"\{(\w+)\}")


class BandChoice(Options):
    """How one band is made; the keys of `components.geo.bands.Band` without its name."""

    raster: str = IMAGE
    number: int | None = None
    description: str | None = None
    expression: str | None = None
    despeckle: Despeckle | None = None
    decibel: Literal["intensity", "amplitude"] | None = None
    recorded: bool = True


class ListedTile(Options):
    """One tile of an explicit list; paths are relative to `data.root`."""

    tile: str = Field(min_length=1)
    image: str
    label: str
    split: Split


class DataOptions(Options):
    """Where the tiles are and which split each belongs to.

    Either `tiles` lists them, or `images` and `labels` are patterns below `root`: `{name}` stands for one or more
    characters without `/`, and the label's pattern is filled with what the image's matched. `tile_id` is made of the
    same names.

    Raises:
        pydantic.ValidationError: On neither or both of list and patterns, or patterns that do not fit together.
    """

    root: str = "."
    images: str | None = None
    labels: str | None = None
    tile_id: str = "{tile}"
    tiles: tuple[ListedTile, ...] = ()
    splits: dict[Split, Literal["rest"] | tuple[str, ...]] = Field(default_factory=dict)
    """Tile ids, or shell patterns of them, for each split; `rest` takes what no other split does."""
    exclude: tuple[str, ...] = ()
    """Tile ids or patterns that are left out altogether."""
    bands: dict[str, int | str | BandChoice] = Field(min_length=1)
    """Band names, in record order, each with its number in the image (from 1), an expression over other bands, or a
    `BandChoice`."""

    @field_validator("splits", mode="before")
    @classmethod
    def _ids_are_text(cls, splits: object) -> object:
        # YAML reads `train: [1, 3]` as numbers; tile ids are text.
        if isinstance(splits, dict):
            return {
                split: [str(tile) if isinstance(tile, int) else tile for tile in tiles]
                if isinstance(tiles, list)
                else tiles
                for split, tiles in splits.items()
            }
        return splits

    @field_validator("exclude", mode="before")
    @classmethod
    def _excluded_ids_are_text(cls, exclude: object) -> object:
        return [str(tile) for tile in exclude] if isinstance(exclude, list) else exclude

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

    @model_validator(mode="after")
    def _bands_fit_together(self) -> "DataOptions":
        self.band_set  # noqa: B018 raises
        return self

    @model_validator(mode="after")
    def _list_or_patterns(self) -> "DataOptions":
        if bool(self.tiles) == bool(self.images):
            raise ValueError("give either `tiles` (a list) or `images` and `labels` (patterns), not both and not none")
        if self.images:
            if not self.labels:
                raise ValueError("`images` is a pattern, so `labels` must be one too")
            names = set(_FIELD.findall(self.images))
            for key, pattern in (("labels", self.labels), ("tile_id", self.tile_id)):
                unknown = set(_FIELD.findall(pattern)) - names
                if unknown:
                    raise ValueError(f"{key} uses {{{unknown.pop()}}}, which `images` ({self.images}) does not name")
            if not self.splits:
                raise ValueError("`splits` must say which tiles are for train and which for eval")
        if sum(patterns == REST for patterns in self.splits.values()) > 1:
            raise ValueError("only one split can take the `rest`")
        return self


def _band(name: str, choice: int | str | BandChoice) -> Band:
    if isinstance(choice, int):
        return Band(name=name, number=choice)
    if isinstance(choice, str):
        return Band(name=name, expression=choice)
    return Band(name=name, **dict(choice))


def find_tiles(options: DataOptions) -> list[TileSource]:
    """The tiles of a data set, sorted by split (train, eval, test), then by id.

    Raises:
        MissingFileError: If the root or a label is not there, or no image matches.
        ConfigError: If two files give one tile id, or a tile is in no split or in two.
        DataError: If train or eval has no tile.
    """
    root = Path(os.path.expandvars(options.root)).expanduser()
    if not root.is_dir():
        raise MissingFileError(
            f"{root} is no folder (data.root is '{options.root}')",
            "the folder that holds the tiles",
            "give it with --set data.root=FOLDER, or set the environment variable that data.root names",
        )
    if options.tiles:
        found = [
            TileSource(tile=t.tile, image=str(root / t.image), label=str(root / t.label), split=t.split)
            for t in options.tiles
        ]
        twice = next((t.tile for i, t in enumerate(found) if any(t.tile == u.tile for u in found[:i])), None)
        if twice is not None:
            raise ConfigError(f"tile {twice} is listed twice", "one entry a tile", "correct data.tiles")
    else:
        found = _match(options, root)
    for source in found:
        for kind, path in (("image", source.image), ("label", source.label)):
            if not Path(path).is_file():
                raise MissingFileError(
                    f"tile {source.tile} has no {kind}: {path} does not exist",
                    f"a {kind} for every tile",
                    f"add the file, correct data.{kind}s, or leave the tile out (data.exclude)",
                )
    for split in ("train", "eval"):
        if not any(source.split == split for source in found):
            raise DataError(
                f"split {split} has no tile (of {len(found)} tiles below {root})",
                "at least one tile in train and one in eval",
                f"list tiles under data.splits.{split}",
            )
    return sorted(found, key=lambda source: (SPLITS.index(source.split), source.tile))


def _match(options: DataOptions, root: Path) -> list[TileSource]:
    images, labels = options.images or "", options.labels or ""
    shape = _as_regex(images)
    sources: list[TileSource] = []
    by_id: dict[str, str] = {}
    unlisted = []
    for image in sorted(_glob(root, images)):
        match = shape.fullmatch(image.relative_to(root).as_posix())
        if match is None:
            continue
        fields = match.groupdict()
        tile = options.tile_id.format(**fields)
        if _matches(tile, options.exclude):
            continue
        if tile in by_id:
            raise ConfigError(
                f"two images have the tile id '{tile}': {by_id[tile]} and {image}",
                "one image a tile id",
                f"make data.tile_id ('{options.tile_id}') use all names of data.images ('{images}')",
            )
        by_id[tile] = str(image)
        split = _split_of(tile, options)
        if split is None:
            unlisted.append(tile)
            continue
        sources.append(TileSource(tile=tile, image=str(image), label=str(root / labels.format(**fields)), split=split))
    if not by_id:
        raise MissingFileError(
            f"no image below {root} matches '{images}'", "at least one image", "correct data.root or data.images"
        )
    if unlisted:
        raise ConfigError(
            f"{len(unlisted)} tile(s) are in no split: {', '.join(unlisted[:10])}",
            "every tile in a split or in data.exclude",
            "list them under data.splits (one split may say `rest`) or under data.exclude",
        )
    _refuse_unmatched(options, by_id)
    return sources


def _refuse_unmatched(options: DataOptions, tiles: Iterable[str]) -> None:
    """A tile id in a split that no image has is a typing error, or a missing file: never pass over it in silence."""
    tiles = list(tiles)
    for split, patterns in options.splits.items():
        for pattern in () if patterns == REST else patterns:
            if not any(_matches(tile, [pattern]) for tile in tiles):
                raise MissingFileError(
                    f"data.splits.{split} names '{pattern}', but no image matches it",
                    f"one of the tiles found: {', '.join(sorted(tiles)[:10])}",
                    "add the image, or take the id out of the split",
                )


def _split_of(tile: str, options: DataOptions) -> Split | None:
    members = [split for split, patterns in options.splits.items() if patterns != REST and _matches(tile, patterns)]
    if len(members) > 1:
        raise ConfigError(
            f"tile {tile} is in the splits {' and '.join(members)}",
            "one split a tile: what is trained on must not be evaluated on",
            "correct data.splits",
        )
    rest = [split for split, patterns in options.splits.items() if patterns == REST]
    return next(iter(members or rest), None)


def _matches(tile: str, patterns: Sequence[str]) -> bool:
    return any(tile == pattern or fnmatch.fnmatchcase(tile, pattern) for pattern in patterns)


def _as_regex(pattern: str) -> re.Pattern[str]:
    parts = []
    seen: set[str] = set()
    position = 0
    for match in _FIELD.finditer(pattern):
        parts.append(re.escape(pattern[position : match.start()]))
        name = match.group(1)
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
        seen.add(name)
        position = match.end()
    return re.compile("".join(parts) + re.escape(pattern[position:]))


def _glob(root: Path, pattern: str) -> Iterable[Path]:
    return root.glob("".join("*" if i % 2 else _glob_escape(part) for i, part in enumerate(_FIELD.split(pattern))))


def _glob_escape(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)
