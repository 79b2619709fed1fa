"""The vendor's query language: PHP brackets, filters, orders, pages and the list envelope.

Facts: filters are arrays (``filter[id][]``), single values, comma lists or ``[from]``/``[to]`` ranges with both ends
included; a page past the end and an empty list are 204; ``_links.next`` is absolute and keeps the query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MAX_LIMIT = 250
_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


class Problem(Exception):
    """An answer in ``application/problem+json``."""

    def __init__(self, status: int, detail: str, title: str | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.title, self.more = status, detail, title, more

    def response(self) -> Response:
        return problem(self.status, self.detail, self.title, **self.more)


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


def problem_body(status: int, detail: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "title": title or TITLES.get(status, "Error"),
        "type": f"https://httpstatus.es/{status}",
        "status": status,
        "detail": detail,
        **more,
    }


def problem(status: int, detail: str, title: str | None = None, **more: Any) -> Response:
    return JSONResponse(problem_body(status, detail, title, **more), status, media_type="application/problem+json")


def hal(payload: Any) -> Response:
    return JSONResponse(payload, media_type="application/hal+json")


def bracketed(request: Request) -> dict[str, Any]:
    """``a[b][]=1&a[b][]=2`` as nested dictionaries, as PHP reads it."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(request.url.query, keep_blank_values=True):
        found = _KEY.match(name)
        if not found:
            continue
        keys = [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])]
        node = tree
        for key in keys[:-1]:
            inner = node.get(key)
            if not isinstance(inner, dict):
                inner = node[key] = {}
            node = inner
        node[keys[-1] if keys[-1] else str(len(node))] = value
    return tree


def values(node: Any) -> list[str] | None:
    """One value, an array or a comma list; None when the filter is absent."""
    if node is None:
        return None
    if isinstance(node, dict):
        return [str(v) for key, v in node.items() if key not in ("from", "to")]
    return [part.strip() for part in str(node).split(",")]


def integers(node: Any) -> set[int] | None:
    found = values(node)
    if found is None:
        return None
    try:
        return {int(value) for value in found}
    except ValueError:
        raise Problem(400, "Invalid params passed to filter") from None


def span(node: Any, *, bare_is_after: bool = False) -> tuple[int, int] | None:
    """A range of Unix seconds, both ends included; a bare number is that second, or everything after it."""
    if node is None:
        return None
    try:
        if isinstance(node, dict):
            return int(node.get("from", 0)), int(node.get("to", 2**40))
        parts = [int(part) for part in str(node).split(",")]
    except ValueError:
        raise Problem(400, "Invalid params passed to filter") from None
    if len(parts) == 2:
        return parts[0], parts[1]
    return (parts[0], 2**40) if bare_is_after else (parts[0], parts[0])


def withs(request: Request) -> set[str]:
    """``with=a,b``; unknown words are ignored."""
    return {part.strip() for part in request.query_params.get("with", "").split(",") if part.strip()}


def paging(request: Request, cap: int = MAX_LIMIT) -> tuple[int, int]:
    """(page from 1, limit); more than 250 is 422, a smaller cap of the endpoint is applied silently."""
    try:
        page, limit = int(request.query_params.get("page", 1)), int(request.query_params.get("limit", 50))
    except ValueError:
        raise Problem(400, "page and limit must be numbers") from None
    if limit > MAX_LIMIT:
        raise Problem(422, "Limit 250 per page", "Unprocessable Entity")
    if page < 1 or limit < 1:
        raise Problem(400, "page and limit must be positive")
    return page, min(limit, cap) * int(request.scope.get("sandbox.oversize", 1))


def ordered(request: Request, rows: list[Any], keys: dict[str, Callable[[Any], Any]], default: str) -> list[Any]:
    """Sort by ``order[field]=asc|desc``; ties always by id, fields the endpoint does not know are ignored."""
    order = bracketed(request).get("order")
    rows = sorted(rows, key=keys["id"])
    wanted = [(f, d) for f, d in order.items() if f in keys] if isinstance(order, dict) else []
    for field_name, direction in reversed(wanted or [(default, "asc")]):
        rows.sort(key=keys[field_name], reverse=str(direction).lower() == "desc")
    return rows


def page_of(
    request: Request, key: str, rows: Sequence[Any], render: Callable[[Any], Any], cap: int = MAX_LIMIT, **more: Any
) -> Response:
    """One page in the vendor's envelope; 204 when it is empty."""
    page, limit = paging(request, cap)
    part = rows[(page - 1) * limit : page * limit]
    if not part:
        return Response(status_code=204)
    links = {"self": {"href": href(request, page=page)}}
    if len(rows) > page * limit:
        links["next"] = {"href": href(request, page=page + 1)}
    if page > 1:
        links["first"] = {"href": href(request, page=1)}
        links["prev"] = {"href": href(request, page=page - 1)}
    return hal({"_page": page, "_links": links, "_embedded": {key: [render(row) for row in part]}, **more})


def base(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def href(request: Request, page: int) -> str:
    """The same request for another page, absolute."""
    pairs = [(k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k != "page"]
    return f"{base(request)}{request.url.path}?{urlencode([*pairs, ('page', str(page))])}"


def link(request: Request, path: str) -> dict[str, Any]:
    return {"self": {"href": f"{base(request)}/api/v4/{path}"}}


def keep(rows: Iterable[Any], *tests: Callable[[Any], bool] | None) -> list[Any]:
    """Rows that pass every test that is there."""
    wanted = [test for test in tests if test is not None]
    return [row for row in rows if all(test(row) for test in wanted)]
