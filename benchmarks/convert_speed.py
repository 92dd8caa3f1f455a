"""Conversion speed: one verb in its four tenses on one thread, and a whole file on all cores.

python -m benchmarks.convert_speed [--checkpoint tense] [--rows 20000]
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import machine, table
from cvae_core.checkpoint import ROOT
from cvae_core.tense.batch import GROUP
from cvae_core.tense.data import DIRECTIONS, TENSES, select_split
from cvae_core.tense.inference import Tense, load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.model import TenseCVAE

REPEATS = 200


def verb_milliseconds(tense: Tense, repeats: int = REPEATS) -> float:
    """Median time to convert one held-out verb into the four tenses, after a warm-up."""
    verbs = select_split(load_lexicon().verbs, "test")
    times = []
    for i in range(repeats + 10):
        source = i % len(TENSES)
        word = verbs[i % len(verbs)].row[source]
        began = time.perf_counter()
        tense.convert([word] * len(TENSES), [source] * len(TENSES), range(len(TENSES)))
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[10:])


def tasks(rows: int) -> list[tuple[str, int, int]]:
    """(word, source, target) over the lexicon's verbs and the 12 directions, lengths mixed."""
    verbs = load_lexicon().verbs
    picks = [(verbs[i * 101 % len(verbs)], DIRECTIONS[i % len(DIRECTIONS)]) for i in range(rows)]
    return [(verb.row[source], source, target) for verb, (source, target) in picks]


def convert_rate(tense: Tense, rows: int) -> float:
    """Words a second of `Tense.convert` on a list, no file."""
    words, sources, targets = zip(*tasks(rows), strict=True)
    began = time.perf_counter()
    tense.convert(words, sources, targets)
    return rows / (time.perf_counter() - began)


def product_share(tense: Tense, rows: int, turns: int = 3) -> float:
    """The time of the matrix products that a file's conversions need, as a share of the model's time for them.

    Groups of words of like length, as `convert --file` makes them; both sides take turns on each group. Only what the
    words need is counted: their own letters, not the padding.
    """
    jobs = sorted(tasks(rows), key=lambda job: len(job[0]))
    model_time = product_time = 0.0
    for start in range(0, rows, GROUP):
        words, sources, targets = zip(*jobs[start : start + GROUP], strict=True)
        letters = [len(c.form) + 1 for c in tense.convert(words, sources, targets)]
        products = matrix_products(tense.model, sum(len(w) + 1 for w in words), sum(letters), len(words))
        model_times, product_times = [], []
        for _ in range(turns):
            model_times.append(seconds(lambda: tense.convert(words, sources, targets)))  # noqa: B023
            product_times.append(seconds(lambda: [x @ w for x, w, n in products for _ in range(n)]))  # noqa: B023
        model_time += min(model_times)
        product_time += min(product_times)
    return product_time / model_time


def matrix_products(model: TenseCVAE, read: int, written: int, words: int) -> list[tuple]:
    """Inputs, weights and number of products for words of `read` letters in all and answers of `written`.

    What a layer reads at every letter at once is one product; what goes from letter to letter is one for each place.
    """

    def product(layer: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        return torch.randn(rows, layer.shape[1]), layer.detach().t()

    def places(letters: int) -> int:
        return max(1, round(letters / words))

    found = []
    for encoder in filter(None, (model.encoder, model.encoder_back)):
        found.append((*product(encoder.weight_ih_l0, read), 1))
        found.append((*product(encoder.weight_hh_l0, words), places(read)))
    if model.see is not None:
        found.append((*product(model.see.weight, read), 1))
    to_z = [layer for layer in (*model.to_mu, *model.to_logvar)]
    to_state = [m for net in (model.to_hidden, model.to_cell) if net for m in net.modules() if isinstance(m, nn.Linear)]
    found += [(*product(layer.weight, words), 1) for layer in to_z + to_state]
    speak = [layer.weight for layer in filter(None, (model.voice, model.out))]
    for weight in (model.decoder.weight_ih_l0, model.decoder.weight_hh_l0, *speak):
        found.append((*product(weight, words), places(written)))
    return found


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def file_rate(checkpoint: str, rows: int) -> float:
    """Words a second of `convert --file`, the whole command from start-up to the last row."""
    with tempfile.TemporaryDirectory() as folder:
        table_in, table_out = Path(folder, "in.csv"), Path(folder, "out.csv")
        with open(table_in, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("word", "source", "target"))
            writer.writerows((word, TENSES[s], TENSES[t]) for word, s, t in tasks(rows))
        command = [sys.executable, "-m", "cvae_core", "convert", "--file", table_in, "--out", table_out]
        began = time.perf_counter()
        subprocess.run([*command, "--checkpoint", checkpoint], check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        with open(table_out, newline="", encoding="utf-8") as file:
            made = list(csv.DictReader(file))
    if len(made) != rows or not all(row["prediction"] for row in made):
        raise RuntimeError("convert --file left rows out: its speed would mean nothing.")
    return rows / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="tense", help="name or path (default tense)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the file (default 20000)")
    args = parser.parse_args()
    tense = load(args.checkpoint)
    torch.set_num_threads(1)
    milliseconds = verb_milliseconds(tense)
    torch.set_num_threads(os.cpu_count() or 1)
    share = product_share(tense, args.rows)
    on_list, on_file = convert_rate(tense, args.rows), file_rate(args.checkpoint, args.rows)
    print(machine())
    print(table([
        (f"one verb in four tenses, one thread, median of {REPEATS}", f"{milliseconds:.1f} ms"),
        (f"Tense.convert, {args.rows:,} words, all cores", f"{on_list:,.0f} words/s"),
        ("share of the rate of the model's own matrix products", f"{share:.0%}"),
        (f"convert --file, {args.rows:,} rows, start-up included", f"{on_file:,.0f} words/s"),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
