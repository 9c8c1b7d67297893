"""The download: only the right content arrives, and it arrives whole."""

from __future__ import annotations

import http.server
import threading

import pytest

from collinear.quality.fetch_model import URL, fetch_model
from collinear.quality.ma_model import BLOB, ModelError, blob_id

CONTENT = bytes(range(256)) * 300


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the content, a broken copy of it, or nothing."""

    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        length = len(CONTENT)
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        short = self.path == "/short"
        self.wfile.write(CONTENT[: length // 2] if short else CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """Return the address of a server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_the_content_is_put_in_its_place(server, tmp_path):
    path = tmp_path / "deep" / "model.mat"
    fetch_model(path, url=f"{server}/model", blob=blob_id(CONTENT))
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model", f"must have git blob id {BLOB}, but has"),
        ("missing", "cannot be downloaded .*404"),
        ("short", "must have git blob id"),
    ],
)
def test_anything_else_is_refused_and_nothing_kept(server, tmp_path, name, message):
    path = tmp_path / "model.mat"
    with pytest.raises(ModelError, match=message) as caught:
        fetch_model(path, url=f"{server}/{name}")
    assert "or choose another objective, such as niqe" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be downloaded"):
        fetch_model(tmp_path / "m", url=(tmp_path / "none").as_uri())


def test_the_address_names_the_published_blob():
    assert URL.startswith("https://api.github.com/repos/chaoma99/sr-metric/")
    assert URL.endswith(BLOB)
