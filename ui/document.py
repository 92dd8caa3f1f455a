"""The HTML document of every page: Streamlit's own, with the server's address in it.

Without the address, Streamlit's frontend requests the health check below the page's path, then at the root, then the
host configuration, and only then opens the websocket, a tenth of a second later (Streamlit's pull requests 11537 and
13342).
"""

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from streamlit import config, file_util

from ui.frame import PAGES

HOME = "home"  # the page at the root


def document() -> str:
    """Streamlit's document with `window.__streamlit`; the server's address is the folder of the page's own address."""
    html = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    host = {"allowedOrigins": config.get_option("client.allowedOrigins"), "useExternalAuthToken": False}
    settings = f"{{ BACKEND_BASE_URL: root, MAIN_PAGE_BASE_URL: root, HOST_CONFIG: {json.dumps(host)} }}"
    script = f"<script>{{ const root = new URL('.', location).href; window.__streamlit = {settings} }}</script>"
    return html.replace("<head>", f"<head>{script}", 1)


def routes() -> list[Route]:
    """A route to the document for each file in pages/; Streamlit answers all other addresses."""
    html = document()

    async def answer(_: Request) -> HTMLResponse:
        return HTMLResponse(html, headers={"Cache-Control": "no-cache"})

    names = [path.stem for path in PAGES.glob("*.py")]
    return [Route("/" if name == HOME else f"/{name}", answer) for name in names]
