"""Pictures in and thumbnails out, with real files."""

import json
from collections.abc import Mapping

from benchmarks.api import Client
from benchmarks.bench import Bench
from benchmarks.load import load
from benchmarks.pictures import multipart_png, photo_like_png
from benchmarks.report import Figure
from benchmarks.servers import Running

UPLOAD = "/api/v1/images/upload?image_category=user&is_intermediate=false"
NOTES = (
    "upload: a 1024 × 1024 RGB PNG of a photograph's weight; one connection for the time of one upload, "
    "four connections for the rate.",
    "thumbnail: the WebP of one uploaded picture over 16 connections.",
)


def measure(bench: Bench) -> list[Figure]:
    """Upload time and rate, thumbnail rate."""
    alone = Figure("upload of a 1024² PNG", "ms")
    rate = Figure("uploads, 4 connections", "req/s", more_is_better=True)
    thumbnail = Figure("thumbnail, 16 connections", "req/s", more_is_better=True)
    thumbnail_slow = Figure("thumbnail, 16 connections, p99", "ms")
    body, content_type = multipart_png(photo_like_png())
    form = bench.folder / "upload.form"
    form.parent.mkdir(parents=True, exist_ok=True)
    form.write_bytes(body)
    names: dict[str, str] = {}

    def once(server: Running) -> Mapping[Figure, float]:
        seconds = 4 * bench.scale
        sent = {"method": "POST", "body": form, "content_type": content_type}
        one = load(server, UPLOAD, connections=1, seconds=seconds, **sent)  # type: ignore[arg-type]
        four = load(server, UPLOAD, connections=4, seconds=seconds, **sent)  # type: ignore[arg-type]
        seen = load(server, f"/api/v1/images/i/{names[server.name]}/thumbnail", seconds=seconds)
        return {
            alone: one.p50_ms,
            rate: four.requests_per_second,
            thumbnail: seen.requests_per_second,
            thumbnail_slow: seen.p99_ms,
        }

    with bench.all_started("uploads") as servers:
        for server in servers:
            answer = json.loads(Client(server).call("POST", UPLOAD, body, {"content-type": content_type}))
            names[server.name] = answer["image_name"]
        bench.take_turns(servers, once)
    return [alone, rate, thumbnail, thumbnail_slow]
