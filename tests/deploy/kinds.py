"""A manifest read as Kubernetes reads it: by the models of its own client, but strictly.

The client ignores a key it does not know; here it is an error, as a missing required one and a wrong type are.
"""

from __future__ import annotations

import re
from typing import Any

from kubernetes.client import models

_PRIMITIVES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}


def model_of(api_version: str, kind: str) -> type[Any]:
    """``apps/v1`` Deployment → V1Deployment."""
    version = api_version.rpartition("/")[2]
    return getattr(models, f"{version[0].upper()}{version[1:]}{kind}")  # type: ignore[no-any-return]


def check(document: dict[str, Any]) -> Any:
    """The object of the client; raises ``ValueError`` naming the place of what is wrong."""
    return _object(model_of(document["apiVersion"], document["kind"]), document, document["kind"])


def _object(model: type[Any], value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: a mapping is wanted")
    names = {written: name for name, written in model.attribute_map.items()}
    unknown = set(value) - set(names)
    if unknown:
        raise ValueError(f"{place}: unknown {sorted(unknown)}")
    made = {names[key]: _typed(model.openapi_types[names[key]], part, f"{place}.{key}") for key, part in value.items()}
    try:
        return model(**made)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _typed(wanted: str, value: Any, place: str) -> Any:
    if (found := re.fullmatch(r"list\[(.+)\]", wanted)) is not None:
        if not isinstance(value, list):
            raise ValueError(f"{place}: a list is wanted")
        return [_typed(found[1], part, f"{place}[{number}]") for number, part in enumerate(value)]
    if (found := re.fullmatch(r"dict\((.+), (.+)\)", wanted)) is not None:
        if not isinstance(value, dict):
            raise ValueError(f"{place}: a mapping is wanted")
        return {key: _typed(found[2], part, f"{place}.{key}") for key, part in value.items()}
    if wanted in _PRIMITIVES:
        if not isinstance(value, _PRIMITIVES[wanted]) or (wanted != "bool" and isinstance(value, bool)):
            raise ValueError(f"{place}: {wanted} is wanted, not {value!r}")
        return value
    model = getattr(models, wanted, None)
    return value if model is None else _object(model, value, place)
