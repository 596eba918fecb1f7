"""What a configuration says of the evaluation: which split, how it is counted, and the gates."""

from collections.abc import Sequence

from components.evaluation.all_figures import BOUNDARY_F1
from components.evaluation.counts import CountingOptions
from components.evaluation.figures import CLASS_FIGURES
from components.evaluation.gate_options import PATCHES, TILES, Gate, View, check_gates
from components.evaluation.view_figures import BootstrapOptions
from components.geo.zones import ZoneOptions
from components.options import Options

EVERY_CLASS = "/*"
_OF_A_CLASS = (*CLASS_FIGURES, BOUNDARY_F1)


class EvaluationOptions(Options):
    """What is evaluated, and the gates."""

    split: str | None = None
    """`eval` or `test`; None takes `test` where a tile is listed for it, else `eval`."""
    gates: tuple[Gate, ...] = ()
    """Without any, every model that has an overall accuracy at all is blessed."""
    ignored: tuple[str, ...] = ()
    """Classes whose truth counts as void when whole tiles are evaluated, as ISPRS does with clutter."""
    counting: CountingOptions = CountingOptions()
    """Eroded boundaries, boundary F1 and blocks of whole tiles."""
    zones: ZoneOptions | None = None
    """Polygons (parcels, districts) whose areas by class are reported besides the tiles'."""
    bootstrap: BootstrapOptions = BootstrapOptions()
    """The 95 % intervals."""

    def gates_on(self, view: View) -> tuple[Gate, ...]:
        """The gates on one view."""
        return tuple(gate for gate in self.gates if gate.view == view)

    @property
    def gates_on_patches(self) -> tuple[Gate, ...]:
        """Those that TFMA's figures of the records tell."""
        return self.gates_on(PATCHES)

    @property
    def gates_on_tiles(self) -> tuple[Gate, ...]:
        """Those that only whole tiles tell."""
        return self.gates_on(TILES)

    def for_classes(self, class_names: Sequence[str]) -> "EvaluationOptions":
        """The options with each gate on every class (`iou/*`) as a gate for each of these.

        On whole tiles an ignored class has no figure, and is no class of theirs.
        """
        gates = [
            gate.model_copy(update={"metric": gate.metric[: -len(EVERY_CLASS)] + f"/{name}"}) if is_general else gate
            for gate in self.gates
            for is_general in [gate.metric.endswith(EVERY_CLASS)]
            for name in (class_names if is_general else [""])
            if not (is_general and gate.view == TILES and name in self.ignored)
        ]
        return self.model_copy(update={"gates": tuple(gates)})

    def check_names(self, class_names: Sequence[str]) -> None:
        """Refuses gates on figures that will never be there, and classes that are none.

        Raises:
            ValueError: Naming the gate or class, and what there is.
        """
        check_gates(self.for_classes(class_names).gates, class_names)
        unknown = [name for name in self.ignored if name not in class_names]
        if unknown:
            raise ValueError(f"evaluation.ignored names '{unknown[0]}'; expected one of {', '.join(class_names)}")
        if set(class_names) <= set(self.ignored):
            raise ValueError("evaluation.ignored names every class; leave out at least one")
        for gate in self.gates_on_tiles:
            of_ignored = [name for name in self.ignored if gate.metric.endswith(f"/{name}")]
            if of_ignored and gate.metric.removesuffix(f"/{of_ignored[0]}").rpartition("/")[2] in _OF_A_CLASS:
                raise ValueError(
                    f"the gate on {gate.metric} can never pass: evaluation.ignored names {of_ignored[0]}, whose truth "
                    "counts as void on whole tiles"
                )
