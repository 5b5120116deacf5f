import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def health():
    """A server whose /api/health answers as `health.status` and `health.pause_s` say."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(self.server.pause_s)
            self.send_response(self.server.status if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.pause_s = 200, 0.0
    server.address = f"http://127.0.0.1:{server.server_port}/api"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
