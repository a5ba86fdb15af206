"""Routers below a prefix, as one flat list of routes.

FastAPI's own `include_router` matches every request twice, router by router, and builds each route's dependencies a
second time at its first use; a copy of the route under its full path needs neither.
"""

import copy
from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.utils import generate_unique_id
from starlette.routing import compile_path


def routes_below(prefix: str, router: APIRouter) -> Iterator[APIRoute]:
    """The router's routes with `prefix` before their paths; the router itself stays as it is.

    Raises:
        TypeError: a route is not of the kind that the decorators of a router make.
    """
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise TypeError(f"{route} cannot be served below {prefix}: it is no API route")
        served = copy.copy(route)
        served.path = prefix + route.path
        served.path_regex, served.path_format, served.param_convertors = compile_path(served.path)
        served.unique_id = route.operation_id or generate_unique_id(served)
        yield served
