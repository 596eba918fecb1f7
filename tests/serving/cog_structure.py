"""A small reader of TIFF's structure, independent of GDAL: are the rules of a Cloud-Optimised GeoTIFF kept?

The rules (cogeo.org, GDAL's `validate_cloud_optimized_geotiff.py`): tiled; overviews in the same file, each smaller
than the one before; every directory before every pixel; pixels of the overviews before those of the full resolution.
"""

import struct
from pathlib import Path
from typing import NamedTuple

WIDTH, HEIGHT, TILE_WIDTH, TILE_OFFSETS, SUBFILE_TYPE = 256, 257, 322, 324, 254
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 12: 8, 13: 4, 16: 8, 17: 8}
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}


class Directory(NamedTuple):
    offset: int
    tags: dict[int, tuple[int, ...]]


def directories(path: Path) -> list[Directory]:
    content = path.read_bytes()
    order = {b"II": "<", b"MM": ">"}[content[:2]]
    is_big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
    at, word, entry, inline = (8, "Q", 20, 8) if is_big else (4, "I", 12, 4)
    found = []
    offset = struct.unpack_from(order + word, content, at)[0]
    while offset:
        head = "Q" if is_big else "H"
        count = struct.unpack_from(order + head, content, offset)[0]
        start = offset + struct.calcsize(head)
        tags = {}
        for i in range(count):
            place = start + i * entry
            tag, kind, n = struct.unpack_from(f"{order}HH{word}", content, place)
            value = place + entry - inline
            if _SIZES[kind] * n > inline:
                value = struct.unpack_from(order + word, content, value)[0]
            if kind in _CODES:
                tags[tag] = struct.unpack_from(f"{order}{n}{_CODES[kind]}", content, value)
        found.append(Directory(offset, tags))
        offset = struct.unpack_from(order + word, content, start + count * entry)[0]
    return found


def cog_faults(path: Path) -> list[str]:
    """What keeps the file from being cloud-optimised; nothing where it is."""
    faults = []
    found = directories(path)
    offsets = [directory.offset for directory in found]
    if offsets != sorted(offsets):
        faults.append("directories are not in the file's order")
    if offsets[0] > 300 + len(path.read_bytes()) // 10 and len(found) > 1:
        faults.append("the first directory is not at the beginning")
    widths = [directory.tags[WIDTH][0] for directory in found]
    if widths != sorted(widths, reverse=True) or len(set(widths)) < len(widths):
        faults.append(f"overviews do not get smaller: {widths}")
    if any(TILE_WIDTH not in directory.tags for directory in found):
        faults.append("not tiled")
        return faults
    if [directory.tags.get(SUBFILE_TYPE, (0,))[0] & 1 for directory in found] != [0] + [1] * (len(found) - 1):
        faults.append("what follows the first directory is no overview")
    if max(max(found[-1].tags[WIDTH]), max(found[-1].tags[HEIGHT])) > found[-1].tags[TILE_WIDTH][0]:
        faults.append("the last overview is more than one tile")
    pixels = [[offset for offset in directory.tags[TILE_OFFSETS] if offset] for directory in found]
    if min(min(tiles) for tiles in pixels if tiles) < max(offsets):
        faults.append("pixels come before a directory")
    firsts = [min(tiles) for tiles in pixels if tiles]
    if firsts != sorted(firsts, reverse=True):
        faults.append("pixels of the full resolution come before those of its overviews")
    return faults
