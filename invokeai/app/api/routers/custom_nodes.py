"""Node packs in the `nodes` folder. Packs are put there by the operator: the server downloads no code."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, Field

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.shared.errors import Forbidden

custom_nodes_router = APIRouter(prefix="/v2/custom_nodes", tags=["custom_nodes"])


class NodePackInfo(BaseModel):
    """A loaded pack."""

    name: str
    path: str
    node_count: int
    node_types: list[str]


class NodePackListResponse(BaseModel):
    """The loaded packs, and where packs go."""

    node_packs: list[NodePackInfo]
    custom_nodes_path: str


class InstallNodePackRequest(BaseModel):
    """Where a pack comes from."""

    source: str = Field(max_length=2048)


class InstallNodePackResponse(BaseModel):
    """How an installation went."""

    name: str
    success: bool
    message: str
    workflows_imported: int = 0
    requires_dependencies: bool = False
    dependency_file: str | None = None


class UninstallNodePackResponse(BaseModel):
    """How a removal went."""

    name: str
    success: bool
    message: str


@custom_nodes_router.get("/", operation_id="list_custom_node_packs")
async def list_custom_node_packs(services: ServicesDep) -> NodePackListResponse:
    """The packs that are loaded."""
    packs = [
        NodePackInfo(name=p.name, path=str(p.path), node_count=len(p.node_types), node_types=list(p.node_types))
        for p in services.custom_nodes.packs()
    ]
    return NodePackListResponse(node_packs=packs, custom_nodes_path=str(services.custom_nodes.folder))


@custom_nodes_router.post("/install", operation_id="install_custom_node_pack")
async def install_custom_node_pack(
    services: ServicesDep, body: Annotated[InstallNodePackRequest, Body(description="Where it comes from.")]
) -> InstallNodePackResponse:
    """Refused, with the way that works."""
    raise Forbidden(
        "This server downloads no code. Put the node pack into its folder "
        f"{services.custom_nodes.folder} and press Reload."
    )


@custom_nodes_router.delete("/{pack_name}", operation_id="uninstall_custom_node_pack")
async def uninstall_custom_node_pack(
    services: ServicesDep, pack_name: Annotated[str, Path(description="Name of the pack.")]
) -> UninstallNodePackResponse:
    """Delete a pack's files and forget its nodes."""
    await asyncio.to_thread(services.custom_nodes.uninstall, pack_name)
    return UninstallNodePackResponse(name=pack_name, success=True, message=f"The node pack {pack_name} was removed.")


@custom_nodes_router.post("/reload", operation_id="reload_custom_nodes")
async def reload_custom_nodes(services: ServicesDep) -> dict[str, str]:
    """Load packs that are new; answers `loaded` or the error for each pack."""
    faults = await asyncio.to_thread(services.custom_nodes.load)
    loaded = {pack.name: "loaded" for pack in services.custom_nodes.packs()}
    return {**loaded, **{fault.name: fault.error for fault in faults}}
