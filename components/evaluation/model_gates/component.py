"""ModelGates: the TFX component that gives the one blessing which counts."""

from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.types.artifact import Artifact

from components.evaluation.component import ALL_GATES, JUDGED_BY
from components.evaluation.evaluation_options import EvaluationOptions
from components.evaluation.gate import judge
from components.evaluation.gate_verdicts import write_verdicts
from components.evaluation.map_evaluator.component import MapEvaluation
from components.evaluation.map_evaluator.files import read_map_evaluation
from components.evaluation.map_evaluator.tile_gates import judge_tiles
from components.evaluation.verdict import read_evaluation
from components.file_systems import load_file_system, write_text


@tfx.dsl.components.component
def ModelGates(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    map_evaluation: tfx.dsl.components.InputArtifact[MapEvaluation],
    blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    options: tfx.dsl.components.Parameter[str],
) -> None:
    """Joins the gates on patches and those on whole tiles into one blessing.

    Args:
        model: The candidate.
        evaluation: Of the patch records, by the stock Evaluator.
        map_evaluation: Of whole tiles, with the counts that the gates on them are judged by.
        blessing: Gets `gates.json`, and what the Evaluator's own would get: `BLESSED` or `NOT_BLESSED`, and the
            properties by which Pusher and the resolver of the latest blessed model go.
        options: `EvaluationOptions` as JSON.
    """
    asked = EvaluationOptions.model_validate_json(options)
    of_patches = read_evaluation(evaluation.uri)
    verdicts = [
        *judge(asked.gates_on_patches, of_patches.figures, of_patches.blessed_figures),
        *judge_tiles(read_map_evaluation(map_evaluation.uri), asked.gates_on_tiles),
    ]
    # Without gates: a model is blessed that has any figure at all.
    blessed = all(verdict.passed for verdict in verdicts) and not of_patches.is_empty
    load_file_system(blessing.uri)
    write_verdicts(blessing.uri, verdicts)
    write_text(f"{blessing.uri}/{constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME}", "")
    _describe(blessing, model, blessed)


def _describe(blessing: Artifact, model: Artifact, blessed: bool) -> None:
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(JUDGED_BY, ALL_GATES)
