"""A window with the pixels around it that its counts depend on, and back."""

from components.geo.window import Window


def with_halo(window: Window, halo: int, height: int, width: int) -> Window:
    """The window grown by `halo` pixels on each side, as far as the tile of `height` x `width` pixels goes."""
    row, col = max(0, window.row - halo), max(0, window.col - halo)
    row_stop, col_stop = min(height, window.row_stop + halo), min(width, window.col_stop + halo)
    return Window(row, col, row_stop - row, col_stop - col)


def inside(window: Window, outer: Window) -> tuple[slice, slice]:
    """Where the window lies in an array of `outer`'s pixels.

    Raises:
        ValueError: If it does not lie in it as a whole.
    """
    if window.intersection(outer) != window:
        raise ValueError(f"{window} does not lie in {outer}")
    return Window(window.row - outer.row, window.col - outer.col, window.height, window.width).slices
