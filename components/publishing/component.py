"""VersionPusher: the TFX component that publishes a blessed model."""

from pathlib import Path
from typing import Any, Dict

from tfx import v1 as tfx
from tfx.utils import path_utils

from components.file_systems import local_copy, write_text
from components.publishing.versions import VERSION_FILES, push_version


@tfx.dsl.components.component
def VersionPusher(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    infra_blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    pushed_model: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.PushedModel],
    model_base: tfx.dsl.components.Parameter[str],
    model_name: tfx.dsl.components.Parameter[str],
    provenance: tfx.dsl.components.Parameter[Dict[str, Any]],
) -> None:
    """Publishes the model below `model_base/model_name`, if both blessings say so; else pushes nothing.

    Args:
        model: The exported SavedModel.
        model_blessing: The evaluator's; its property `blessed` must be 1.
        infra_blessing: The serving check's; its property `blessed` must be 1 too; it carries the warm-up requests.
        pushed_model: Gets the properties `pushed`, `pushed_version` and `pushed_destination`, and a note.
        model_base: The folder that TensorFlow Serving is pointed at.
        model_name: The model's name there.
        provenance: What to remember in the version beside the model artifact.

    Raises:
        PublishingError: If the version cannot be written.
    """
    blessed = model_blessing.get_int_custom_property("blessed") == 1
    served_well = infra_blessing.get_int_custom_property("blessed") == 1
    pushed_model.set_int_custom_property("pushed", int(blessed and served_well))
    if not (blessed and served_well):
        # An object store has no empty folders, and TFX reuses no step whose output is not there.
        write_text(f"{pushed_model.uri}/NOT_PUSHED", f"blessed: {blessed}, served well: {served_well}\n")
        return
    exported = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    folder = Path(model_base) / model_name
    with local_copy(exported) as saved_model, local_copy(f"{infra_blessing.uri}/{VERSION_FILES}") as warmup:
        number = push_version(
            saved_model,
            folder,
            {**provenance, "model_artifact": model.uri},
            warmup if warmup.is_dir() else None,
        )
    pushed_model.set_string_custom_property("pushed_version", str(number))
    pushed_model.set_string_custom_property("pushed_destination", str(folder / str(number)))
    write_text(f"{pushed_model.uri}/PUSHED", f"{folder / str(number)}\n")
