"""Open a page without a browser, as the router runs it, and find its elements."""

from functools import cache
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.helpers import ROOT

# Each AppTest searches all installed packages for components, which takes as long as a page: search once.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def open_page(page: str, state: dict[str, Any] | None = None, **query: str | list[str]) -> AppTest:
    """A page by its name, with values of widgets and query parameters; it must not raise an exception.

    Home is run by the router, other pages without it. The browser tests cover the router.
    """
    path = ROOT / ("ui/router.py" if page == "home" else f"pages/{page}.py")
    at = AppTest.from_file(str(path), default_timeout=120)
    at.session_state["_opened"] = page  # no browser needs time to paint
    for name, value in (state or {}).items():
        at.session_state[name] = value
    at.query_params.update(query)
    at.run()
    assert not at.exception, [element.value for element in at.exception]
    return at


def button(at: AppTest, label: str):
    """The first button with this label."""
    return next(b for b in at.button if b.label == label)


def texts(at: AppTest) -> str:
    """All texts, messages and code of the page."""
    return "\n".join(element.value for element in [*at.markdown, *at.error, *at.info, *at.code])


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave links out: a page that runs alone knows no other page. The browser tests follow links."""
    for owner in ("streamlit", "streamlit.delta_generator.DeltaGenerator"):
        monkeypatch.setattr(f"{owner}.page_link", lambda *args, **options: None)
