"""Pictures for the gallery, put there without the browser."""

import io
import json

import httpx
from PIL import Image


def upload(api: httpx.Client, prompt: str, size: tuple[int, int]) -> str:
    """Put a picture into the gallery as if it had been generated; its name."""
    data = io.BytesIO()
    Image.new("RGB", size, "navy").save(data, "PNG")
    answer = api.post(
        "/images/upload",
        params={"image_category": "general", "is_intermediate": False},
        files={"file": ("made.png", data.getvalue(), "image/png")},
        data={"metadata": json.dumps({"positive_prompt": prompt})},
    )
    answer.raise_for_status()
    return str(answer.json()["image_name"])
