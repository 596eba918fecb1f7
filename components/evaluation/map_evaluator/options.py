"""What the evaluation of whole tiles is told, as it travels to the step."""

from pydantic import model_validator

from components.classes import ClassTable
from components.evaluation.all_figures import ScoredClasses
from components.evaluation.evaluate_tile import TileEvaluationOptions
from components.evaluation.gate_options import TILES, Gate, check_gates
from components.evaluation.view_figures import BootstrapOptions
from components.geo.label_options import ColorLabels, LabelOptions
from components.options import Options


class MapEvaluatorOptions(Options):
    """Classes, labels, how to predict and count, and the gates on whole tiles.

    Raises:
        pydantic.ValidationError: On gates on other views, on unknown figures or classes.
    """

    table: ClassTable
    labels: LabelOptions = ColorLabels()
    tiles: TileEvaluationOptions = TileEvaluationOptions()
    bootstrap: BootstrapOptions = BootstrapOptions()
    ignored: tuple[str, ...] = ()
    """Classes whose truth counts as void (`figures`)."""
    gates: tuple[Gate, ...] = ()

    @model_validator(mode="after")
    def _names_what_is_there(self) -> "MapEvaluatorOptions":
        check_gates(self.gates, self.table.names)
        others = [gate.metric for gate in self.gates if gate.view != TILES]
        if others:
            raise ValueError(f"the gate on {others[0]} is not on view: tiles")
        unknown = sorted(set(self.ignored) - set(self.table.names))
        if unknown:
            raise ValueError(f"ignored names '{unknown[0]}'; expected one of {', '.join(self.table.names)}")
        return self

    @property
    def scored_classes(self) -> ScoredClasses:
        """The classes as figures see them."""
        names = self.table.names
        return ScoredClasses(names, self.table.scored_ids, tuple(names.index(name) for name in self.ignored))
