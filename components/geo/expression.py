"""Arithmetic over bands, as it stands in a configuration: `(nir - red) / (nir + red)`."""

import ast
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_Kind = Literal["number", "truth"]

_FUNCTIONS: Mapping[str, tuple[int, ...]] = {
    "abs": (1,),
    "sqrt": (1,),
    "log": (1,),
    "log10": (1,),
    "exp": (1,),
    "minimum": (2,),
    "maximum": (2,),
    "min": (2,),
    "max": (2,),
    "clip": (3,),
    "where": (3,),
}
"""Function -> how many arguments it takes."""

_MOST_OPERANDS = 30
"""numexpr iterates over at most 31 inputs and the result at once (NumPy's limit of 32)."""

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


@dataclass(frozen=True)
class Expression:
    """An expression that has been checked; made by `parse_expression`.

    Attributes:
        text: As written.
        names: The bands that it uses, in the order of their first use.
    """

    text: str
    names: tuple[str, ...]
    _code: str
    _constants: tuple[float, ...]

    def evaluate(self, bands: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The expression's value, pixel by pixel, in float32.

        Args:
            bands: Name -> pixels, all of one shape.

        Returns:
            float32 of that shape; not finite where the arithmetic is not defined there. Comparisons give 1 and 0.
        """
        import numexpr  # here, because it starts threads when imported

        # numexpr promotes by type, and a number in its text is a double: as float32 variables they stay float32.
        values = {f"b{i}": np.asarray(bands[name], np.float32) for i, name in enumerate(self.names)}
        values |= {f"c{i}": np.asarray(constant, np.float32) for i, constant in enumerate(self._constants)}
        result: NDArray[Any] = numexpr.evaluate(self._code, local_dict=values, global_dict={}, sanitize=False)
        return result.astype(np.float32, copy=False)


def parse_expression(text: str, known: Iterable[str]) -> Expression:
    """Checks an expression: only numbers, the known bands, arithmetic, comparisons and a few functions.

    Args:
        text: `+ - * / ** %`, `< <= > >= == !=`, `and or not`, parentheses, and abs, sqrt, log, log10, exp, min, max,
            clip(value, low, high), where(condition, then, otherwise).
        known: The names of bands that may stand in it.

    Raises:
        ValueError: If anything else stands in it; the message names it, and what is known.
    """
    translator = _Translator(text, tuple(known))
    try:
        code, _ = translator.translate(ast.parse(text.strip(), mode="eval").body)
        compile(code, "<expression>", "eval")  # numexpr will: too deeply nested shows here
    except SyntaxError as error:
        raise ValueError(f"'{text}' is no arithmetic: {error.msg}") from error
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"'{text}' is nested too deeply; make parts of it bands with recorded: false") from error
    if not translator.names:
        raise ValueError(f"'{text}' uses no band; known are {', '.join(translator.known)}")
    operands = len(translator.names) + len(translator.constants)
    if operands > _MOST_OPERANDS:
        raise ValueError(
            f"'{text}' has {operands} different bands and numbers, more than {_MOST_OPERANDS}; make parts of it bands "
            "with recorded: false"
        )
    return Expression(text, tuple(translator.names), code, tuple(translator.constants))


def evaluation_order(expressions: Mapping[str, Expression]) -> tuple[str, ...]:
    """Names of derived bands, each after those that it uses.

    Raises:
        ValueError: If bands are derived from each other in a circle.
    """
    done: list[str] = []
    waiting = dict(expressions)
    while waiting:
        ready = [name for name, e in waiting.items() if not any(used in waiting for used in e.names)]
        if not ready:
            raise ValueError(f"the bands {', '.join(sorted(waiting))} are derived from each other in a circle")
        done += ready
        for name in ready:
            del waiting[name]
    return tuple(done)


class _Translator:
    """Rewrites Python's syntax tree as numexpr's text, with bands as b0, b1, ... and numbers as c0, c1, ...

    Every node is either known here or refused: nothing of the text itself reaches numexpr's `eval`.
    """

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        self._text = text
        self.known = known
        self.names: list[str] = []
        self.constants: list[float] = []

    def translate(self, node: ast.expr) -> tuple[str, _Kind]:
        """numexpr's text of a node, and whether it is a number or a truth."""
        match node:
            case ast.Name(id=name):
                return self._band(name), "number"
            case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
                return self._constant(value), "number"
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _ARITHMETIC):
                return f"({self._number(left)} {_sign(op)} {self._number(right)})", "number"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self._number(operand)})", "number"
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._number(operand), "number"
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
                return f"(~{self._truth(operand)})", "truth"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(op, _COMPARISONS):
                return f"({self._number(left)} {_sign(op)} {self._number(right)})", "truth"
            case ast.BoolOp(op=op, values=values):
                sign = " & " if isinstance(op, ast.And) else " | "
                return f"({sign.join(self._truth(value) for value in values)})", "truth"
            case ast.BinOp(left=left, op=(ast.BitAnd() | ast.BitOr()) as op, right=right):
                return f"({self._truth(left)} {_sign(op)} {self._truth(right)})", "truth"
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments), "number"
        raise ValueError(
            f"'{ast.unparse(node)}' cannot stand in the expression '{self._text}'; use numbers, bands, "
            f"+ - * / ** %, one comparison at a time, and, or, not, {', '.join(_FUNCTIONS)}"
        )

    def _number(self, node: ast.expr) -> str:
        code, kind = self.translate(node)
        if kind != "number":
            raise ValueError(
                f"'{ast.unparse(node)}' in '{self._text}' is true or false, not a number; "
                f"write where({ast.unparse(node)}, 1, 0)"
            )
        return code

    def _truth(self, node: ast.expr) -> str:
        code, kind = self.translate(node)
        if kind != "truth":
            raise ValueError(
                f"'{ast.unparse(node)}' in '{self._text}' is a number, not true or false; compare it with one"
            )
        return code

    def _band(self, name: str) -> str:
        if name not in self.known:
            raise ValueError(f"'{name}' in the expression '{self._text}' is no band; known are {', '.join(self.known)}")
        if name not in self.names:
            self.names.append(name)
        return f"b{self.names.index(name)}"

    def _constant(self, value: float) -> str:
        if not math.isfinite(value) or abs(value) > np.finfo(np.float32).max:
            raise ValueError(f"the number {value} in '{self._text}' is beyond float32")
        if float(value) not in self.constants:
            self.constants.append(float(value))
        return f"c{self.constants.index(float(value))}"

    def _call(self, name: str, arguments: list[ast.expr]) -> str:
        if name not in _FUNCTIONS:
            raise ValueError(f"'{name}' in '{self._text}' is no function; known are {', '.join(_FUNCTIONS)}")
        if len(arguments) not in _FUNCTIONS[name]:
            raise ValueError(f"{name} in '{self._text}' takes {_FUNCTIONS[name][0]} argument(s), not {len(arguments)}")
        if name == "where":
            return f"where({self._truth(arguments[0])}, {self._number(arguments[1])}, {self._number(arguments[2])})"
        codes = [self._number(argument) for argument in arguments]
        if name == "clip":
            return f"minimum(maximum({codes[0]}, {codes[1]}), {codes[2]})"
        # In numexpr `min` and `max` reduce a whole array.
        return f"{ {'min': 'minimum', 'max': 'maximum'}.get(name, name) }({', '.join(codes)})"


_SIGNS: Mapping[type, str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.Mod: "%",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.BitAnd: "&",
    ast.BitOr: "|",
}


def _sign(op: ast.AST) -> str:
    return _SIGNS[type(op)]
