"""A step for tests of the metadata alone; apart, since TFX imports a step by its module's name."""

from tfx import v1 as tfx


@tfx.dsl.components.component
def Count(
    counted: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.String],
    text: tfx.dsl.components.Parameter[str] = "",
) -> None:
    """Writes how long a text is."""
    counted.value = str(len(text))
