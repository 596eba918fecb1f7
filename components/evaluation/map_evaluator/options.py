"""What the evaluation of whole tiles is told, as it travels to the step."""

from pydantic import model_validator

from components.classes import ClassTable
from components.evaluation.all_figures import ScoredClasses
from components.evaluation.evaluate_tile import TileEvaluationOptions
from components.evaluation.view_figures import BootstrapOptions
from components.geo.label_options import ColorLabels, LabelOptions
from components.options import Options


class MapEvaluatorOptions(Options):
    """Classes, labels, and how to predict and count.

    Raises:
        pydantic.ValidationError: On unknown classes.
    """

    table: ClassTable
    labels: LabelOptions = ColorLabels()
    tiles: TileEvaluationOptions = TileEvaluationOptions()
    bootstrap: BootstrapOptions = BootstrapOptions()
    ignored: tuple[str, ...] = ()
    """Classes whose truth counts as void (`figures`)."""

    @model_validator(mode="after")
    def _names_what_is_there(self) -> "MapEvaluatorOptions":
        unknown = sorted(set(self.ignored) - set(self.table.names))
        if unknown:
            raise ValueError(f"ignored names '{unknown[0]}'; expected one of {', '.join(self.table.names)}")
        return self

    @property
    def of_tiles(self) -> TileEvaluationOptions:
        """How tiles are predicted and counted, with the ignored classes."""
        return self.tiles.model_copy(update={"ignored_ids": self.scored_classes.ignored_ids})

    @property
    def scored_classes(self) -> ScoredClasses:
        """The classes as figures see them."""
        names = self.table.names
        return ScoredClasses(names, self.table.scored_ids, tuple(names.index(name) for name in self.ignored))
