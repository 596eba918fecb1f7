"""A model to serve, as the registry says: for a server that is started on the model's folder."""

from pathlib import Path

from serving.served_model import ServedModel
from serving.versions.model_entry import entry_of, read_config
from serving.versions.registry import MODELS_FILE, Registry


def as_registered(model: ServedModel) -> ServedModel:
    """The model with policy and labels of the `models.config` beside its folder; unchanged where there is none.

    Raises:
        ConfigError: If that file cannot be read.
    """
    folder = Path(model.base_path)
    registry = Registry(folder, model.name, folder.parent / MODELS_FILE)
    text = None if "://" in model.base_path else read_config(registry)
    if text is None:
        return model
    entry = entry_of(registry, text)
    there = registry.versions
    labels = {label: version for label, version in entry.labels.items() if version in there}
    return model.model_copy(update={"policy": entry.policy, "labels": labels})
