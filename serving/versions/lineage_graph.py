"""The lineage as a picture: tiles, steps, artifacts and the version, left to right; SVG or PNG from one drawing."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from serving.versions.lineage import Lineage
from serving.versions.registry import write_whole

_BOX_WIDTH, _LINE, _PAD, _GAP_X, _GAP_Y, _MARGIN = 210, 16, 8, 60, 18, 24
_TITLE_HEIGHT = 40
_FILLS = {"tiles": "#e3f1dc", "step": "#dce9f7", "artifact": "#f5f5f5", "version": "#fde9c9"}
_LONGEST = 32
_TILES_NAMED = 4


@dataclass(frozen=True)
class Box:
    """A node as it is drawn; pixels."""

    id: str
    kind: str
    lines: tuple[str, ...]
    left: float = 0.0
    top: float = 0.0

    @property
    def height(self) -> float:
        """By its lines."""
        return len(self.lines) * _LINE + 2 * _PAD


@dataclass(frozen=True)
class Drawing:
    """Boxes in their places, arrows by their ids."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[str, str], ...]
    width: float
    height: float


def write_graph(lineage: Lineage, path: Path) -> None:
    """Draws the lineage into a `.svg` or `.png` file.

    Raises:
        ConfigError: On another ending, or if it cannot be written.
        RegistryError: If the SVG cannot be written.
    """
    drawing = draw(lineage)
    if path.suffix.lower() == ".svg":
        write_whole(path, svg_of(drawing))
        return
    if path.suffix.lower() != ".png":
        raise ConfigError(f"{path} is neither .svg nor .png", "the name of a picture", "name it lineage.svg")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        png_of(drawing).save(part, "PNG")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}", "a file that can be written", "name another") from error
    finally:
        part.unlink(missing_ok=True)


def draw(lineage: Lineage) -> Drawing:
    """Places every box in the column after the last of those it comes from (longest path)."""
    boxes = {box.id: box for box in (*_tile_boxes(lineage), *_node_boxes(lineage))}
    edges = [(source, target) for source, target in lineage.edges if source in boxes and target in boxes]
    first = _first_steps(lineage)
    edges = [(box, step) for box in boxes if boxes[box].kind == "tiles" for step in first] + edges
    columns = _columns(list(boxes), edges)
    by_column: dict[int, list[Box]] = {}
    for box in boxes.values():
        by_column.setdefault(columns[box.id], []).append(box)
    heights = {column: sum(box.height + _GAP_Y for box in stack) - _GAP_Y for column, stack in by_column.items()}
    tallest = max(heights.values(), default=0.0)
    placed = []
    for column, stack in sorted(by_column.items()):
        top = _MARGIN + _TITLE_HEIGHT + (tallest - heights[column]) / 2
        for box in stack:
            left = _MARGIN + column * (_BOX_WIDTH + _GAP_X)
            placed.append(Box(box.id, box.kind, box.lines, left, top))
            top += box.height + _GAP_Y
    width = 2 * _MARGIN + max(len(by_column), 1) * (_BOX_WIDTH + _GAP_X) - _GAP_X
    title = f"{lineage.model} version {lineage.version}: data {lineage.data_fingerprint or 'unknown'}"
    return Drawing(title, tuple(placed), tuple(edges), width, tallest + 2 * _MARGIN + _TITLE_HEIGHT)


def svg_of(drawing: Drawing) -> str:
    """The text of an SVG file."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width:.0f}" height="{drawing.height:.0f}" '
        f'viewBox="0 0 {drawing.width:.0f} {drawing.height:.0f}" font-family="sans-serif" font-size="12">',
        f"<title>{html.escape(drawing.title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#777777"/></marker></defs>',
        f'<text x="{_MARGIN}" y="{_MARGIN + 10}" font-size="15">{html.escape(drawing.title)}</text>',
    ]
    for x1, y1, x2, y2 in _arrows(drawing):
        lines.append(
            f'<path d="M{x1:.0f} {y1:.0f}C{x1 + _GAP_X / 2:.0f} {y1:.0f} {x2 - _GAP_X / 2:.0f} {y2:.0f} {x2:.0f} '
            f'{y2:.0f}" fill="none" stroke="#777777" marker-end="url(#tip)"/>'
        )
    for box in drawing.boxes:
        lines.append(
            f'<rect x="{box.left:.0f}" y="{box.top:.0f}" width="{_BOX_WIDTH}" height="{box.height:.0f}" rx="5" '
            f'fill="{_FILLS[box.kind]}" stroke="#999999"/>'
        )
        for number, text in enumerate(box.lines):
            weight = ' font-weight="bold"' if number == 0 else ""
            lines.append(
                f'<text x="{box.left + _PAD:.0f}" y="{box.top + _PAD + (number + 0.8) * _LINE:.0f}"{weight}>'
                f"{html.escape(text)}</text>"
            )
    return "\n".join([*lines, "</svg>", ""])


def png_of(drawing: Drawing) -> Any:
    """A Pillow image."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (round(drawing.width), round(drawing.height)), "white")
    pen = ImageDraw.Draw(image)
    pen.text((_MARGIN, _MARGIN), _latin(drawing.title), fill="black")
    for x1, y1, x2, y2 in _arrows(drawing):
        pen.line([(x1, y1), (x2, y2)], fill="#777777")
        pen.polygon([(x2, y2), (x2 - 7, y2 - 3), (x2 - 7, y2 + 3)], fill="#777777")
    for box in drawing.boxes:
        corner = (box.left + _BOX_WIDTH, box.top + box.height)
        pen.rounded_rectangle([(box.left, box.top), corner], 5, fill=_FILLS[box.kind], outline="#999999")
        for number, text in enumerate(box.lines):
            pen.text((box.left + _PAD, box.top + _PAD + number * _LINE), _latin(text), fill="black")
    return image


def _tile_boxes(lineage: Lineage) -> list[Box]:
    found = []
    for split in ("train", "eval", "test"):
        tiles = lineage.tiles_of(split)
        if tiles:
            named = [_short(tile.tile) for tile in tiles[:_TILES_NAMED]]
            rest = [f"and {len(tiles) - _TILES_NAMED} more"] if len(tiles) > _TILES_NAMED else []
            found.append(Box(f"tiles-{split}", "tiles", (f"{len(tiles)} tiles: {split}", *named, *rest)))
    return found


def _node_boxes(lineage: Lineage) -> list[Box]:
    found = []
    for node in lineage.nodes:
        if node.kind == "step":
            found.append(Box(node.id, "step", (node.name, node.made)))
        elif node.type == "PushedModel":
            figure = lineage.figures.get("mean_iou")
            shown = [] if figure is None else [f"mean IoU {figure:.3f}"]
            found.append(Box(node.id, "version", (f"version {lineage.version}", lineage.pushed, *shown)))
        else:
            found.append(Box(node.id, "artifact", (f"{node.type} {node.id[1:]}", _short(node.name))))
    return found


def _first_steps(lineage: Lineage) -> list[str]:
    """The steps that read the tiles: those that have them among their parameters."""
    return [
        node.id for node in lineage.nodes if node.kind == "step" and "tiles" in lineage.parameters.get(node.name, {})
    ]


def _columns(ids: list[str], edges: list[tuple[str, str]]) -> dict[str, int]:
    columns = dict.fromkeys(ids, 0)
    for _ in ids:  # a longest path has no more steps than there are boxes
        moved = False
        for source, target in edges:
            if columns[target] <= columns[source]:
                columns[target] = columns[source] + 1
                moved = True
        if not moved:
            break
    return columns


def _arrows(drawing: Drawing) -> list[tuple[float, float, float, float]]:
    at = {box.id: box for box in drawing.boxes}
    return [
        (
            at[source].left + _BOX_WIDTH,
            at[source].top + at[source].height / 2,
            at[target].left,
            at[target].top + at[target].height / 2,
        )
        for source, target in drawing.arrows
    ]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2 - 1]}...{text[-_LONGEST // 2 + 2 :]}"


def _latin(text: str) -> str:
    """Pillow's own font has no more letters."""
    return text.encode("latin-1", "replace").decode("latin-1")
