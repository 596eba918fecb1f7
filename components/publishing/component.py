"""VersionPusher: the TFX component that publishes a blessed model."""

import json
import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict

from tfx import v1 as tfx
from tfx.utils import path_utils

from components.drift.measure_reference import write_reference
from components.evaluation.map_evaluator.component import MapEvaluation
from components.file_systems import local_copy, write_text
from components.label_validation.component import REPORT_JSON, LabelReport
from components.publishing.model_card import model_card, write_model_card
from components.publishing.model_card_evidence import EvidencePlaces, read_evidence
from components.publishing.model_card_options import CardRequest
from components.publishing.versions import VERSION_FILES, push_version
from components.training.history import HISTORY_FILE
from components.training.trained_settings import SETTINGS_FILE


@tfx.dsl.components.component
def VersionPusher(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    infra_blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    pushed_model: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.PushedModel],
    model_base: tfx.dsl.components.Parameter[str],
    model_name: tfx.dsl.components.Parameter[str],
    provenance: tfx.dsl.components.Parameter[Dict[str, Any]],
    card: tfx.dsl.components.Parameter[str] = "",
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation] = None,
    map_evaluation: tfx.dsl.components.InputArtifact[MapEvaluation] = None,
    label_report: tfx.dsl.components.InputArtifact[LabelReport] = None,
    model_run: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelRun] = None,
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples] = None,
) -> None:
    """Publishes the model below `model_base/model_name`, if both blessings say so; else pushes nothing.

    Args:
        model: The exported SavedModel.
        model_blessing: That of all gates; its property `blessed` must be 1. Its `gates.json` goes into the card.
        infra_blessing: The serving check's; its property `blessed` must be 1 too; it carries the warm-up requests.
        pushed_model: Gets the properties `pushed`, `pushed_version` and `pushed_destination`, and a note.
        model_base: The folder that TensorFlow Serving is pointed at.
        model_name: The model's name there.
        provenance: What to remember in the version beside the model artifact.
        card: `CardRequest` as JSON; the version then gets a model card. Empty writes none.
        evaluation: Of the patch records, for the card.
        map_evaluation: Of whole tiles, for the card.
        label_report: The label validator's, for the card's class shares and ground size.
        model_run: The trainer's, for the card's training summary.
        examples: The records, for the statistics that drift is measured against.

    Raises:
        PublishingError: If the version cannot be written.
    """
    if isinstance(provenance, str):
        provenance = json.loads(provenance)  # TFX's entry point for Kubeflow leaves dictionaries as JSON
    blessed = model_blessing.get_int_custom_property("blessed") == 1
    served_well = infra_blessing.get_int_custom_property("blessed") == 1
    pushed_model.set_int_custom_property("pushed", int(blessed and served_well))
    if not (blessed and served_well):
        # An object store has no empty folders, and TFX reuses no step whose output is not there.
        write_text(f"{pushed_model.uri}/NOT_PUSHED", f"blessed: {blessed}, served well: {served_well}\n")
        return
    exported = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    folder = Path(model_base) / model_name
    with (
        local_copy(exported) as saved_model,
        local_copy(f"{infra_blessing.uri}/{VERSION_FILES}") as warmup,
        tempfile.TemporaryDirectory(prefix="eoseg_") as staging,
    ):
        # The version gets this folder's mode, and a server may run as another user: temporary folders are closed to
        # others, this staging one and the one that the serving check made.
        extra = Path(staging) / VERSION_FILES
        extra.mkdir()
        mode = extra.stat().st_mode
        if warmup.is_dir():
            shutil.copytree(warmup, extra, dirs_exist_ok=True)
            extra.chmod(mode)
        document = None
        if card:
            request = CardRequest.model_validate_json(card)
            places = EvidencePlaces(
                evaluation=evaluation and evaluation.uri,
                map_evaluation=map_evaluation and map_evaluation.uri,
                blessing=model_blessing.uri or None,
                label_report=label_report and f"{label_report.uri}/{REPORT_JSON}",
                history=model_run and f"{model_run.uri}/{HISTORY_FILE}",
                settings=model_run and f"{model_run.uri}/{SETTINGS_FILE}",
            )
            evidence = read_evidence(saved_model, places, provenance, request.split)
            document = model_card(model_name, request, evidence, datetime.now(timezone.utc).isoformat("T", "seconds"))
            write_model_card(extra, document)
        number = push_version(saved_model, folder, {**provenance, "model_artifact": model.uri}, extra)
    if examples is not None:
        write_reference(folder / str(number), exported, examples.uri, map_evaluation and map_evaluation.uri)
    if document is not None:
        # Where the latest version already was this very model, it keeps its number and gets what is now said of it.
        write_model_card(folder / str(number), document)
    pushed_model.set_string_custom_property("pushed_version", str(number))
    pushed_model.set_string_custom_property("pushed_destination", str(folder / str(number)))
    write_text(f"{pushed_model.uri}/PUSHED", f"{folder / str(number)}\n")
