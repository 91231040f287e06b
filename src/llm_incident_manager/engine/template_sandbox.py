"""Texts that people write for pages, run so that none can hang, fill the memory or reach anything but its variables.

Jinja2's sandbox keeps a text from Python's inside; what it allows beyond that (huge numbers, doubling texts, nested
loops) is not forbidden piece by piece: only the nodes, filters and tests listed here exist (NTF-02).
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from itertools import islice
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from markupsafe import Markup

MAX_TEXT = 20_000
"""The longest template, in characters."""
MAX_OUTPUT = 100_000
"""The longest rendered text, in characters."""
MAX_NODES = 2_000
MAX_LOOPED_NODES = 300
"""How many of them may stand inside loops, all loops together."""
MAX_ROUNDS = 200
"""A loop ends here, without an error."""
MAX_FILTERS = 5
"""How many filters one expression may chain."""
MAX_STEPS = 50_000
"""Filter calls, loop rounds and pieces of output of one rendering; long texts count more. About 0.1 s."""
NOTHING = "–"
"""Stands where a variable has no value."""

_FILTERS = frozenset(
    {
        *("abs", "capitalize", "d", "default", "dictsort", "e", "escape", "first", "float", "int", "items", "join"),
        *("last", "length", "count", "list", "lower", "round", "sort", "string", "title", "tojson", "trim"),
        *("truncate", "unique", "upper", "urlencode", "wordcount"),
    }
)
_TESTS = frozenset(
    {
        *("defined", "undefined", "none", "boolean", "true", "false", "number", "integer", "float", "string"),
        *("mapping", "sequence", "iterable", "odd", "even", "divisibleby", "in", "eq", "==", "ne", "!=", "equalto"),
        *("lt", "<", "lessthan", "gt", ">", "greaterthan", "le", "<=", "ge", ">="),
    }
)
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem),
    *(nodes.If, nodes.CondExpr, nodes.For, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And),
    *(nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv),
    *(nodes.Mod, nodes.List, nodes.Tuple, nodes.Call, nodes.Keyword),
)
_METHODS = frozenset({"items", "keys", "values"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**"})
_BIGGEST = 10.0**15
_WORDS = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "import", nodes.Extends: "extends",
    nodes.Macro: "macro", nodes.CallBlock: "call", nodes.Assign: "set", nodes.AssignBlock: "set", nodes.With: "with",
    nodes.Pow: "**", nodes.Concat: "~", nodes.Block: "block", nodes.FilterBlock: "filter", nodes.Dict: "{…}",
}  # fmt: skip

_steps: ContextVar[list[int]] = ContextVar("template_steps")


class TemplateFailed(Exception):
    """A text could not be rendered; the message says why, in words for whoever wrote it."""


class _Missing(jinja2.ChainableUndefined):
    """What is not there prints as :data:`NOTHING`, and so do its members."""

    def __str__(self) -> str:
        return NOTHING

    def __html__(self) -> str:
        return NOTHING


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = _ARITHMETIC

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers only, and only with those that people mean."""
        _step(1)
        for value in (left, right):
            if not isinstance(value, int | float) or abs(value) > _BIGGEST:
                raise TemplateFailed(f"{operator} works on numbers below 10^15 only")
        return super().call_binop(context, operator, left, right)


def fault_of(text: str) -> str | None:
    """Return why ``text`` cannot be a template, with its line, or ``None``."""
    if len(text) > MAX_TEXT:
        return f"is {len(text)} characters long; at most {MAX_TEXT} are allowed"
    try:
        tree = _PLAIN.parse(text)
        _require_harmless(tree)
        _PLAIN.compile(tree)
    except jinja2.TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    except TemplateFailed as error:
        return str(error)
    except (RecursionError, SyntaxError, MemoryError):
        # Python's own parser gives up at about a hundred parentheses.
        return "is nested too deeply"
    return None


def names_in(text: str) -> set[str]:
    """Return the variables that a harmless template reads: ``{{ resource.name }}`` reads ``resource``."""
    return meta.find_undeclared_variables(_PLAIN.parse(text))


def fill(text: str, variables: Mapping[str, Any], *, escape: Callable[[str], str] | None = None) -> str:
    """Return ``text`` with its variables filled in; ``escape`` makes each value harmless where it will be shown.

    Raises:
        TemplateFailed: it is no harmless template, or the result would be too long or take too long.
    """
    template = _compiled(_PLAIN if escape is None else _finalizing(escape), textwrap.dedent(text).strip("\n"))
    return _written(template, variables)


def fill_html(text: str, variables: Mapping[str, Any]) -> str:
    """Return :func:`fill` with every value escaped for HTML."""
    return _written(_compiled(_HTML, textwrap.dedent(text).strip("\n")), variables)


def _written(template: jinja2.Template, variables: Mapping[str, Any]) -> str:
    token = _steps.set([MAX_STEPS])
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate(dict(variables)):
            _step(1)
            length += len(piece)
            if length > MAX_OUTPUT:
                raise TemplateFailed(f"the result is longer than {MAX_OUTPUT} characters")
            pieces.append(str(piece))
    except TemplateFailed:
        raise
    except Exception as error:  # a border: whatever a person's text does, the page goes out
        raise TemplateFailed(f"{type(error).__name__}: {error}") from error
    finally:
        _steps.reset(token)
    return "".join(pieces)


@lru_cache(maxsize=512)
def _compiled(environment: _Sandbox, text: str) -> jinja2.Template:
    fault = fault_of(text)
    if fault is not None:
        raise TemplateFailed(fault)
    tree = environment.parse(text)
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = nodes.Filter(loop.iter, "_rounds", [], [], None, None, lineno=loop.lineno).set_environment(
            environment
        )
    return environment.from_string(tree)


def _require_harmless(tree: nodes.Template) -> None:
    count = looped = 0
    stack: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while stack:
        node, loops, filters = stack.pop()
        count += 1
        if count > MAX_NODES:
            raise TemplateFailed(f"has more than {MAX_NODES} parts; make it shorter")
        _require_known(node)
        looped += loops > 0
        if looped > MAX_LOOPED_NODES:
            raise _refused(node, f"more than {MAX_LOOPED_NODES} parts inside loops are too many")
        loops += isinstance(node, nodes.For)
        filters = filters + 1 if isinstance(node, nodes.Filter) else filters
        if loops > 1:
            raise _refused(node, "a loop inside a loop is not allowed")
        if filters > MAX_FILTERS:
            raise _refused(node, f"more than {MAX_FILTERS} filters in a row are not allowed")
        stack += [(child, loops, filters) for child in node.iter_child_nodes()]


def _require_known(node: nodes.Node) -> None:
    if not isinstance(node, _NODES):
        word = _WORDS.get(type(node), type(node).__name__.lower())
        raise _refused(node, f'"{word}" is not allowed; write values, conditions, filters and plain loops')
    match node:
        case nodes.Filter(name=name) if name not in _FILTERS:
            raise _refused(node, f"there is no filter {name}; there are {', '.join(sorted(_FILTERS))}")
        case nodes.Test(name=name) if name not in _TESTS:
            raise _refused(node, f"there is no test {name}")
        case nodes.Call(node=called, args=args, kwargs=kwargs):
            if not isinstance(called, nodes.Getattr) or called.attr not in _METHODS or args or kwargs:
                raise _refused(node, "nothing can be called but .items(), .keys() and .values()")
        case nodes.Getattr(attr=attr) if attr.startswith("_"):
            raise _refused(node, f"{attr} is not allowed: names beginning with _ are private")
        case nodes.Name(ctx="store") | nodes.Name(ctx="load"):
            pass
        case nodes.For(recursive=True):
            raise _refused(node, "a recursive loop is not allowed")
        case nodes.Const(value=int() | float() as value) if abs(value) > _BIGGEST:
            raise _refused(node, "a number above 10^15 is not allowed")
        case _:
            pass


def _refused(node: nodes.Node, why: str) -> TemplateFailed:
    return TemplateFailed(f"line {node.lineno}: {why}")


def _step(cost: int) -> None:
    left = _steps.get(None)
    if left is None:
        return
    left[0] -= cost
    if left[0] < 0:
        raise TemplateFailed("it takes too long; make loops shorter")


def _weight(value: object) -> int:
    return 1 + len(value) // 500 if isinstance(value, str | list | tuple | dict) else 1


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a filter count its steps and return nothing longer than a page may be."""

    @wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        _step(sum(_weight(argument) for argument in (*args, *kwargs.values())))
        result = function(*args, **kwargs)
        if isinstance(result, str) and len(result) > MAX_OUTPUT:
            raise TemplateFailed(f"a filter's result is longer than {MAX_OUTPUT} characters")
        return result

    return filtered


def _join(value: Iterable[Any], d: str = "", attribute: str | None = None) -> str:
    """Join the first members; the separator cannot make it longer than a page."""
    del attribute
    members = [str(member) for member in islice(value, MAX_ROUNDS)]
    if sum(map(len, members)) + len(str(d)) * len(members) > MAX_OUTPUT:
        raise TemplateFailed(f"a filter's result is longer than {MAX_OUTPUT} characters")
    return str(d).join(members)


def _rounds(value: Iterable[Any]) -> list[Any]:
    members = list(islice(value, MAX_ROUNDS))
    _step(len(members))
    return members


def _shown(value: Any) -> Any:
    return NOTHING if value is None or callable(value) else value


def _sandbox(*, autoescape: bool, finalize: Callable[[Any], Any]) -> _Sandbox:
    environment = _Sandbox(
        autoescape=autoescape, undefined=_Missing, finalize=finalize, keep_trailing_newline=False, auto_reload=False
    )
    environment.globals.clear()
    environment.filters = {name: _bounded(FILTERS[name]) for name in _FILTERS if name in FILTERS}
    environment.filters |= {"join": _bounded(_join), "_rounds": _rounds}
    environment.tests = {name: TESTS[name] for name in _TESTS if name in TESTS}
    return environment


@lru_cache(maxsize=8)
def _finalizing(escape: Callable[[str], str]) -> _Sandbox:
    return _sandbox(autoescape=False, finalize=lambda value: escape(str(_shown(value))))


_PLAIN = _sandbox(autoescape=False, finalize=_shown)
_HTML = _sandbox(autoescape=True, finalize=lambda value: value if isinstance(value, Markup) else _shown(value))
