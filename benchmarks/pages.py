"""Latency of the pages in a real browser: idle, and beside a training.

    python -m benchmarks.pages

Needs Chromium and requirements-dev.txt. Each page is opened by its address: *first text* is when its title and first
sentence can be read, *main content* when what the page is about is there. Then what is done on the pages, Curves with
30 made-up runs of 500 epochs. The training is the preset best on the whole dictionary, started by the server.
"""

import json
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks import machine
from cvae_core import runs
from cvae_core.run import Run
from scripts.server import FLAGS, settle, start_server, stop_server

REPEATS = 5
# A word for each plane: the coarse picture is not drawn where the fine one is in the cache.
THIRDS = iter([
    "jump", "smile", "carry", "stop", "bake", "open", "clean", "paint", "play", "look", "talk", "call", "plan", "hope",
    "try", "cook", "wash", "turn", "help", "push",
])  # fmt: skip
TEXT = "h1", "[data-testid=stMain] [data-testid=stMarkdown] p"  # a page's title and its first sentence
CURVES = ".js-plotly-plot .scatterlayer path.js-line"
# What each page is about, and the element that shows it.
CONTENT = {
    "": ("the four forms of a verb", ".forms li"),
    "convert": ("the four forms of a verb", ".forms li"),
    "latent": ("the ribbons", ".ribbon svg"),
    "wug": ("the invented verb", ".question b"),
    "digits": ("the first row of pictures", ".completion img"),
    "video": ("the first clip", ".player [role=img]"),
    "train": ("the form, or the run in training", ".st-key-start button, .st-key-stop button"),
    "curves": ("the curves", CURVES),
    "theory": ("the first formula", ".katex"),
}  # fmt: skip
# Notes by the page's own clock when each selector was first painted: Playwright looks for elements every half second.
WATCH = """selectors => {
  const roots = [document], watcher = new MutationObserver(look)
  const attach = Element.prototype.attachShadow
  window.painted = {}
  function look() {
    for (const selector of selectors)
      if (!(selector in painted) && roots.some(root => root.querySelector(selector))) {
        painted[selector] = Infinity
        requestAnimationFrame(() => setTimeout(() => { painted[selector] = performance.now() }))
      }
  }
  function watch(root) {
    roots.push(root)
    watcher.observe(root, { subtree: true, childList: true })
    return root
  }
  Element.prototype.attachShadow = function (options) { return watch(attach.call(this, options)) }
  watch(document)
}"""

# `answered` is the time from the next key to the frame in which the forms of the word are painted.
ANSWER = """word => {
  window.answered = new Promise(resolve => {
    let started
    addEventListener("keydown", event => { started = event.timeStamp }, { once: true, capture: true })
    const watcher = new MutationObserver(() => {
      if (![...document.querySelectorAll(".forms li b")].some(form => form.textContent === word)) return
      watcher.disconnect()
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - started)))
    })
    watcher.observe(document, { subtree: true, childList: true, characterData: true })
  })
}"""


def make_runs(folder: Path, count: int = 30, epochs: int = 500) -> None:
    """Runs with the columns of real ones."""
    for i in range(count):
        rng, run = np.random.default_rng(i), runs.create({"system": "tense", "config": {"seed": i}}, "made-up", folder)
        t = np.arange(1, epochs + 1)
        columns = {
            "loss": 5 / t**0.4, "recon": 4 / t**0.5, "kl": 9 - 8 / t**0.3, "accuracy": 1 - 0.9 / t**0.4,
            "bleu4": 1 - 0.8 / t**0.5, "gaussian": 0.4 - 0.4 / t**0.3,
        }  # fmt: skip
        noisy = {name: values + 0.02 * rng.standard_normal(epochs) for name, values in columns.items()}
        noisy |= {"beta": np.minimum(t / 100, 1), "teacher_forcing_ratio": 1 - t / 1000, "learning_rate": 1e-3 / t}
        rows = [{"epoch": int(e), "step": int(e) * 20, "seconds": 30.0} for e in t]
        for name, values in noisy.items():
            for row, value in zip(rows, values, strict=True):
                row[name] = float(value)
        run.write_metrics(rows)
        run.write_status(state="finished", epoch=epochs)


def made_up() -> list[Run]:
    return [run for run in runs.list_runs() if "made-up" in run.id]


def median_ms(do: Callable[[], None], before: Callable[[], None] = lambda: None) -> float:
    taken = []
    for _ in range(REPEATS):
        before()
        started = time.perf_counter()
        do()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def opening(page: Page, url: str, path: str) -> tuple[float, float]:
    """Median milliseconds from the start of loading a page until its first text, and its content, are painted."""
    content = CONTENT[path][1]
    selectors = [*TEXT, content]
    times = []
    for _ in range(REPEATS):
        page.goto("about:blank")
        page.goto(f"{url}/{path}")
        page.wait_for_function("selectors => selectors.every(s => isFinite(painted[s] ?? Infinity))", arg=selectors)
        painted = page.evaluate("painted")
        times.append((max(painted[selector] for selector in TEXT), painted[content]))
        settle(page)  # what the page still draws is not left to the next repetition
    text, seen = zip(*times, strict=True)
    return statistics.median(text), statistics.median(seen)


def enter_to_word(page: Page, url: str) -> float:
    """From the Enter key to the painted forms of a verb, by the page's own clock."""
    page.goto(f"{url}/convert")
    settle(page)
    box, times = page.get_by_role("textbox", name="Verb"), []
    for word in ("walk", "jump", "smile", "carry", "stop")[:REPEATS]:
        box.fill(word)
        page.evaluate(ANSWER, word)
        box.press("Enter")
        times.append(page.evaluate("answered"))
        settle(page)
    return statistics.median(times)


def click_to_forms(page: Page, url: str) -> float:
    """A click on the map of latent space, until the forms of its point are shown."""
    page.goto(f"{url}/latent?view=Map")
    plot = page.locator(".map canvas")
    plot.wait_for()
    settle(page)
    box = plot.bounding_box()
    places = iter([(0.3, 0.5), (0.55, 0.4), (0.45, 0.6), (0.6, 0.55), (0.4, 0.45), (0.5, 0.35)])
    table = page.get_by_text("Nearest verbs (norm of this z").first

    def click() -> None:
        before = table.inner_text() if table.count() else ""
        x, y = next(places)
        plot.click(position={"x": x * box["width"], "y": y * box["height"]})
        table.wait_for()
        while table.inner_text() == before:
            page.wait_for_timeout(5)

    return median_ms(click, lambda: page.wait_for_timeout(800))


def words_to_ribbon(page: Page, url: str) -> float:
    """Enter in an end of the path, until its ribbons are drawn."""
    page.goto(f"{url}/latent?from=walk&to=skipped")
    page.wait_for_selector(CONTENT["latent"][1])
    settle(page)
    box, words = page.get_by_role("textbox", name="From"), iter(["jump", "smile", "carry", "stop", "bake"])

    def enter() -> None:
        box.fill(word := next(words))
        box.press("Enter")
        title = page.locator(".ribbon svg title").filter(has_text=re.compile(f"^{word}:"))
        title.first.wait_for(state="attached")

    return median_ms(enter, lambda: page.wait_for_timeout(500))


def plane(page: Page, url: str, finished: bool) -> float:
    """A new plane, until its first picture is drawn, the coarse one as a rule, or until it is `finished`."""
    page.goto(f"{url}/latent?view=Plane")
    page.wait_for_selector(".plane canvas")
    settle(page)
    box, side = page.get_by_role("textbox", name="Third"), "[data-side='80']" if finished else ""

    def enter() -> None:
        box.fill(next(THIRDS))
        box.press("Enter")
        page.wait_for_selector(f".plane{side}[data-corners*='{box.input_value()}']", state="attached")

    return median_ms(enter, lambda: page.wait_for_timeout(3000))


def slider_to_curves(page: Page, url: str) -> float:
    """A step of the smoothing slider with 30 runs, until the curves are drawn again."""
    chosen = "&".join(f"run={run.id}" for run in made_up())
    page.goto(f"{url}/curves?{chosen}")
    page.wait_for_selector(CURVES)
    settle(page)
    thumb = page.get_by_role("slider").first

    def step() -> None:
        page.evaluate(f"window.drawn = document.querySelector('{CURVES}').getAttribute('d')")
        thumb.press("ArrowRight")
        page.wait_for_function(
            f"(document.querySelector('{CURVES}') || {{getAttribute: () => window.drawn}}).getAttribute('d')"
            " != window.drawn", timeout=30_000,
        )  # fmt: skip

    return median_ms(step, lambda: page.wait_for_timeout(500))


MEASURES: dict[str, Callable[[Page, str], float]] = {
    "Enter to word": enter_to_word,
    "Enter to ribbons, 201 points": words_to_ribbon,
    "Enter to plane, first picture": partial(plane, finished=False),
    "Enter to plane, 80 x 80": partial(plane, finished=True),
    "click on the map to forms": click_to_forms,
    "30 runs × 500 epochs redrawn": slider_to_curves,
}


def measure(page: Page, url: str, title: str) -> None:
    """Print each time as it is measured: the pages with the shipped runs, then what is done on them, with 30 more."""
    print(f"\n{title:<40}{'first text':>12}{'main content':>16}")
    for path, (content, _) in CONTENT.items():
        text, seen = opening(page, url, path)
        print(f"{path or 'home':<8}{content:<32}{text:>12.0f}{seen:>16.0f}", flush=True)
    make_runs(runs.RUNS)
    for name, taken in MEASURES.items():
        print(f"{name:<40}{taken(page, url):>28.0f}", flush=True)
    for run in made_up():
        shutil.rmtree(run.path)


def train_in_background(page: Page, url: str) -> None:
    """Begin the preset best from random weights on the page, as a user does."""
    page.goto(f"{url}/train?init=random+weights")
    settle(page)
    if not page.get_by_role("button", name="Start training").is_visible():
        page.get_by_text("A new training").click()
    box = page.get_by_role("combobox", name="Start from")
    box.fill("random weights")
    box.press("Enter")
    settle(page)
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("words per second").wait_for(timeout=120_000)


def main() -> None:
    folder = runs.RUNS = Path(tempfile.mkdtemp())
    process, url = start_server(folder)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(60_000)
            page.add_init_script(f"({WATCH})({json.dumps([*TEXT, *(selector for _, selector in CONTENT.values())])})")
            for path, (_, content) in CONTENT.items():  # the server warms up
                page.goto(f"{url}/{path}")
                page.wait_for_selector(content)
            print(f"Median of {REPEATS}, in milliseconds. {machine()}")
            measure(page, url, "Nothing else running")
            train_in_background(page, url)
            measure(page, url, "Beside one training")
            browser.close()
    finally:
        stop_server(process)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
