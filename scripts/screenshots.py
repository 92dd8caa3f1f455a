"""Screenshots of every page and view at three widths in both themes: `python -m scripts.screenshots [PART …]`.

They go to screenshots/, which git ignores, by width and theme; with PART only those whose name contains one of them.
`--shipped` writes the pictures of the README and of Home instead.
"""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from scripts.server import FLAGS, ROOT, settle, start_server, stop_server

WIDTHS, SCHEMES = (1920, 1280, 390), ("light", "dark")
VIEWS = {
    "home": "/",
    "convert": "/convert?verb=stop&target=progressive",
    "convert-two": "/convert?verb=write&beside=tense-heldout",
    "latent-ribbon": "/latent",
    "latent-plane": "/latent?view=Plane",
    "latent-map": "/latent?view=Map",
    "latent-samples": "/latent?view=Samples",
    "latent-dimensions": "/latent?view=Dimensions",
    "digits-complete": "/digits",
    "digits-latent": "/digits?view=Gap",
    "digits-lag": "/digits?view=Gap&when=During+training",
    "video-predict": "/video",
    "video-robot": "/video?source=Real+robot",
    "video-steer": "/video?view=Steer",
    "video-reach": "/video?view=Reach",
    "curves": "/curves",
    "curves-video": "/curves?run=shipped%2Fvideo-robot",
    "curves-two-scores": "/curves?view=Two+scores",
    "curves-sweeps": "/curves?view=Sweeps",
    "curves-reports": "/curves?view=Claimed+and+measured",
    "train": "/train",
    "train-scorecard": "/train?view=Scorecard",
    "theory": "/theory",
    "wug": "/wug",
    "wug-learning": "/wug?view=While+it+learns",
}
README = {"convert": "convert", "ribbon": "latent-ribbon", "plane": "latent-plane", "video": "video-predict"}
DRAWN_MS = 1500  # that pictures may take after the script has run


def shoot(page: Page, width: int, least: int = 800) -> bytes:
    """The whole page, as high as its content."""
    page.set_viewport_size({"width": width, "height": least})
    page.wait_for_timeout(DRAWN_MS)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(least, min(height, 12_000))})
    page.wait_for_timeout(DRAWN_MS)
    return page.screenshot()


def open_view(browser, url: str, scheme: str, **options) -> Page:
    """A page in a context of its own, with Playwright's options for it, when its script has run."""
    page = browser.new_context(color_scheme=scheme, **options).new_page()
    page.goto(url)
    settle(page)
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")  # of parts whose code is still loaded
    return page


def write_all(browser, url: str, parts: list[str]) -> None:
    """Every view at every width in both themes."""
    for name, path in VIEWS.items():
        if parts and not any(part in name for part in parts):
            continue
        for scheme in SCHEMES:
            page = open_view(browser, url + path, scheme)
            for width in WIDTHS:
                file = ROOT / "screenshots" / f"{width}-{scheme}" / f"{name}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(shoot(page, width))
            page.context.close()
        print(name, flush=True)


def write_shipped(browser, url: str) -> None:
    """assets/NAME.png for the README, and the ribbon of Home in both themes."""
    for name, view in README.items():
        page = open_view(browser, url + VIEWS[view], "light")
        (ROOT / "assets" / f"{name}.png").write_bytes(shoot(page, 1280))
        page.context.close()
    for scheme in SCHEMES:
        page = open_view(browser, url + VIEWS["latent-ribbon"], scheme, device_scale_factor=2)
        page.set_viewport_size({"width": 520, "height": 1600})  # twice as wide as high
        page.wait_for_timeout(2 * DRAWN_MS)
        file = ROOT / "assets" / "previews" / f"ribbon-{scheme}.png"
        box = page.locator(".ribbon svg").first.bounding_box()
        page.screenshot(path=file, clip=box)
        page.context.close()


def main() -> None:
    """Start the app and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="parts of the names of views")
    parser.add_argument("--shipped", action="store_true", help="the pictures of the README and of Home")
    args = parser.parse_args()
    process, url = start_server(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            write_shipped(browser, url) if args.shipped else write_all(browser, url, args.parts)
            browser.close()
    finally:
        stop_server(process)


if __name__ == "__main__":
    main()
