"""Counters for Prometheus."""

from fastapi import APIRouter, Response

from invokeai.app.api.api_tokens import TokenDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.image_providers.prometheus import CONTENT_TYPE, metrics_text

metrics_router = APIRouter(tags=["app"], dependencies=[TokenDep])


@metrics_router.get("/metrics", operation_id="get_metrics", response_class=Response)
async def get_metrics(services: ServicesDep) -> Response:
    """Every provider's counters since the server started."""
    return Response(metrics_text(services.image_generation), media_type=CONTENT_TYPE)
