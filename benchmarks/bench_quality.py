"""Trainings of one configuration in several variants, with several seeds: quality, parameters, time.

    eoseg bench quality dubai_choice --workdir work/quality
    eoseg bench quality path/to/plan.yaml --variants SegNet U-Net --seeds 0 1 2

A plan (`benchmarks/quality/plans`, or a file of one's own; keys in `benchmarks/quality/plan.py`) names the
configuration, the split that is scored and what each variant changes. Whole tiles of that split are predicted as maps
are and counted once after each training; nothing is chosen by them. Each training is a process of its own, one after
the other; started again, those that are done are not done again, and one that was killed goes on. `figures` are means
over the seeds, `spread` their sample standard deviation. Times are those of this machine with whatever else it did.
The last line is one JSON object; its headline `ratio` is the last variant's mean IoU over the first one's.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are not installed
PLANS = ROOT / "benchmarks" / "quality" / "plans"


def main() -> None:
    """Measures and prints."""
    from benchmarks.quality.plan import read_plan
    from benchmarks.quality.table import as_markdown, curve, read_results, summary

    shipped = {path.stem: path for path in sorted(PLANS.glob("*.yaml"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", nargs="?", default="smoke", help=f"a YAML file, or one of {', '.join(shipped)}")
    parser.add_argument("--workdir", default="work/quality")
    parser.add_argument("--variants", nargs="+", help="only these")
    parser.add_argument("--seeds", type=int, nargs="+", help="instead of the plan's")
    arguments = parser.parse_args()
    path = shipped.get(arguments.plan, Path(arguments.plan))
    plan = read_plan(path)
    wanted = arguments.variants or [variant.name for variant in plan.variants]
    for name in wanted:
        plan.variant(name)  # raises now, not after hours
    rows, curves = [], {}
    for name in wanted:
        results = read_results(
            [run_trial(path, name, seed, arguments.workdir) for seed in arguments.seeds or plan.seeds]
        )
        rows.append(summary(name, results))
        curves[name] = curve(results)
        print(as_markdown(rows, results[0]["classes"]), flush=True)
    first, last = (row["figures"]["mean_iou"] for row in (rows[0], rows[-1]))
    ratio = round(last / first, 3) if first and last is not None else None
    print(json.dumps({"ratio": ratio, "scored": plan.scored, "variants": rows, "curves": curves}))


def run_trial(plan: Path, variant: str, seed: int, workdir: str) -> str:
    """The path of one training's result; its progress goes to standard error."""
    print(f"-- {variant}, seed {seed}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.quality.trial", str(plan), variant, str(seed), workdir]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout or ():
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    if process.returncode:
        raise SystemExit(f"{variant}, seed {seed} failed")
    return last


if __name__ == "__main__":
    main()
