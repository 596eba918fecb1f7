"""Judges gates on whole tiles by the counts that MapEvaluator wrote: another gate asks for no new prediction."""

from collections.abc import Sequence

from components.evaluation.all_figures import ScoredClasses
from components.evaluation.gate import GateVerdict, judge
from components.evaluation.gate_options import Gate
from components.evaluation.map_evaluator.files import BLESSED, CANDIDATE, MapEvaluationFiles, read_counts
from components.evaluation.view_figures import BootstrapOptions, view_figures


def judge_tiles(files: MapEvaluationFiles, gates: Sequence[Gate]) -> list[GateVerdict]:
    """The verdicts of gates on whole tiles, bound by bound.

    Args:
        files: The evaluation of whole tiles.
        gates: The gates on them.

    Raises:
        DataError: If the counts cannot be read.
    """
    if not gates:
        return []
    document = files.document
    names = tuple(document["classes"])
    scored, ignored = (tuple(map(names.index, document[key])) for key in ("scored", "ignored"))
    compared = document["blessed_figures"] is not None
    found = view_figures(
        read_counts(files.uri, CANDIDATE),
        read_counts(files.uri, BLESSED) if compared else None,
        ScoredClasses(names, scored, ignored),
        {gate.slice for gate in gates if gate.slice is not None},
        BootstrapOptions.model_validate(document["bootstrap"]),
        document["not_compared"] or "",
    )
    return judge(gates, {}, None, tiles=found)
