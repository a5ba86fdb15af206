"""The real wheel from the package index becomes a folder that can be served; anything unexpected leaves nothing."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from invokeai.app.services.ui_bundle import __main__ as command
from invokeai.app.services.ui_bundle import build
from invokeai.app.services.ui_bundle.fetch import download_wheel
from invokeai.app.services.ui_bundle.patches import PATCHES, Patch, UiBundleError, patch_set_tag
from invokeai.app.services.ui_bundle.pin import APP_SCRIPT, INDEX_SCRIPT, SCRIPT_SHA256


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return download_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def bundle(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.build_bundle(tmp_path_factory.mktemp("cache"), wheel)


def test_only_the_web_folder_is_taken(bundle: Path) -> None:
    names = {path.relative_to(bundle / "site").parts[0] for path in (bundle / "site").rglob("*") if path.is_file()}
    assert names == {"index.html", "assets", "locales"}
    assert not list(bundle.rglob("*.py"))


def test_patched_scripts_have_new_names_and_no_file_uses_the_old_ones(bundle: Path) -> None:
    tag = patch_set_tag()
    for script in (APP_SCRIPT, INDEX_SCRIPT):
        assert not (bundle / "site" / script).exists()
        assert (bundle / "site" / script.replace(".js", f"-{tag}.js")).is_file()
        old = script.rpartition("/")[2].encode()
        for path in (*(bundle / "site").rglob("*.js"), *(bundle / "site").rglob("*.html")):
            assert old not in path.read_bytes()


def test_all_four_patches_are_in_the_scripts(bundle: Path) -> None:
    text = "".join(path.read_text() for path in sorted((bundle / "site" / "assets").glob("*.js")))
    assert text.count(".provider_id]??`third_party_image_generation`;") == 1
    assert text.count("=[`runware`,`gemini`,`parasail`,`openai`") == 1
    assert text.count(".type===`external_image_generator`)?(") == 1
    assert text.count("||$m.type===`external_image_generator`).sort(") == 1
    assert text.count("&&e.type===`external_image_generator`,") == 1 and "format===`external_api`" not in text
    assert text.count(".get().type!==`spandrel_filter`&&this.") == 3


def test_the_manifest_tells_the_truth(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    files = {path.relative_to(bundle / "site").as_posix() for path in (bundle / "site").rglob("*") if path.is_file()}
    assert set(manifest) == files
    for path, entry in manifest.items():
        data = (bundle / "site" / path).read_bytes()
        assert entry["size"] == len(data)
        assert hashlib.sha256(data).hexdigest().startswith(entry["etag"])
        assert entry["type"] != "application/octet-stream", path
        if "gzip_size" in entry:
            packed = (bundle / "gzip" / path).read_bytes()
            assert len(packed) == entry["gzip_size"] and gzip.decompress(packed) == data


def test_a_second_call_finds_the_bundle_and_fetches_nothing(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "download_wheel", lambda *_: pytest.fail("it was fetched again"))
    assert build.ensure_bundle(bundle.parent) == bundle
    assert build.ensure_bundle(bundle.parent / "elsewhere", bundle.parent) == bundle


def test_the_second_of_two_builders_keeps_the_first_result(wheel: Path, bundle: Path) -> None:
    before = (bundle / "manifest.json").stat().st_ino
    assert build.build_bundle(bundle.parent, wheel) == bundle
    assert (bundle / "manifest.json").stat().st_ino == before
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_a_wheel_with_other_bytes_is_refused_and_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    changed = tmp_path / "invokeai-6.14.2-py3-none-any.whl"
    changed.write_bytes(wheel.read_bytes() + b"x")
    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(UiBundleError, match=r"has the digest .* expected was"):
        build.build_bundle(cache, changed)
    assert list(cache.iterdir()) == []


def test_a_script_with_another_digest_is_refused(wheel: Path) -> None:
    files = build.read_dist(wheel)
    files[APP_SCRIPT] += b"\n"
    with pytest.raises(UiBundleError, match="has the digest"):
        build.patched_files(files)


def test_a_wheel_without_the_script_is_refused(wheel: Path) -> None:
    files = build.read_dist(wheel)
    del files[INDEX_SCRIPT]
    with pytest.raises(UiBundleError, match="The wheel has no"):
        build.patched_files(files)


def test_a_pattern_that_matches_often_stops_the_build(wheel: Path) -> None:
    greedy = Patch("greedy", "matches everywhere", APP_SCRIPT, r"=>", "=>")
    with pytest.raises(UiBundleError, match=r"Patch greedy .* matches \d+ times"):
        build.patched_files(build.read_dist(wheel), SCRIPT_SHA256, (*PATCHES, greedy))


def test_pip_refuses_a_file_with_another_digest(tmp_path: Path) -> None:
    with pytest.raises(UiBundleError, match="pip could not download"):
        download_wheel(tmp_path, sha256="0" * 64)
    assert not list(tmp_path.glob("*.whl"))


def test_folders_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UiBundleError, match="no folder to keep the web UI in"):
        build.ensure_bundle(blocker / "below")


def test_the_command_exports_the_plain_files(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target = tmp_path / "pages"
    assert command.main(["--wheel", str(wheel), "--export", str(target)]) == 0
    assert (target / "index.html").is_file() and not (target / "manifest.json").exists()
    assert str(target) in capsys.readouterr().out
    assert command.main(["--wheel", str(tmp_path / "none.whl"), "--export", str(target)]) == 0  # found in the cache


def test_the_command_says_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert command.main(["--wheel", str(tmp_path / "none.whl")]) == 1
    assert "none.whl" in capsys.readouterr().err
