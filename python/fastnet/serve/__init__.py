"""A server of one model, with a page to draw on: ``pip install "fastnet-nn[serve]"``.

``fastnet serve MODEL`` starts it. `create_app` returns it as an ASGI application, for any ASGI server.
"""

from fastnet.serve.app import create_app

__all__ = ["create_app"]
