"""Through the Worker to the real server: calls, uploads, sockets."""

import aiohttp

from tests.cloud.cloud_worker import BEARER, CloudDeployment


async def test_the_server_answers_through_the_worker_with_its_records_in_the_workers_database(
    cloud_worker: CloudDeployment,
) -> None:
    async with aiohttp.ClientSession(headers=cloud_worker.worker.sign_in()) as session:
        async with session.get(f"{cloud_worker.url}/api/v1/app/version") as answer:
            assert answer.status == 200
            assert answer.headers["x-content-type-options"] == "nosniff"
        board = await session.post(f"{cloud_worker.url}/api/v1/boards/?board_name=Sea")
        assert board.status == 201, await board.text()
    async with aiohttp.ClientSession(headers=BEARER) as program:
        boards = await (await program.get(f"{cloud_worker.url}/api/v1/boards/?all=true")).json()
    assert [one["board_name"] for one in boards] == ["Sea"]
