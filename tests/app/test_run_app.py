"""The command as a user runs it: settings, refusals in one sentence, and a clean end."""

import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.studio_process import StudioProcess


def _run(*arguments: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INVOKEAI_")}
    command = [sys.executable, "-m", "invokeai.app.run_app", "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=kept | environment)


def _assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_wrong_port_is_a_sentence(tmp_path: Path) -> None:
    _assert_refused(_run("--port", "99999", root=tmp_path), "port", "65535")


def test_an_unknown_setting_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "invokeai.yaml").write_text("prot: 1\n")
    _assert_refused(_run(root=tmp_path), "prot")


def test_broken_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "invokeai.yaml").write_text("a: [1\n")
    done = _run(root=tmp_path)
    assert done.returncode == 2 and "not valid YAML" in done.stderr


def test_a_token_that_could_be_guessed_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "invokeai.yaml").write_text("api_tokens: [token-of-program-one, pa55word]\n")
    done = _run("--port", "0", root=tmp_path)
    _assert_refused(done, "api_tokens", "fewer than 16 characters")
    assert "pa55word" not in done.stderr and "program-one" not in done.stderr


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        _assert_refused(_run("--port", port, root=tmp_path), port, "in use", "--port")


def test_an_unknown_host_is_a_sentence(tmp_path: Path) -> None:
    _assert_refused(_run("--host", "no.such.host.invalid", "--port", "0", root=tmp_path), "no.such.host.invalid")


def test_a_root_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    _assert_refused(_run("--port", "0", root=tmp_path / "root"), "root")


def test_the_server_answers_and_ends_cleanly(studio: StudioProcess) -> None:
    assert httpx.get(f"{studio.base_url}/api/v1/app/version").status_code == 200
    assert httpx.get(f"{studio.base_url}/api/v1/no/such/thing").status_code == 404
    assert "switched off" in httpx.get(f"{studio.base_url}/").text
    assert studio.stop() == 0
    assert "Traceback" not in studio.log_text()


def test_the_server_starts_again_after_kill(studio: StudioProcess) -> None:
    studio.kill()
    assert not studio.is_running()
    studio.start()
    assert httpx.get(f"{studio.base_url}/api/v1/app/version").status_code == 200


def test_settings_come_from_environment_and_file_and_the_environment_wins(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "invokeai.yaml").write_text("max_request_bytes: 2000\nlog_level: debug\nweb_ui: auto\n")
    process = StudioProcess(root, settings={"INVOKEAI_MAX_REQUEST_BYTES": "3000"}).start()
    try:
        answer = httpx.post(f"{process.base_url}/api/v1/client_state/default/set_by_key?key=k", content=b"x" * 3001)
        assert answer.status_code == 413 and "3000 bytes" in answer.text
    finally:
        process.stop()


def test_a_database_that_cannot_be_opened_is_a_sentence_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "databases" / "invokeai.db").mkdir(parents=True)
    done = _run("--port", "0", root=tmp_path)
    assert done.returncode != 0
    assert "The start failed: The database" in done.stderr and "Traceback" not in done.stderr


def test_root_and_port_come_from_the_environment(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        environment = dict(os.environ) | {"INVOKEAI_ROOT": str(tmp_path / "from-env"), "INVOKEAI_PORT": port}
        command = [sys.executable, "-m", "invokeai.app.run_app"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    _assert_refused(done, port)
    assert (tmp_path / "from-env").is_dir()


def test_a_server_that_cannot_fetch_the_web_ui_serves_the_api_and_says_so(tmp_path: Path) -> None:
    settings = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    settings |= {"PIP_RETRIES": "0", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    process = StudioProcess(tmp_path / "root", web_ui=True, settings=settings).start()
    try:
        page = httpx.get(f"{process.base_url}/")
        assert page.status_code == 200 and "could not be fetched" in page.text
        assert httpx.get(f"{process.base_url}/api/v1/no/such/thing").status_code == 404
        assert "The API is served without it" in process.log_text()
    finally:
        process.stop()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has heaps for threads")
def test_threads_share_one_heap() -> None:
    program = """
import ctypes, sys, threading
from invokeai.app.run_app import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
c = ctypes.CDLL(None)
c.malloc.restype = c.fdopen.restype = ctypes.c_void_p
meet = threading.Barrier(4)
threads = [threading.Thread(target=lambda: (c.malloc(1000), meet.wait())) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
out = ctypes.c_void_p(c.fdopen(1, b"w"))
c.malloc_info(0, out)
c.fflush(out)
"""

    def heaps(how: str) -> int:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC")}
        command = [sys.executable, "-c", program, how]
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        return told.count("<heap nr=")

    assert heaps("own") > heaps("shared") == 1
