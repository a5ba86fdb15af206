"""The ASGI application: routers, error answers, the life of the services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError

from invokeai.app.api.api_tokens import TokenRequired
from invokeai.app.api.compression import GzipJson
from invokeai.app.api.dependencies import ApiDependencies
from invokeai.app.api.flat_routes import routes_below
from invokeai.app.api.http_limits import BodyLimit
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.api.openapi import add_openapi_route
from invokeai.app.api.openapi_cache import OpenApiCache
from invokeai.app.api.provider_answers import answer_provider_error
from invokeai.app.api.server_end import ServerEnds
from invokeai.app.api.sockets import Sockets
from invokeai.app.api.validation_answer import answer_validation_error
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.image_providers.provider_errors import ProviderError
from invokeai.app.services.shared import errors
from invokeai.app.services.shared.cache_folder import cache_folder
from invokeai.app.services.shared.database.base import DatabaseConflict, DatabaseRejected, DatabaseUnavailable
from invokeai.version import CONTRACT_VERSION

STATUS_OF_ERROR: dict[type[Exception], int] = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Forbidden: 403,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.NotAvailableHere: 400,
    errors.Unavailable: 503,
    DatabaseUnavailable: 503,
    DatabaseConflict: 409,
    DatabaseRejected: 422,
}


def routers() -> list[APIRouter]:
    """Every router below `/api`."""
    from invokeai.app.api.routers.app_info import app_info_router
    from invokeai.app.api.routers.auth import auth_router
    from invokeai.app.api.routers.board_images import board_images_router
    from invokeai.app.api.routers.boards import boards_router
    from invokeai.app.api.routers.client_state import client_state_router
    from invokeai.app.api.routers.custom_nodes import custom_nodes_router
    from invokeai.app.api.routers.external_providers import external_providers_router
    from invokeai.app.api.routers.gallery import gallery_router
    from invokeai.app.api.routers.image_files import image_files_router
    from invokeai.app.api.routers.image_generation import image_generation_router
    from invokeai.app.api.routers.image_moves import image_moves_router
    from invokeai.app.api.routers.images import images_router
    from invokeai.app.api.routers.invocation_cache import invocation_cache_router
    from invokeai.app.api.routers.model_install import model_install_router
    from invokeai.app.api.routers.model_manager import model_manager_router
    from invokeai.app.api.routers.model_relationships import model_relationships_router
    from invokeai.app.api.routers.recall_parameters import recall_parameters_router
    from invokeai.app.api.routers.session_queue import session_queue_router
    from invokeai.app.api.routers.spend import spend_router
    from invokeai.app.api.routers.style_presets import style_presets_router
    from invokeai.app.api.routers.system_prompts import system_prompts_router
    from invokeai.app.api.routers.utilities import utilities_router
    from invokeai.app.api.routers.videos import videos_router
    from invokeai.app.api.routers.virtual_boards import virtual_boards_router
    from invokeai.app.api.routers.workflows import workflows_router

    # a request is matched against the routes one by one: what the UI asks for most comes first
    return [
        image_files_router,
        app_info_router,
        images_router,
        gallery_router,
        session_queue_router,
        boards_router,
        auth_router,
        board_images_router,
        client_state_router,
        custom_nodes_router,
        external_providers_router,
        image_generation_router,
        image_moves_router,
        invocation_cache_router,
        model_install_router,
        model_manager_router,
        model_relationships_router,
        recall_parameters_router,
        spend_router,
        style_presets_router,
        system_prompts_router,
        utilities_router,
        videos_router,
        virtual_boards_router,
        workflows_router,
    ]


def root_routers() -> list[APIRouter]:
    """Every router whose paths other programs prescribe."""
    from invokeai.app.api.routers.metrics import metrics_router
    from invokeai.app.api.routers.openai_images import openai_images_router

    return [metrics_router, openai_images_router]


def create_app(config: AppConfig) -> FastAPI:
    """The application for `config`. Services are built when it starts and closed when it ends."""

    sockets = Sockets()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = await ApiDependencies.initialize(config)
        await sockets.start(app.state.services.events)
        yield
        await sockets.stop()
        await ApiDependencies.shutdown(app.state.services)

    app = FastAPI(
        title="Invoke - Community Edition",
        version=CONTRACT_VERSION,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        separate_input_output_schemas=False,
    )
    app.add_middleware(GzipJson)
    app.add_middleware(BodyLimit, max_request_bytes=config.max_request_bytes, max_upload_bytes=config.max_upload_bytes)
    add_error_answers(app)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    for router in routers():
        app.router.routes.extend(routes_below("/api", router))
    for router in root_routers():
        app.router.routes.extend(routes_below("", router))
    add_openapi_route(app, OpenApiCache(config.under_root(Path("cache")), prebuilt=cache_folder()))
    app.mount("/ws", sockets.asgi)
    return app


def add_error_answers(app: FastAPI) -> None:
    """Map what services raise to answers."""
    for error, status in STATUS_OF_ERROR.items():
        app.add_exception_handler(error, _answer(status))
    app.add_exception_handler(ProviderError, answer_provider_error)
    app.add_exception_handler(TokenRequired, _answer(401, {"www-authenticate": "Bearer"}))
    app.add_exception_handler(ServerEnds, _answer(503, {"x-should-retry": "false"}))


def _answer(status: int, headers: dict[str, str] | None = None):  # type: ignore[no-untyped-def]
    async def handler(_: Request, error: Exception) -> JsonAnswer:
        return JsonAnswer({"detail": str(error)}, status_code=status, headers=headers)

    return handler
