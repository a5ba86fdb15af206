"""Turns the pinned wheel into a folder ready to serve: `site/`, `gzip/` and `manifest.json`.

The folder appears whole or not at all, and its name changes with the release and with the patches.
"""

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from invokeai.app.services.ui_bundle.fetch import download_wheel
from invokeai.app.services.ui_bundle.patches import PATCHES, Patch, UiBundleError, patch_script, patch_set_tag
from invokeai.app.services.ui_bundle.pin import DIST_FOLDER, SCRIPT_SHA256, UI_VERSION, WHEEL_SHA256

FORMAT = 2
"""Raised when the layout of the folder changes."""
COMPRESSED_SUFFIXES = {".js", ".css", ".html", ".json", ".svg"}
COMPRESS_FROM_BYTES = 1000
CONTENT_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}


def bundle_name() -> str:
    """Name of the prepared folder for this release and these patches."""
    return f"ui-{UI_VERSION}-{patch_set_tag()}-{FORMAT}"


def find_bundle(*folders: Path) -> Path | None:
    """The prepared bundle in the first of `folders` that has it."""
    for folder in folders:
        candidate = folder / bundle_name()
        if (candidate / "manifest.json").is_file():
            return candidate
    return None


def ensure_bundle(*folders: Path) -> Path:
    """The prepared bundle; fetched into the first of `folders` that can be written to when none has it.

    Raises:
        UiBundleError: it cannot be fetched or prepared.
    """
    found = find_bundle(*folders)
    if found is not None:
        return found
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return build_bundle(folder)
        except OSError as error:
            failure = error
            continue
        failure = PermissionError(f"{folder} cannot be written to")
    raise UiBundleError(f"There is no folder to keep the web UI in: {failure}")


def build_bundle(folder: Path, wheel: Path | None = None) -> Path:
    """Prepare the bundle below `folder`, from `wheel` or a fresh download; returns the new folder."""
    with tempfile.TemporaryDirectory(prefix=".ui-", dir=folder) as temporary:
        work = Path(temporary)
        source = wheel or download_wheel(work)
        check_sha256(source.name, source.read_bytes(), WHEEL_SHA256)
        made = work / "bundle"
        write_bundle(made, patched_files(read_dist(source)))
        final = folder / bundle_name()
        try:
            made.rename(final)
        except OSError:
            # another process was faster; its folder is as good as ours
            if not (final / "manifest.json").is_file():
                raise
        return final


def read_dist(wheel: Path) -> dict[str, bytes]:
    """The files of the web UI in `wheel`, by path relative to its folder."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(DIST_FOLDER) and not name.endswith("/")]
        return {name.removeprefix(DIST_FOLDER): archive.read(name) for name in names}


def check_sha256(name: str, data: bytes, expected: str) -> None:
    """Nothing when `data` has the digest `expected`.

    Raises:
        UiBundleError: it has another one.
    """
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise UiBundleError(f"{name} has the digest {digest}, expected was {expected}; the web UI was not prepared.")


def patched_files(
    files: dict[str, bytes],
    digests: dict[str, str] = SCRIPT_SHA256,
    patches: tuple[Patch, ...] = PATCHES,
) -> dict[str, bytes]:
    """`files` with the patched scripts under new names, so that browsers may keep every asset for ever."""
    tag = patch_set_tag(patches)
    renamed: dict[str, bytes] = {}
    changed = dict(files)
    for script, digest in digests.items():
        if script not in files:
            raise UiBundleError(f"The wheel has no {script}; the web UI was not prepared.")
        check_sha256(script, files[script], digest)
        changed[script] = patch_script(script, files[script].decode(), patches).encode()
        name = script.rpartition("/")[2]
        renamed[name] = f"{name.removesuffix('.js')}-{tag}.js".encode()
    result: dict[str, bytes] = {}
    for path, data in changed.items():
        if path.endswith((".js", ".html")):
            for old, new in renamed.items():
                data = data.replace(old.encode(), new)
        head, _, name = path.rpartition("/")
        result[f"{head}/{renamed[name].decode()}" if name in renamed else path] = data
    return result


def write_bundle(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` below `folder/site`, compressed twins below `folder/gzip`, and the manifest."""
    manifest: dict[str, dict[str, str | int]] = {}
    for path, data in sorted(files.items()):
        kind = CONTENT_TYPES.get(Path(path).suffix, "application/octet-stream")
        entry: dict[str, str | int] = {"type": kind, "size": len(data), "etag": hashlib.sha256(data).hexdigest()[:20]}
        _write(folder / "site" / path, data)
        if Path(path).suffix in COMPRESSED_SUFFIXES and len(data) >= COMPRESS_FROM_BYTES:
            packed = gzip.compress(data, 9, mtime=0)
            _write(folder / "gzip" / path, packed)
            entry["gzip_size"] = len(packed)
        manifest[path] = entry
    _write(folder / "manifest.json", json.dumps(manifest, indent=1).encode())


def export_site(bundle: Path, target: Path) -> None:
    """Copy the plain files of `bundle` to `target`, replacing what is there (for static hosts)."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(bundle / "site", target)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
