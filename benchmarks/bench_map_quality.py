"""Scores the maps of a finished run against the labels at the tiles' full resolution.

The run's own figures are taken on patch records, on the grid that the network sees; a map is what a user gets: windows
overlap, scores are blended and brought back to the tile's own grid. The headline `ratio` is the maps' mean IoU over the
records'. Needs the working directory of a run whose `maps.tiles` names the tiles of the evaluated split. The last line
is one JSON object.
"""

import argparse
import json

import numpy as np

from components.evaluation.confusion import confusion_matrix
from components.evaluation.figures import class_figure, figures
from components.geo.geotiff import open_raster
from components.geo.labels import LabelDecoder
from components.geo.window import Window
from tfx_pipeline.data_set import find_data_set, places_of
from tfx_pipeline.load_config import load_config


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="demo.yaml")
    parser.add_argument("--workdir", default="work/demo", help="of a finished run")
    arguments = parser.parse_args()
    config = load_config(arguments.config, workdir=arguments.workdir)
    places = places_of(config)
    if not places.summary.is_file():
        print(json.dumps({"ratio": None, "skipped": f"no finished run in {places.workdir}: run `make demo` first"}))
        return
    summary = json.loads(places.summary.read_text())
    tiles = {tile.tile: tile for tile in find_data_set(config, places, fingerprint=False).tiles}
    decoder = LabelDecoder(config.table, config.label_options)
    total = np.zeros((len(config.table),) * 2, np.int64)
    for tile, path in summary["maps"].items():
        with open_raster(path) as land_cover, decoder.open(tiles[tile], land_cover.grid) as label:
            window = Window(0, 0, land_cover.height, land_cover.width)
            total += confusion_matrix(label.read(window), land_cover.read(window).pixels[..., 0], len(config.table))
    found = figures(total, config.table.names, config.table.scored_ids)
    print(
        json.dumps(
            {
                "ratio": round(found["mean_iou"] / summary["figures"]["mean_iou"], 3),
                "map_mean_iou": round(found["mean_iou"], 4),
                "map_overall_accuracy": round(found["overall_accuracy"], 4),
                "map_iou": {n: round(found[class_figure("iou", n)], 4) for n in config.table.names},
                "record_mean_iou": summary["figures"]["mean_iou"],
                "record_overall_accuracy": summary["figures"]["overall_accuracy"],
                "maps": len(summary["maps"]),
                "pixels": int(found["pixels"]),
            }
        )
    )


if __name__ == "__main__":
    main()
