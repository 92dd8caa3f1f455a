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
from cvae_core.tense.data import DIRECTIONS, TENSES, select_split
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.table import GROUP

REPEATS = 200


def verb_milliseconds(model: Inflector, repeats: int = REPEATS) -> float:
    """Median time to convert one verb into the four tenses, after a warm-up."""
    verbs = select_split(load_lexicon().verbs, "test")
    times = []
    for i in range(repeats + 10):
        source = i % len(TENSES)
        word = verbs[i % len(verbs)].row[source]
        began = time.perf_counter()
        model.convert([word] * len(TENSES), [source] * len(TENSES), range(len(TENSES)))
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[10:])


def tasks(rows: int) -> list[tuple[str, int, int]]:
    """(word, source, target) over the lexicon's verbs and the 12 directions, lengths mixed."""
    verbs = load_lexicon().verbs
    picks = [(verbs[i * 101 % len(verbs)], DIRECTIONS[i % len(DIRECTIONS)]) for i in range(rows)]
    return [(verb.row[source], source, target) for verb, (source, target) in picks]


def convert_rate(model: Inflector, rows: int) -> float:
    """Words per second of `Inflector.convert` on a list."""
    words, sources, targets = zip(*tasks(rows), strict=True)
    return rows / seconds(lambda: model.convert(words, sources, targets))


def product_share(model: Inflector, rows: int, turns: int = 3) -> float:
    """The time of the matrix products that a file's conversions need, as a share of the model's time for them.

    Groups of words of similar length, as `convert --file` makes them; the two alternate on each group. Letters are
    counted, padding is not.
    """
    jobs = sorted(tasks(rows), key=lambda job: len(job[0]))
    model_time = product_time = 0.0
    for start in range(0, rows, GROUP):
        words, sources, targets = zip(*jobs[start : start + GROUP], strict=True)
        letters = [len(c.form) + 1 for c in model.convert(words, sources, targets)]
        products = matrix_products(model.model, sum(len(w) + 1 for w in words), sum(letters), len(words))
        model_times, product_times = [], []
        for _ in range(turns):
            model_times.append(seconds(lambda: model.convert(words, sources, targets)))  # noqa: B023
            product_times.append(seconds(lambda: [x @ w for x, w, n in products for _ in range(n)]))  # noqa: B023
        model_time += min(model_times)
        product_time += min(product_times)
    return product_time / model_time


def matrix_products(model: nn.Module, read: int, written: int, words: int) -> list[tuple]:
    """Inputs, weights and number of products, for words with `read` letters together and answers with `written`.

    A layer applied to all letters at once is one product; a recurrent one is a product for each position.
    """

    def product(layer: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        return torch.randn(rows, layer.shape[1]), layer.detach().t()

    def positions(letters: int) -> int:
        return max(1, round(letters / words))

    def layers(*names: str) -> list[nn.Module]:
        return [layer for name in names if (layer := getattr(model, name, None)) is not None]

    products = []
    for encoder in layers("encoder", "encoder_back"):
        products.append((*product(encoder.weight_ih_l0, read), 1))
        products.append((*product(encoder.weight_hh_l0, words), positions(read)))
    products += [(*product(layer.weight, read), 1) for layer in layers("read_letter")]
    to_latents = [layer for layer in (*model.to_mu, *model.to_logvar)]
    to_inputs = layers("positions", "to_hidden", "to_cell")
    to_inputs = [m for network in to_inputs for m in network.modules() if isinstance(m, nn.Linear)]
    products += [(*product(layer.weight, words), 1) for layer in to_latents + to_inputs]
    output = [layer.weight for layer in layers("output_hidden", "gate", "out")]
    for weight in (model.decoder.weight_ih_l0, model.decoder.weight_hh_l0, *output):
        products.append((*product(weight, words), positions(written)))
    return products


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def file_rate(checkpoint: str, rows: int) -> float:
    """Words per second of the command `convert --file`, start-up included."""
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
            converted = list(csv.DictReader(file))
    if len(converted) != rows or not all(row["prediction"] for row in converted):
        raise RuntimeError("convert --file did not convert every row.")
    return rows / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="tense", help="name or path (default tense)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the file (default 20000)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    dictionary = seconds(load_lexicon)
    model = load(args.checkpoint)
    milliseconds = verb_milliseconds(model)
    torch.set_num_threads(os.cpu_count() or 1)
    share = product_share(model, args.rows)
    on_list, on_file = convert_rate(model, args.rows), file_rate(args.checkpoint, args.rows)
    print(machine())
    print(table([
        ("the dictionary loaded", f"{dictionary:.2f} s"),
        (f"one verb in four tenses, one thread, median of {REPEATS}", f"{milliseconds:.1f} ms"),
        (f"Inflector.convert, {args.rows:,} words, all cores", f"{on_list:,.0f} words/s"),
        ("share of the rate of the model's own matrix products", f"{share:.0%}"),
        (f"convert --file, {args.rows:,} rows, start-up included", f"{on_file:,.0f} words/s"),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
