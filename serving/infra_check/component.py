"""ServingCheck: the TFX component that lets no model pass that cannot be served.

TFX's own InfraValidator needs Docker, or Kubernetes through a runner that no longer exists; this one gives the same
artifact with the embedded server.
"""

import tempfile
from pathlib import Path

import grpc
import keras
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.dataset.record_index import record_files
from components.errors import ServingError
from components.file_systems import local_copy, put_folder, write_text
from components.publishing.versions import VERSION_FILES
from components.records.record_format import RecordFormat
from serving.batching import BatchingOptions
from serving.infra_check.check_version import CHECKED_PATCHES, check_version, read_patches

BLESSED = "blessed"
REASON = "reason"


@tfx.dsl.components.component
def ServingCheck(
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_run: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelRun],
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    infra_blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    split: tfx.dsl.components.Parameter[str],
    record_format: tfx.dsl.components.Parameter[str],
    model_name: tfx.dsl.components.Parameter[str],
    batching: tfx.dsl.components.Parameter[str],
) -> None:
    """Loads the SavedModel in the model server, with its batching settings, and compares answers with Keras.

    Args:
        model: The exported SavedModel.
        model_run: The trainer's folder with `network.keras`.
        examples: The records that real patches are taken from.
        infra_blessing: Gets the property `blessed` (1 or 0), `reason`, and the warm-up requests to push along.
        split: The split to take patches from.
        record_format: `RecordFormat` as JSON.
        model_name: The name it will be served under.
        batching: `BatchingOptions` as JSON.
    """
    import components.training.networks  # noqa: F401 (registers the layers that network.keras is made of)

    exported = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    files = record_files([f"{artifact_utils.get_split_uri([examples], split)}/*"])
    patches = read_patches(list(files), RecordFormat.model_validate_json(record_format), CHECKED_PATCHES)
    with local_copy(f"{model_run.uri}/network.keras") as network:
        logits = keras.models.load_model(network, compile=False).predict(patches, verbose=0)
    try:
        with local_copy(exported) as saved_model, tempfile.TemporaryDirectory() as staging:
            agreement = check_version(
                saved_model, model_name, BatchingOptions.model_validate_json(batching), patches, logits, Path(staging)
            )
            put_folder(Path(staging), f"{infra_blessing.uri}/{VERSION_FILES}")
        good, reason = agreement.good, str(agreement)
    except (ServingError, grpc.RpcError) as error:
        good, reason = False, f"the server did not take the model: {error}"
    # The file names of TFX's InfraValidator, for tools that look for them.
    write_text(f"{infra_blessing.uri}/{'INFRA_BLESSED' if good else 'INFRA_NOT_BLESSED'}", f"{reason}\n")
    infra_blessing.set_int_custom_property(BLESSED, int(good))
    infra_blessing.set_string_custom_property(REASON, reason)
