"""Integer windows in a tile."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of whole pixels: `row` and `col` of its upper left pixel, `height` and `width` in pixels.

    Raises:
        ValueError: If the height or the width is not positive.
    """

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height <= 0 or self.width <= 0:
            raise ValueError(f"a window is at least 1 x 1 pixels, received {self.height} x {self.width}")

    @property
    def row_stop(self) -> int:
        """The first row below the window."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """The first column right of the window."""
        return self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, cols), to index an array of the whole tile."""
        return slice(self.row, self.row_stop), slice(self.col, self.col_stop)

    def intersection(self, other: "Window") -> "Window | None":
        """The pixels that both windows hold, or None."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row_stop, other.row_stop) - row
        width = min(self.col_stop, other.col_stop) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def scaled(self, factor: int) -> "Window":
        """The same ground in pixels that are `factor` times smaller."""
        return Window(self.row * factor, self.col * factor, self.height * factor, self.width * factor)
