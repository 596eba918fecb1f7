"""`eoseg sample-scenes`: writes seeded scenes to try the pipeline on."""

import argparse


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the verb to the command line."""
    parser = subparsers.add_parser(
        "sample-scenes",
        help="write seeded sample scenes, in the layout of the ISPRS Vaihingen benchmark",
        description="Write seeded sample scenes: images, surface heights and labels, as the ISPRS benchmark has them. "
        "Scenes that are there already, from the same options, are left as they are.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="where to; made if it is not there")
    parser.add_argument("--tiles", type=int, default=10, help="how many scenes (default: %(default)s)")
    parser.add_argument("--size", type=int, default=512, help="height and width in pixels (default: %(default)s)")
    parser.add_argument("--gsd", type=float, default=0.5, help="side of a pixel in metres (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another town (default: %(default)s)")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the scenes; returns the exit status.

    Raises:
        ConfigError: On a number of tiles, size, distance or seed that no scene can have.
    """
    from pydantic import ValidationError

    from components.errors import ConfigError
    from tfx_pipeline.sample_scenes.write_scenes import write_scenes

    if arguments.tiles < 1:
        raise ConfigError(f"--tiles {arguments.tiles}", "1 or more", "ask for at least one scene")
    try:
        write_scenes(
            arguments.folder,
            range(1, arguments.tiles + 1),
            seed=arguments.seed,
            size_px=arguments.size,
            ground_sample_distance_m=arguments.gsd,
        )
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))} = {e['input']}: {e['msg']}" for e in error.errors())
        raise ConfigError(wrong, "values within these bounds", "change --size, --gsd or --seed") from error
    print(f"{arguments.tiles} scenes of {arguments.size} x {arguments.size} pixels in {arguments.folder}")
    return 0
