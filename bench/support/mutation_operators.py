"""Small mistakes a person makes in source text: :func:`of_python` and :func:`of_sql` list every place for one.

A change replaces one span of the file, so it can be shown as a diff and undone by writing the file again. Pure functions.
Left alone: annotations, docstrings, log lines and asserts, where a mistake changes nothing a test could see.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """``source[start:end]`` becomes ``new``; ``kind`` names the mistake."""

    kind: str
    start: int
    end: int
    new: str

    def applied(self, source: str) -> str:
        return source[: self.start] + self.new + source[self.end :]


_OPPOSITE: dict[type[ast.cmpop], tuple[str, str, str]] = {
    ast.Lt: (r"<", "<=", "boundary"),
    ast.LtE: (r"<=", "<", "boundary"),
    ast.Gt: (r">", ">=", "boundary"),
    ast.GtE: (r">=", ">", "boundary"),
    ast.Eq: (r"==", "!=", "comparison"),
    ast.NotEq: (r"!=", "==", "comparison"),
    ast.In: (r"\bin\b", "not in", "comparison"),
    ast.NotIn: (r"\bnot\s+in\b", "in", "comparison"),
    ast.Is: (r"\bis\b", "is not", "comparison"),
    ast.IsNot: (r"\bis\s+not\b", "is", "comparison"),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: (r"\+", "-"),
    ast.Sub: (r"-", "+"),
    ast.Mult: (r"\*", "/"),
    ast.Div: (r"/", "*"),
    ast.FloorDiv: (r"//", "*"),
}
_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_PLAIN_CALLS = ("strip", "rstrip", "lstrip", "lower", "upper", "casefold", "title")
_TEXTS = (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp, ast.Dict)
_LOGS = ("log", "logger", "logging")
_RUSSIAN_WORD = re.compile(r"(?<=[а-яё,])\s+[а-яё]{2,}(?=[\s.,;:»\"'?]|$)", re.I)
_PLACEHOLDER = re.compile(r"\{[^{}]+\}")


def of_python(source: str) -> list[Change]:
    """Every change of the file, without repeats; whether it still compiles is asked of those that are used."""
    return list(dict.fromkeys(_Python(source).changes()))


def compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


class _Python:
    def __init__(self, source: str) -> None:
        self._source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def changes(self) -> Iterator[Change]:
        for node in self._walk(ast.parse(self._source)):
            yield from self._of(node)

    def _walk(self, node: ast.AST) -> Iterator[ast.AST]:
        """Nodes of what runs. Inside an f-string positions are not to be trusted: it is one node."""
        yield node
        if isinstance(node, ast.JoinedStr):
            return
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_silent(child):
                    yield from self._walk(child)

    def _of(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Compare():
                yield from self._compared(node)
            case ast.BoolOp():
                yield from self._joined(node)
            case ast.UnaryOp(op=ast.Not()):
                yield self._change("not removed", self._at(node), self._at(node) + len("not "), "")
            case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
                yield self._change("sign", self._at(node), self._at(node) + 1, "")
            case ast.If(test=test) | ast.While(test=test):
                yield self._around("negation", test, "not (", ")")
            case ast.IfExp():
                body, orelse = self._text(node.body), self._text(node.orelse)
                yield self._replaced("swapped branches", node, f"{orelse} if {self._text(node.test)} else {body}")
            case ast.BinOp():
                yield from self._computed(node)
            case ast.Constant():
                yield from self._constant(node)
            case ast.JoinedStr():
                yield from self._formatted(node)
            case ast.Call():
                yield from self._called(node)
            case ast.Subscript(slice=ast.Slice(upper=upper, lower=lower)):
                if upper is not None:
                    yield self._around("limit", upper, "(", ") + 1")
                    yield self._replaced("limit", node, self._text(node.value))
                elif lower is not None:
                    yield self._replaced("limit", node, self._text(node.value))
            case ast.comprehension(ifs=[*ifs]):
                for test in ifs:
                    yield self._replaced("filter removed", test, "True")
            case ast.Lambda(body=ast.Tuple(elts=[*parts])) if len(parts) > 1:
                for part in parts:
                    yield self._replaced("sort key", part, "0")
            case ast.Expr(value=ast.Call() | ast.Await() | ast.YieldFrom() | ast.Yield()):
                yield self._replaced("statement removed", node, "pass")
            case ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
                yield self._replaced("statement removed", node, "pass")
            case ast.Return(value=None):
                yield self._replaced("statement removed", node, "pass")

    def _compared(self, node: ast.Compare) -> Iterator[Change]:
        left: ast.expr = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            pattern, new, kind = _OPPOSITE[type(op)]
            yield from self._between(kind, left, right, pattern, new)
            left = right

    def _joined(self, node: ast.BoolOp) -> Iterator[Change]:
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in itertools.pairwise(node.values):
            yield from self._between("and/or", left, right, rf"\b{word}\b", other)
        neutral = "True" if word == "and" else "False"
        for value in node.values:
            yield self._replaced("condition removed", value, neutral)

    def _computed(self, node: ast.BinOp) -> Iterator[Change]:
        if type(node.op) in _ARITHMETIC and not any(_is_text(side) for side in (node.left, node.right)):
            pattern, new = _ARITHMETIC[type(node.op)]
            yield from self._between("arithmetic", node.left, node.right, pattern, new)

    def _constant(self, node: ast.Constant) -> Iterator[Change]:
        value = node.value
        if isinstance(value, bool):
            yield self._replaced("constant", node, str(not value))
        elif isinstance(value, int | float):
            step = 1 if isinstance(value, int) else 0.5
            yield self._replaced("constant", node, repr(value + step))
            if value >= 2:
                yield self._replaced("constant", node, repr(value - step))
        elif isinstance(value, str):
            yield from self._worded(node)
            if is_sql(value):
                start, end = self._at(node), self._end(node)
                for change in of_sql(self._source[start:end], in_python=True):
                    yield Change(change.kind, start + change.start, start + change.end, change.new)

    def _worded(self, node: ast.expr) -> Iterator[Change]:
        """A word of a Russian text is lost. Patterns are not texts."""
        text = self._text(node)
        if text.startswith(("r", "R")) or "\\" in text or "(?:" in text:
            return
        for word in list(_RUSSIAN_WORD.finditer(text))[:2]:
            start = self._at(node)
            yield Change("wording", start + word.start(), start + word.end(), "")

    def _formatted(self, node: ast.JoinedStr) -> Iterator[Change]:
        if self._text(node)[:1] not in "fF":
            return
        yield from self._worded(node)
        fields = list(_PLACEHOLDER.finditer(self._text(node)))
        for first, second in itertools.pairwise(fields):
            if first[0] != second[0]:
                at = self._at(node)
                between = self._text(node)[first.end() : second.start()]
                yield Change("swapped arguments", at + first.start(), at + second.end(), second[0] + between + first[0])

    def _called(self, node: ast.Call) -> Iterator[Change]:
        function = node.func
        if isinstance(function, ast.Name):
            if function.id in _TWINS:
                yield self._replaced("min/max", function, _TWINS[function.id])
            if function.id in ("abs", "sorted") and node.args:
                kept = self._text(node.args[0])
                yield self._replaced("call removed", node, f"({kept})" if function.id == "abs" else f"list({kept})")
        if isinstance(function, ast.Attribute) and not node.args and function.attr in _PLAIN_CALLS:
            yield self._replaced("call removed", node, self._text(function.value))
        for first, second in zip(node.args[:2], node.args[1:2], strict=False):
            texts = self._text(first), self._text(second)
            if texts[0] != texts[1] and not any(isinstance(one, ast.Starred) for one in (first, second)):
                between = self._source[self._end(first) : self._at(second)]
                if "\n" not in between:
                    yield self._change(
                        "swapped arguments", self._at(first), self._end(second), texts[1] + between + texts[0]
                    )
        for keyword in node.keywords:
            if keyword.arg is not None:
                rest = re.compile(r"\s*,?").match(self._source, self._end(keyword))
                yield self._change("argument removed", self._at(keyword), rest.end() if rest else 0, "")

    def _between(self, kind: str, left: ast.expr, right: ast.expr, pattern: str, new: str) -> Iterator[Change]:
        gap = self._source[self._end(left) : self._at(right)]
        if found := re.search(pattern, gap):
            start = self._end(left) + found.start()
            yield self._change(kind, start, start + len(found[0]), new)

    def _around(self, kind: str, node: ast.expr, before: str, after: str) -> Change:
        return self._replaced(kind, node, before + self._text(node) + after)

    def _replaced(self, kind: str, node: ast.AST, new: str) -> Change:
        return self._change(kind, self._at(node), self._end(node), new)

    def _change(self, kind: str, start: int, end: int, new: str) -> Change:
        return Change(kind, start, end, new)

    def _text(self, node: ast.AST) -> str:
        return self._source[self._at(node) : self._end(node)]

    def _at(self, node: ast.AST) -> int:
        return self._place(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def _end(self, node: ast.AST) -> int:
        return self._place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _place(self, line: int, column: int) -> int:
        """The parser counts bytes, a text is of letters."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())


def _is_silent(node: ast.AST) -> bool:
    match node:
        case ast.Assert():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name in _LOGS
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, _TEXTS) and not (isinstance(node, ast.Constant) and not isinstance(node.value, str))


# --- SQL ----------------------------------------------------------------------------------------------------

_SQL = re.compile(r"^\s*(?:with|select|insert into|update|delete from)\b|\b(?:from|join|where|order by)\s+\w", re.I)
#: what a column is compared with; never a parameter, whose removal no statement survives
_VALUE = r"(?:'[^'\n]*'|[\w.]+(?:\([^()%]*\))?)"
_END = r"(?=\s+(?:and|or|order by|group by|limit|on conflict|returning|union|for update)\b|\s*[\"')\n;]|$)"
_SQL_RULES: tuple[tuple[str, str, str], ...] = (
    ("lock removed", r"\s+for (?:no key )?update(?: of \w+)?(?: skip locked| nowait)?", ""),
    ("order", r"\s*\border by\s+[^()\"\n]+?(?=\s+limit\b|\s*[\"')\n;]|$)", ""),
    ("order", r"(?<=\w) desc\b", ""),
    ("order", r" nulls last\b", ""),
    ("limit", r"\s+limit\s+(?!%s)[\w%()]+", ""),
    ("filter removed", r"\s+and\s+[\w.]+ *(?:=|<>|<=|>=|<|>) *" + _VALUE + _END, ""),
    ("filter removed", r"\s+and\s+[\w.]+ is (?:not )?null\b" + _END, ""),
    ("filter removed", r"\s+and\s+(?:not )?[\w.]+(?=\s*[\"'\n)]|\s+(?:and|order by|group by))", ""),
    ("filter removed", r"\s*\bfilter \(where [^()]*\)", ""),
    ("min/max", r"\bmin(?=\()", "max"),
    ("min/max", r"\bmax(?=\()", "min"),
    ("call removed", r"\bdistinct\s+", ""),
    ("call removed", r"\bcoalesce(?=\()", "nullif"),
    ("join", r"\bleft join\b", "join"),
    ("comparison", r"\bis not null\b", "is null"),
    ("comparison", r"\bis null\b", "is not null"),
    ("boundary", r"(?<=\s)<(?=\s)", "<="),
    ("boundary", r"(?<=\s)<=(?=\s)", "<"),
    ("boundary", r"(?<=\s)>(?=\s)", ">="),
    ("boundary", r"(?<=\s)>=(?=\s)", ">"),
    ("and/or", r"\band\b(?=\s+(?:not\s+)?\w)", "or"),
)
_RULES = tuple((kind, re.compile(pattern, re.I), new) for kind, pattern, new in _SQL_RULES)
_NOT_SQL = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}|\{%.*?%\}", re.S)


def is_sql(text: str) -> bool:
    """A statement or a piece of one; a sentence with «from» in it is none."""
    return (
        _SQL.search(text) is not None
        and re.search(r"[=(,]|\bfrom \w+\.", text) is not None
        and text == text.strip("\n")
    )


def of_sql(source: str, *, in_python: bool = False) -> list[Change]:
    """Every change of a statement; comments and Jinja's blocks are left alone."""
    hidden = [] if in_python else [(found.start(), found.end()) for found in _NOT_SQL.finditer(source)]
    changes = []
    for kind, pattern, new in _RULES:
        for found in pattern.finditer(source):
            if not any(start < found.end() and found.start() < end for start, end in hidden):
                changes.append(Change(f"sql: {kind}", found.start(), found.end(), new))
    return changes
