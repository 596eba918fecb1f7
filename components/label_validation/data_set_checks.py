"""Checks of what only shows over all tiles: facts in, findings out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from components.classes import ClassTable
from components.geo.raster import Georeference, Grid
from components.label_validation.facts import PartFacts, TileFacts
from components.label_validation.findings import Finding, finding_of
from components.label_validation.options import ValidationOptions
from components.splits.leakage import Leak, find_leaks, footprint_of
from components.tile_source import SPLITS


def check_splits(tiles: Sequence[TileFacts], table: ClassTable, options: ValidationOptions) -> list[Finding]:
    """`empty-split`, `class-absent`, `imbalance`."""
    findings = []
    parts = [part for facts in tiles for part in facts.parts]
    for split in SPLITS:
        members = [part for part in parts if part.source.split == split]
        if split != "test" and not members:
            findings.append(
                finding_of(
                    "empty-split",
                    None,
                    found=f"split {split} has no tile",
                    expected="at least one tile in train and in eval",
                    remedy=f"list tiles under splits.{split}",
                )
            )
        tallies = [part.tally for part in members if part.tally is not None]
        if not members or len(tallies) < len(members):
            continue
        totals = [sum(tally.by_class[i] for tally in tallies) for i in range(len(table))]
        if not any(totals):
            findings.append(_nothing_labelled(split, members))
            continue
        for name, total in zip(table.names, totals, strict=True):
            if total == 0:
                findings.append(
                    finding_of(
                        "class-absent",
                        None,
                        severity="error" if split == "train" else "warning",
                        found=f"class {name} has no pixel in split {split}",
                        expected="every class in every split",
                        remedy=f"move a tile that holds {name} into {split}, or take the class out of `classes`",
                    )
                )
        if split == "train" and min(totals) and max(totals) / min(totals) > options.max_imbalance:
            rarest = table.names[totals.index(min(totals))]
            most_frequent = table.names[totals.index(max(totals))]
            findings.append(
                finding_of(
                    "imbalance",
                    None,
                    found=f"class {most_frequent} has {max(totals) / min(totals):,.0f} times the training pixels of "
                    f"{rarest}",
                    expected=f"at most {options.max_imbalance:,.0f} times (validation.max_imbalance)",
                    remedy=f"add tiles with {rarest}, or merge it into another class",
                )
            )
    return findings


def check_duplicates(tiles: Sequence[TileFacts]) -> list[Finding]:
    """`duplicate-tile`, `duplicate-label`: the same pixels twice, whatever the files are called and packed like.

    Blank images are equal without being copies, and so are labels of one class. Ground blocks of one tile are not
    compared with each other: a roof may well repeat.
    """
    findings = []
    images = _groups((facts.image_digest, facts) for facts in tiles if not facts.is_blank)
    for members in images:
        first = members[0]
        for other in members[1:]:
            # Against a member of another split, where there is one: that is what must be said.
            twins = [member for member in members if member is not other]
            twin = next((twin for twin in twins if _are_of_several_splits(twin, other)), first)
            across = _are_of_several_splits(twin, other)
            findings.append(
                finding_of(
                    "duplicate-tile",
                    other.source,
                    severity="error" if across else "warning",
                    file=other.source.image,
                    found=f"the image ({', '.join(other.splits)}) has the same pixels as that of tile "
                    f"{twin.source.tile} ({', '.join(twin.splits)})",
                    expected="every image once: a copy in another split is evaluated on what was trained on"
                    if across
                    else "every image once: a copy counts twice",
                    remedy="leave one of the two out (`exclude`)",
                    other_tile=twin.source.tile,
                )
            )
    labels = _groups(
        (facts.label_digest, facts)
        for facts in tiles
        if facts.tally is not None and sum(n > 0 for n in facts.tally.by_class) > 1
    )
    for members in labels:
        first = members[0]
        for other in members[1:]:
            if other.image_digest == first.image_digest:
                continue
            findings.append(
                finding_of(
                    "duplicate-label",
                    other.source,
                    file=other.source.label_files[0],
                    found=f"the label has the same pixels as that of tile {first.source.tile}, whose image is another",
                    expected="a label of its own for every image",
                    remedy="find the right label for one of the two",
                    other_tile=first.source.tile,
                )
            )
    return findings


def _are_of_several_splits(one: TileFacts, other: TileFacts) -> bool:
    return len({*one.splits, *other.splits}) > 1


def _nothing_labelled(split: str, members: Sequence[PartFacts]) -> Finding:
    """One finding instead of one a class: moving tiles would not help."""
    area = next((part.source.area_of_interest for part in members if part.source.area_of_interest), "")
    remedy = "check whether the labels say what the configuration expects (classes, void, labels)"
    if area:
        remedy = f"check that {area} (data.area_of_interest) covers labelled ground, in the coordinate system it says"
    return finding_of(
        "class-absent",
        None,
        severity="error" if split == "train" else "warning",
        file=area,
        found=f"no tile of split {split} has a pixel of any class: all is void"
        + (" or outside the area of interest" if area else ""),
        expected="every class in every split",
        remedy=remedy,
    )


def _groups(keyed: Iterable[tuple[str, TileFacts]]) -> list[list[TileFacts]]:
    groups: dict[str, list[TileFacts]] = defaultdict(list)
    for key, facts in keyed:
        if key:
            groups[key].append(facts)
    return [members for members in groups.values() if len(members) > 1]


def check_ignored(tiles: Sequence[TileFacts], options: ValidationOptions) -> list[Finding]:
    """`ignore-share`: whether the eroded truths mark anything. A single tile or block may well have no border in it."""
    shares = [facts.ignored_share for facts in tiles if facts.ignored_share is not None]
    share = float(np.mean(shares)) if shares else 0.5
    if 0 < share <= options.max_void_share:
        return []
    return [
        finding_of(
            "ignore-share",
            None,
            file=next(facts.source.ignore for facts in tiles if facts.ignored_share is not None),
            found=f"the eroded truths of {len(shares)} tile(s) leave out {share:.1%} of the pixels",
            expected=f"more than nothing and at most {options.max_void_share:.1%} (validation.max_void_share)",
            remedy="say by labels.ignore.value how they mark pixels that do not count (default: 0 in all bands)",
        )
    ]


def check_uniformity(tiles: Sequence[TileFacts], options: ValidationOptions) -> list[Finding]:
    """`mixed-dtype`, `mixed-crs`, `resolution-mismatch` between tiles."""
    findings = []
    dtypes = Counter(facts.dtype for facts in tiles if facts.dtype)
    if len(dtypes) > 1:
        most = dtypes.most_common(1)[0][0]
        findings += [
            finding_of(
                "mixed-dtype",
                facts.source,
                file=facts.source.image,
                found=f"the pixels are {facts.dtype}, those of {dtypes[most]} other tile(s) {most}",
                expected="one dtype in all tiles: records of one data set have one form",
                remedy=f"convert it, with the scaling of the others (gdal_translate -ot {most} -scale ...)",
            )
            for facts in tiles
            if facts.dtype and facts.dtype != most
        ]
    systems = Counter(facts.image.crs for facts in tiles if facts.image is not None)
    if len(systems) > 1:
        listing = ", ".join(f"{name} ({count} tile(s))" for name, count in systems.most_common())
        findings.append(
            finding_of(
                "mixed-crs",
                None,
                found=f"tiles have different coordinate systems: {listing}",
                expected="nothing else, where tiles come from several zones",
                remedy="nothing; maps come in the system of their tile",
            )
        )
    sizes = {facts.source.tile: max(facts.image.pixel_size_m) for facts in tiles
             if facts.image is not None and facts.image.pixel_size_m}  # fmt: skip
    if sizes:
        median = float(np.median(list(sizes.values())))
        for facts in tiles:
            size = sizes.get(facts.source.tile, median)
            if max(size / median, median / size) > options.max_resolution_ratio:
                findings.append(
                    finding_of(
                        "resolution-mismatch",
                        facts.source,
                        file=facts.source.image,
                        found=f"a pixel is {size:.3g} m on the ground, {median:.3g} m in the median of the tiles",
                        expected=f"a factor of at most {options.max_resolution_ratio:g} "
                        "(validation.max_resolution_ratio)",
                        remedy="warp the tile to the others' resolution (gdalwarp -r average -tr ...), or leave it out",
                    )
                )
    return findings


def check_ground(tiles: Sequence[TileFacts]) -> list[Finding]:
    """`ground-overlap`: pairs of tiles of different splits that share ground, each pair once.

    Ground blocks are compared block by block; of those of two tiles, the pair that shares most is named.
    """
    whole_of = {part.source.tile: facts.source for facts in tiles for part in facts.parts}
    footprints = [
        footprint_of(
            part.source,
            Grid(facts.image.height, facts.image.width, Georeference(facts.image.affine, facts.image.wkt)),
        )
        for facts in tiles
        if facts.image is not None
        for part in facts.parts
    ]
    by_pair: dict[frozenset[str], list[Leak]] = defaultdict(list)
    for leak in find_leaks(footprints):
        by_pair[frozenset((whole_of[leak.tile].tile, whole_of[leak.other_tile].tile))].append(leak)
    findings = []
    for leaks in by_pair.values():
        leak = max(leaks, key=lambda leak: leak.overlap)
        source, other = whole_of[leak.tile], whole_of[leak.other_tile]
        others = f", and {len(leaks) - 1} more pair(s) of their ground blocks do" if len(leaks) > 1 else ""
        findings.append(
            finding_of(
                "ground-overlap",
                source,
                file=source.image,
                found=f"{leak}{others}",
                expected="no ground in two splits: what is trained on must not be evaluated on",
                remedy="put both tiles into one split, leave one out (`exclude`), or crop it",
                place="" if leak.tile == source.tile else f"block {leak.tile.removeprefix(f'{source.tile}/')}",
                other_tile=other.tile,
            )
        )
    return findings
