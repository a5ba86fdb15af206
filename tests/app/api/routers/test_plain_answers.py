"""Routers of what a single-user server without local models does not have: truthful answers, no 5xx."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invokeai.app.api.routers.auth import auth_router
from invokeai.app.api.routers.custom_nodes import custom_nodes_router
from invokeai.app.api.routers.image_moves import image_moves_router
from invokeai.app.api.routers.utilities import utilities_router
from invokeai.app.api.routers.videos import videos_router
from invokeai.app.services.custom_nodes.node_packs import CustomNodesService
from invokeai.app.services.fonts.font_library import FontLibrary
from invokeai.app.services.prompts.prompt_expansion import PromptExpansion
from tests.app.api.library_api import LibraryApi, library_api

ROUTERS = [auth_router, custom_nodes_router, image_moves_router, utilities_router, videos_router]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path,
        ROUTERS,
        custom_nodes=lambda made: CustomNodesService(tmp_path / "nodes"),
        fonts=lambda made: FontLibrary(tmp_path / "fonts"),
        prompt_expansion=lambda made: PromptExpansion(),
    ) as studio:
        yield studio


async def test_single_user_answers(api: LibraryApi) -> None:
    assert await api.json("GET", "/v1/auth/status") == {
        "setup_required": False,
        "multiuser_enabled": False,
        "strict_password_checking": False,
        "admin_email": None,
    }
    assert await api.json("POST", "/v1/auth/media-cookie") == {"success": True}
    assert await api.json("POST", "/v1/auth/logout") == {"success": True}
    account = {"email": "a@b.co", "password": "x"}
    assert "single user" in await api.refusal("POST", "/v1/auth/login", 403, json=account)
    assert "single user" in await api.refusal("POST", "/v1/auth/setup", 403, json=account)
    await api.refusal("POST", "/v1/auth/login", 422, json={})
    for method, path in (("GET", "me"), ("GET", "users"), ("GET", "users/u"), ("GET", "generate-password")):
        assert "single user" in await api.refusal(method, f"/v1/auth/{path}", 401)
    await api.refusal("DELETE", "/v1/auth/users/u", 401)
    await api.refusal("POST", "/v1/auth/users", 401, json=account)


async def test_dynamic_prompts(api: LibraryApi) -> None:
    path = "/v1/utilities/dynamicprompts"
    answer = await api.json("POST", path, json={"prompt": "{a|b} {c|d}", "max_prompts": 3})
    assert answer == {"prompts": ["a c", "a d", "b c"], "error": None}
    seeded = {"prompt": "{a|b} {c|d}", "max_prompts": 3, "combinatorial": False, "seed": 5}
    assert (await api.json("POST", path, json=seeded))["prompts"] == ["b d", "b c", "b d"]


@pytest.mark.parametrize("prompt", ["a {b|c", "{" * 2000])
async def test_a_fault_of_syntax_is_answered_with_the_prompt_as_it_was(api: LibraryApi, prompt: str) -> None:
    answer = await api.json("POST", "/v1/utilities/dynamicprompts", json={"prompt": prompt, "max_prompts": 5})
    assert answer["prompts"] == [prompt]
    assert answer["error"]


async def test_prompts_have_limits(api: LibraryApi) -> None:
    path = "/v1/utilities/dynamicprompts"
    assert "50,000" in await api.refusal("POST", path, 422, json={"prompt": "{a|b}" * 20_000})
    await api.refusal("POST", path, 422, json={"prompt": "{a|b}", "max_prompts": 10_001})
    wide = {"prompt": "{a|b}" * 12 + "x" * 9000, "max_prompts": 4096}
    assert "too long" in (await api.json("POST", path, json=wide))["error"]


async def test_no_language_model(api: LibraryApi) -> None:
    asked = {"prompt": "a cat", "model_key": "nope"}
    assert "language model" in await api.refusal("POST", "/v1/utilities/expand-prompt", 400, json=asked)
    picture = {"image_name": "x.png", "model_key": "nope"}
    assert "language model" in await api.refusal("POST", "/v1/utilities/image-to-prompt", 400, json=picture)


async def test_fonts_are_the_files_of_one_folder(api: LibraryApi) -> None:
    assert await api.json("GET", "/v1/utilities/fonts") == {"fonts": []}
    folder = api.root / "fonts" / "sub dir"
    folder.mkdir(parents=True)
    (folder / "My Font.ttf").write_bytes(b"\x00\x01\x00\x00")
    (folder / "note.txt").write_text("no font")
    (api.root / "secret.ttf").write_bytes(b"secret")
    (font,) = (await api.json("GET", "/v1/utilities/fonts"))["fonts"]
    assert font["family"] == "My Font"
    answer = await api.client.get("/" + font["url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "font/ttf")
    for bad in ("..%2Fsecret.ttf", "%2E%2E/secret.ttf", "sub%20dir/note.txt", "nope.ttf", "a%00.ttf"):
        await api.refusal("GET", f"/v1/utilities/fonts/{bad}", 404)


async def test_nothing_moves(api: LibraryApi) -> None:
    for method, path, status in (("GET", "status", 200), ("POST", "start", 202), ("POST", "recover", 202)):
        answer = await api.json(method, f"/v1/image_moves/{path}", status)
        assert (answer["is_running"], answer["needs_move_count"]) == (False, 0)


async def test_there_are_no_videos(api: LibraryApi) -> None:
    page = await api.json("GET", "/v1/videos/?board_id=none&is_intermediate=false&limit=0&offset=0")
    assert page == {"limit": 0, "offset": 0, "total": 0, "items": []}
    assert (await api.json("GET", "/v1/videos/names"))["video_names"] == []
    names = {"video_names": ["x.mp4"]}
    assert (await api.json("POST", "/v1/videos/star", json=names))["failed_videos"] == ["x.mp4"]
    assert (await api.json("POST", "/v1/videos/delete", json=names))["failed_videos"] == ["x.mp4"]
    for path in ("", "/metadata", "/workflow", "/urls", "/full", "/thumbnail"):
        await api.refusal("GET", f"/v1/videos/i/none.mp4{path}", 404)
    file = {"file": ("a.mp4", b"0000", "video/mp4")}
    query = "video_category=user&is_intermediate=false"
    assert "pictures" in await api.refusal("POST", f"/v1/videos/upload?{query}", 415, files=file)
    await api.refusal("POST", "/v1/videos/star", 422, json={"video_names": ["x"] * 1001})


async def test_node_packs(api: LibraryApi) -> None:
    listed = await api.json("GET", "/v2/custom_nodes/")
    assert listed == {"node_packs": [], "custom_nodes_path": str(api.root / "nodes")}
    assert "Reload" in await api.refusal("POST", "/v2/custom_nodes/install", 403, json={"source": "https://x/y"})
    (api.root / "nodes").mkdir()
    (api.root / "nodes" / "broken_pack.py").write_text("raise RuntimeError('torn')")
    assert await api.json("POST", "/v2/custom_nodes/reload") == {"broken_pack": "RuntimeError: torn"}
    for unknown in ("nope", "..%2Fnodes"):
        await api.refusal("DELETE", f"/v2/custom_nodes/{unknown}", 404)
    gone = await api.json("DELETE", "/v2/custom_nodes/broken_pack")
    assert gone["success"] is True
    assert not (api.root / "nodes" / "broken_pack.py").exists()
