"""The section of docs/results.md on digits, from assets/digits.json, which `evaluate digits --json` prints."""

from scripts.tables import DASH, claim, number, rows_of, wrapped

READINGS = {
    "nll": "grey",
    "nll_thresholded": "thresholded at one half",
    "nll_binarised": "binarised at random",
}
ROWS = {
    "baseline": "deterministic network",
    "baseline_first": "the same, first 1,000 images",
    "cvae_elbo": "CVAE, bound",
    "cvae_is": "CVAE, importance sampling",
    "cvae_is_first": "the same, first 1,000 images",
    "cvae_mc": "CVAE, Monte Carlo, first 1,000 images",
    "hybrid_elbo": "hybrid, bound",
    "hybrid": "hybrid, importance sampling",
    "hybrid_mc": "hybrid, Monte Carlo, first 1,000 images",
    "gsnn": "GSNN",
}
# The paper's table 1 is from memory; the tutorial is Pyro's, whose "Monte Carlo" is the bound.
PUBLISHED = {
    "Sohn et al. 2015": {
        "1": {"baseline": 99.75, "cvae_is": 63.9, "cvae_mc": 68.39, "gsnn": 99.82},
        "2": {"baseline": 62.18, "cvae_is": 44.7, "cvae_mc": 45.34, "gsnn": 62.41},
        "3": {"baseline": 25.99, "cvae_is": 20.95, "cvae_mc": 20.96, "gsnn": 26.29},
    },
    "Pyro's tutorial": {
        "1": {"baseline": 100.4, "cvae_elbo": 71.8},
        "2": {"baseline": 61.9, "cvae_elbo": 51.0},
        "3": {"baseline": 25.4, "cvae_elbo": 24.2},
    },
}

INTRODUCTION = """\
Negative log-likelihood of the hidden quadrants of MNIST's {images:,} test images with 1, 2 and 3 visible quadrants, in
nats an image; lower is better. By `python -m cvae_core evaluate digits --data FOLDER --json > assets/digits.json`.
Importance sampling takes 100 samples from the recognition network for each image; Monte Carlo 1,000 from the prior for
each of the first 1,000 images, which are harder than the others; the GSNN 100 from its prior for each image. The
paper's figures are from memory and unconfirmed, and so is how it read the grey levels. Here one model is scored on
three readings of them; it gets the grey picture in all three."""


def digits_section(scores: dict) -> str:
    """Every score of three readings of the pixels, with what is published in the rows that are like it."""
    visible = list(scores["nll"])
    rows = []
    for name, text in ROWS.items():
        measured = [number(scores[reading][n][name], 2) for reading in READINGS for n in visible]
        published = [_published(table, name) for table in PUBLISHED.values()]
        rows.append((text, *measured, *published))
    header = [f"{text}: {n}" if n == visible[0] else n for text in READINGS.values() for n in visible]
    introduction = wrapped(INTRODUCTION.format(images=scores["images"]))
    return introduction + "\n\n" + rows_of(("", *header, *PUBLISHED), rows)


def _published(table: dict[str, dict[str, float]], name: str) -> str:
    """The figures of a row for 1, 2 and 3 visible quadrants."""
    return " / ".join(claim(row[name]) for row in table.values()) if name in table["1"] else DASH
