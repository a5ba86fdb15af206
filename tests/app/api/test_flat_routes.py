"""Routes below a prefix answer as FastAPI's own inclusion does, and the router stays usable."""

import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Route
from starlette.testclient import TestClient

from invokeai.app.api.flat_routes import routes_below


def library() -> APIRouter:
    router = APIRouter(prefix="/v1/books", tags=["books"])

    @router.get("/{book_id}", response_model=None)
    async def read_book(book_id: int, loud: bool = False) -> dict[str, object]:
        return {"book": book_id, "loud": loud}

    @router.delete("/{book_id}", operation_id="burn")
    async def burn_book(book_id: int) -> None:
        return None

    return router


def app_with(router: APIRouter) -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(routes_below("/api", router))
    return app


def test_a_route_is_served_below_the_prefix_only() -> None:
    client = TestClient(app_with(library()))
    assert client.get("/api/v1/books/7?loud=1").json() == {"book": 7, "loud": True}
    assert client.get("/v1/books/7").status_code == 404
    assert client.get("/api/v1/books/seven").status_code == 422
    assert client.post("/api/v1/books/7").status_code == 405


def test_the_document_is_the_one_of_fastapis_own_inclusion() -> None:
    included = FastAPI()
    included.include_router(library(), prefix="/api")
    assert app_with(library()).openapi() == included.openapi()


def test_a_router_can_be_served_twice() -> None:
    router = library()
    app_with(router)
    assert TestClient(app_with(router)).get("/api/v1/books/1").status_code == 200


def test_other_kinds_of_routes_are_refused() -> None:
    router = APIRouter(routes=[Route("/plain", lambda request: None)])
    with pytest.raises(TypeError, match="no API route"):
        list(routes_below("/api", router))
