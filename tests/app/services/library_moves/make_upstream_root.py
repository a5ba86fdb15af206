"""Makes `upstream_root/` again: a small root written by the real InvokeAI, reduced to what an import reads.

Run by hand: `python -m tests.app.services.library_moves.make_upstream_root` (installs the peer of the benchmarks).
Only what this script sends goes into the repository: shipped entries and the secrets of the root are left out.
"""

import io
import json
import re
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from benchmarks import peer
from benchmarks.api import Client
from benchmarks.servers import Running, started, upstream

FOLDER = Path(__file__).with_name("upstream_root")
TABLES = ("boards", "images", "board_images", "videos", "workflow_library", "style_presets", "system_prompts")
SHIPPED = "0f8f5b2e-1c9e-4f2a-9a4e-1f1f1f1f"
"""How ids of system prompts begin that InvokeAI brings along."""
NOT_SHIPPED = {
    "workflow_library": "category = 'user'",
    "style_presets": "type = 'user'",
    "system_prompts": f"id NOT LIKE '{SHIPPED}%'",
}
FILES = ("outputs/images/**/*.*", "style_presets/images/*", "workflow_thumbnails/*")


def png(colour: str, texts: dict[str, Any] | None = None) -> bytes:
    """A small PNG, with JSON texts if wanted."""
    info = PngImagePlugin.PngInfo()
    for keyword, value in (texts or {}).items():
        info.add_text(keyword, json.dumps(value))
    out = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def workflow(name: str) -> dict[str, Any]:
    """A workflow with one note."""
    note = {"id": "note-1", "type": "notes", "label": "", "isOpen": True, "notes": f"{name}: Grüße, 世界"}
    node = {"id": "note-1", "type": "notes", "position": {"x": 10, "y": 20}, "data": note}
    texts = dict.fromkeys(("author", "contact", "notes"), "")
    meta = {"version": "3.0.0", "category": "user"}
    form = {"elements": {}, "rootElementId": "root"}
    return {
        **texts,
        "name": name,
        "description": "Says hello.",
        "version": "1.0.0",
        "tags": "greeting, test",
        "exposedFields": [],
        "meta": meta,
        "nodes": [node],
        "edges": [],
        "form": form,
    }


class Upstream:
    """The calls that fill the root."""

    def __init__(self, server: Running) -> None:
        self._client = Client(server)

    def json(self, method: str, path: str, body: object) -> Any:
        sent = json.dumps(body).encode()
        answer = self._client.call(method, path, sent, {"content-type": "application/json"})
        return json.loads(answer) if answer else None

    def form(self, method: str, path: str, files: dict[str, bytes], fields: dict[str, str] | None = None) -> Any:
        lines = b""
        for name, text in (fields or {}).items():
            lines += f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, data in files.items():
            head = f'--cut\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.png"\r\n'
            lines += f"{head}Content-Type: image/png\r\n\r\n".encode() + data + b"\r\n"
        headers = {"content-type": "multipart/form-data; boundary=cut"}
        return json.loads(self._client.call(method, path, lines + b"--cut--\r\n", headers) or b"null")

    def upload(self, data: bytes, board_id: str | None = None, category: str = "user", metadata: str = "") -> str:
        place = f"&board_id={board_id}" if board_id else ""
        path = f"/api/v1/images/upload?image_category={category}&is_intermediate=false{place}"
        answer = self.form("POST", path, {"file": data}, {"metadata": metadata} if metadata else None)
        return str(answer["image_name"])

    def board(self, name: str) -> str:
        query = name.replace(" ", "%20").replace("ü", "%C3%BC")
        return str(self.json("POST", f"/api/v1/boards/?board_name={query}", {})["board_id"])

    def generate(self, board_id: str) -> None:
        """A picture that the server makes itself, without a model, with graph and workflow in its file."""
        node = {
            "id": "blank",
            "type": "blank_image",
            "width": 40,
            "height": 24,
            "mode": "RGB",
            "is_intermediate": False,
        }
        node |= {"board": {"board_id": board_id}, "metadata": {"positive_prompt": "a blank sheet", "seed": 11}}
        graph = {"id": "g", "nodes": {"blank": node}, "edges": []}
        batch = {"graph": graph, "workflow": workflow("Blank"), "runs": 1}
        self.json("POST", "/api/v1/queue/default/enqueue_batch", {"batch": batch})
        while self._client.get("/api/v1/queue/default/status")["queue"]["completed"] < 1:
            time.sleep(0.2)

    def fill(self) -> None:
        """Two boards, six pictures, a workflow, two style presets and a system prompt."""
        seas, old = self.board("Seas and übersee"), self.board("Old")
        self.json("PATCH", f"/api/v1/boards/{old}", {"archived": True, "board_visibility": "public"})
        metadata = {"positive_prompt": "a green sea, größer", "seed": 7, "width": 48, "height": 32}
        texts = {"invokeai_metadata": metadata, "invokeai_workflow": workflow("In a picture")}
        starred = self.upload(png("red"), seas)
        self.upload(png("green", texts), seas, category="general", metadata=json.dumps(metadata))
        self.upload(png("blue"), old)
        self.upload(png("white"), category="mask")
        self.json("PATCH", "/api/v1/app/runtime_config", {"image_subfolder_strategy": "date"})
        covering = self.upload(png("yellow"))
        self.generate(old)
        self.json("POST", "/api/v1/images/star", {"image_names": [starred]})
        self.json("PATCH", f"/api/v1/boards/{seas}", {"cover_image_name": starred})
        self.json("PATCH", f"/api/v1/images/i/{covering}", {"is_intermediate": True})
        kept = self.json("POST", "/api/v1/workflows/", {"workflow": workflow("Hello")})["workflow_id"]
        self.form("PUT", f"/api/v1/workflows/i/{kept}/thumbnail", {"image": png("purple")})
        for name, files in (("Oil", {"image": png("orange")}), ("Plain", {})):
            data = {"name": name, "positive_prompt": "{prompt}, öl", "negative_prompt": "ink", "type": "user"}
            self.form("POST", "/api/v1/style_presets/", files, {"data": json.dumps(data)})
        prompt = {"name": "Mine", "content": "Say it shorter."}
        self.json("POST", "/api/v1/system_prompts/", prompt)

    def answers(self, database: Path) -> dict[str, Any]:
        """What the server says of its library, by path: an import must make our server say the same."""
        with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as connection:
            boards, images, workflows = (
                [row[0] for row in connection.execute(f"SELECT {sql} ORDER BY 1")]
                for sql in (
                    "board_id FROM boards",
                    "image_name FROM images",
                    "workflow_id FROM workflow_library WHERE category = 'user'",
                )
            )
        connection.close()
        paths = ["/api/v1/boards/?all=true&include_archived=true"]
        paths += [f"/api/v1/images/names?board_id={board}&is_intermediate=false" for board in [*boards, "none"]]
        paths += [f"/api/v1/images/i/{name}{part}" for name in images for part in ("", "/metadata", "/workflow")]
        paths += [f"/api/v1/workflows/i/{workflow_id}" for workflow_id in workflows]
        answers = {path: self._client.get(path) for path in paths}
        for workflow_id in workflows:  # a text of theirs
            del answers[f"/api/v1/workflows/i/{workflow_id}"]["call_saved_workflow_compatibility"]["message"]
        presets = self._client.get("/api/v1/style_presets/")
        prompts = self._client.get("/api/v1/system_prompts/")
        answers["/api/v1/style_presets/"] = [preset for preset in presets if preset["type"] == "user"]
        answers["/api/v1/system_prompts/"] = [prompt for prompt in prompts if not prompt["id"].startswith(SHIPPED)]
        return answers


def dump(path: Path) -> str:
    """The tables as SQL: definitions without comments, and only rows that were put in here."""
    with sqlite3.connect(path) as connection:
        lines = ["PRAGMA foreign_keys = OFF;", "BEGIN;"]
        for table in TABLES:
            (definition,) = connection.execute(
                "SELECT sql FROM sqlite_master WHERE name = ? AND type = 'table'", (table,)
            ).fetchone()
            lines.append(" ".join(re.sub(r"--.*", "", definition).split()) + ";")
            # 2 and 3: generated columns, which take no values
            columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})") if row[6] not in (2, 3)]
            values = " || ', ' || ".join(f"quote({column})" for column in columns)
            wanted = NOT_SHIPPED.get(table, "true")
            rows = connection.execute(f"SELECT {values} FROM {table} WHERE {wanted} ORDER BY rowid").fetchall()
            lines += [f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({row});" for (row,) in rows]
    connection.close()
    return "\n".join([*lines, "COMMIT;"]) + "\n"


def main() -> None:
    """Start the peer on an empty root, fill it, keep what an import reads."""
    peer.install()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        with started(upstream(), root) as server:
            studio = Upstream(server)
            studio.fill()
            answers = studio.answers(root / "databases" / "invokeai.db")
        for name in ("outputs", "style_presets", "workflow_thumbnails"):
            shutil.rmtree(FOLDER / name, ignore_errors=True)
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "invokeai.sql").write_text(dump(root / "databases" / "invokeai.db"), encoding="utf-8")
        text = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / "answers.json").write_text(text, encoding="utf-8")
        for pattern in FILES:
            for file in root.glob(pattern):
                target = FOLDER / file.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                if file.is_file():
                    shutil.copyfile(file, target)


if __name__ == "__main__":
    main()
