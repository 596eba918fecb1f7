"""The base of every options object: frozen, typed, unknown keys refused at construction."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A frozen value object; subclasses live beside the code they configure.

    Raises:
        pydantic.ValidationError: On unknown keys and wrong values (`tfx_pipeline.config` turns it into a ConfigError).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
