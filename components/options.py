"""The base of every options object: frozen, typed, unknown keys refused at construction."""

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator


class Options(BaseModel):
    """A frozen value object; subclasses live beside the code they configure.

    Raises:
        pydantic.ValidationError: On unknown keys and wrong values (`tfx_pipeline.config` turns it into a ConfigError).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, values: Any) -> Any:
        # pydantic takes true for 1.
        for key, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(key)
            if field is not None and _has_flag(value) and _takes_only_numbers(field.annotation):
                raise ValueError(f"{key} is {str(value).lower()}; give a number")
        return values


def _has_flag(value: Any) -> bool:
    """Whether it is true or false, or a list or mapping that holds such."""
    if isinstance(value, dict):
        value = list(value.values())
    return any(map(_has_flag, value)) if isinstance(value, (list, tuple)) else isinstance(value, bool)


def _takes_only_numbers(annotation: Any) -> bool:
    """Whether a field of this type takes numbers, alone or in lists and mappings, and nowhere a flag."""
    kinds = _kinds(annotation)
    return bool(kinds & {int, float}) and not any(
        kind in (bool, Any, object) or (isinstance(kind, type) and issubclass(kind, BaseModel)) for kind in kinds
    )


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of: unions, lists and mappings taken apart."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (None, Literal):
        return {annotation}
    return set().union(*(_kinds(part) for part in get_args(annotation)))
