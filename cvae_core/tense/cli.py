"""Commands of the tense system: convert, score, generate, interpolate, evaluate tense, evaluate wug."""

import argparse
import sys

from cvae_core.cli import options
from cvae_core.errors import UserError

DATA = "file of verbs, four forms a line; the built-in dictionary when not given"
CHECKPOINT = "tense"


def add_commands(commands, evaluate, predict) -> None:
    """Add the commands to their groups."""
    convert = commands.add_parser("convert", help="put words into another tense")
    convert.add_argument("words", nargs="*", metavar="WORD")
    convert.add_argument("--from", dest="source", metavar="TENSE", help="tense of the words; inferred when not given")
    convert.add_argument("--to", dest="target", metavar="TENSE", help="target tense; all four when not given")
    convert.add_argument("--file", help="CSV or TSV with columns word, source, target; or one word a line; or -")
    convert.add_argument("--out", help="where --file's answers go; standard output when not given")
    options.model_options(convert, run_convert, CHECKPOINT)

    score = commands.add_parser("score", help="log-probability of forms that a file names")
    score.add_argument("--file", required=True, help="TSV or CSV with the columns word, source, target, form; or -")
    options.model_options(score, run_score, CHECKPOINT)

    generate = commands.add_parser("generate", help="decode random z in the four tenses")
    generate.add_argument("-n", type=int, default=10, help="how many samples")
    generate.add_argument("--seed", type=options.seed, default=0)
    generate.add_argument("--refine", type=int, default=0, metavar="K", help="rounds of product-of-experts refinement")
    options.model_options(generate, run_generate, CHECKPOINT)

    interpolate = commands.add_parser("interpolate", help="walk between two verbs or two random z")
    interpolate.add_argument("words", nargs="*", metavar="WORD")
    interpolate.add_argument(
        "--seed", type=options.seed, nargs=2, metavar=("A", "B"), help="walk between two sampled z"
    )
    interpolate.add_argument("--steps", type=int, default=9)
    interpolate.add_argument("--method", default="lerp", choices=("lerp", "slerp"))
    interpolate.add_argument("--refine", type=int, default=0, metavar="K")
    interpolate.add_argument(
        "--space", choices=("z", "s"), help="z, which identifies a verb (default between samples), or s, which spells "
        "a word (default between words)",
    )  # fmt: skip
    options.model_options(interpolate, run_interpolate, CHECKPOINT)

    scores = evaluate.add_parser("tense", help="conversion of unseen and of known verbs, random z, calibration")
    options.evaluation_options(scores, DATA)
    scores.add_argument("--lexicon", dest="data", help="the same as --data")
    scores.add_argument("--pairs", help="file of pairs for BLEU-4 instead of the course's ten")
    scores.add_argument("--split", default="test", choices=("train", "validation", "test", "all"))
    scores.add_argument("--samples", type=int, default=1000, help="samples a seed for the Gaussian score")
    scores.add_argument("--seeds", type=int, default=5, help="sets of samples, with the seeds that follow --seed")
    scores.add_argument("--own", type=int, help="how many of the verbs trained on are scored (all)")
    scores.add_argument("--compare", action="store_true", help="add the baselines")
    options.model_options(scores, run_evaluate, CHECKPOINT)

    wug = evaluate.add_parser("wug", help="pasts of invented verbs: correlation with people, beside two models")
    wug.add_argument("--verbs", default="core", choices=("core", "peripheral"), help="which verbs of the experiment")
    wug.add_argument("--samples", type=int, default=200, help="of the posterior, for the network's probabilities")
    wug.add_argument("--seed", type=options.seed, default=0, help="of the bootstrap")
    options.model_options(wug, run_evaluate_wug, CHECKPOINT)


def _load(args: argparse.Namespace):
    """The checkpoint's model, on one thread: decoding gains nothing from more, and loses much when a core is busy."""
    from cvae_core.tense.inference import load

    options.set_threads(1)
    return load(args.checkpoint)


def run_convert(args: argparse.Namespace) -> None:
    """Print the forms of words, or a converted table."""
    from cvae_core.tense.data import TENSES, parse_tense, parse_word
    from cvae_core.tense.familiarity import warning
    from cvae_core.tense.lexicon import convertible_remark, listed_forms, note_on

    if args.file is not None:
        return _convert_file(args)
    if args.out is not None:
        raise UserError("--out goes with --file: without it, answers go to standard output.")
    if not args.words:
        raise UserError("Nothing to convert: give words, or --file FILE.")
    words = [parse_word(w) for w in args.words]
    source = None if args.source is None else parse_tense(args.source)
    targets = range(len(TENSES)) if args.target in (None, "all") else [parse_tense(args.target)]
    remarks = {word: convertible_remark(word) for word in words if source is None}
    model = _load(args)
    sources = model.infer_tenses(words) if source is None else [source] * len(words)
    familiarity = model.familiarity(words, sources).tolist()
    familiar = [model.reaches_floor(value) for value in familiarity]
    notes = list(filter(None, remarks.values()))
    notes += [warning(model, word) for word, known in zip(words, familiar, strict=True) if known is False]
    print(*dict.fromkeys(notes), sep="\n", end="\n" if notes else "", file=sys.stderr)
    jobs = [(w, s, t) for w, s in zip(words, sources, strict=True) for t in targets]
    made = model.convert(*map(list, zip(*jobs, strict=True)))
    if not args.json:
        for start in range(0, len(jobs), len(targets)):
            print(" ".join(m.form for m in made[start : start + len(targets)]))
        return None
    listed = [listed_forms(*job) for job in jobs]
    return options.print_json([
        {
            "word": word, "source": TENSES[s], "target": TENSES[t],
            "prediction": m.form, "probability": m.probability,
            "familiarity": familiarity[i // len(targets)], "familiar": familiar[i // len(targets)],
            "known": bool(listed[i]), "dictionary": listed[i], "note": note_on(m.form, listed[i]) or None,
            "alternatives": [vars(c) for c in model.alternatives(model.infer([word], [s]), t, m)],
        }
        for i, ((word, s, t), m) in enumerate(zip(jobs, made, strict=True))
    ])  # fmt: skip


def run_score(args: argparse.Namespace) -> None:
    """Print the log-probability, in nats, of forms that a file names."""
    from cvae_core.tense.table import format_table, read_scored

    rows, jobs = read_scored(args.file)
    scores = _load(args).score(*jobs)
    done = [row | score._asdict() for row, score in zip(rows, scores, strict=True)]
    options.print_json(done) if args.json else sys.stdout.write(format_table(done, "\t"))


def _convert_file(args) -> None:
    from cvae_core.tense.data import TENSES, parse_tense
    from cvae_core.tense.table import convert_table, format_table, read_table, write_table

    if args.words:
        raise UserError("--file names the words itself: leave out WORD.")
    if args.target == "all":
        raise UserError("Each row of --file has one target tense: --to all goes with words.")
    source, target = ("" if given is None else TENSES[parse_tense(given)] for given in (args.source, args.target))
    if args.out is not None and args.json:
        raise UserError("--out writes a table: leave out --json.")
    rows = read_table(args.file, source, target)
    model = _load(args)
    with options.progress(len(rows), "words") as bar:

        def show(converted: int, total: int) -> None:
            bar.total = total  # rows with an error are not converted
            bar.update(converted - bar.n)

        done = convert_table(model, rows, show)
    if args.json:
        options.print_json(done)
    elif args.out is not None:
        write_table(args.out, done)
    else:
        sys.stdout.write(format_table(done))


# --- latent space -----------------------------------------------------------------------------------------------


def run_generate(args: argparse.Namespace) -> None:
    """Print decoded samples of the prior, and their scores."""
    from cvae_core.tense.metrics import gaussian_score, matches

    options.in_range("n", args.n, 1, 100_000)
    options.in_range("refine", args.refine, 0, 100)
    model = _load(args)
    z = model.draw(args.n, args.seed)
    stages = [("one shot", z)] + ([(f"refined {args.refine}", model.refine(z, args.refine))] if args.refine else [])
    results = []
    for name, points in stages:
        rows = model.decode_rows(points)
        share, distinct = gaussian_score(rows, model.verbs)
        known = [verb is not None for verb in matches(rows, model.verbs)]
        results.append({"stage": name, "gaussian": share, "distinct": distinct, "rows": rows, "known": known})
    if args.json:
        return options.print_json(results)
    for result in results:
        for row, known in zip(result["rows"], result["known"], strict=True):
            print(("✓ " if known else "  ") + " ".join(row))
        print(f"{result['stage']}: Gaussian score {result['gaussian']:.3f}, distinct {result['distinct']:.3f}\n")
    return None


def run_interpolate(args: argparse.Namespace) -> None:
    """Print what is decoded along a path through latent space."""
    from cvae_core.tense.data import parse_word

    options.in_range("steps", args.steps, 2, 1000)
    options.in_range("refine", args.refine, 0, 100)
    if bool(args.seed) == bool(args.words) or (args.words and len(args.words) != 2):
        raise UserError("Give the two ends of the walk: two words, or --seed A B.")
    words = [parse_word(w) for w in args.words]
    space = args.space or ("s" if words else "z")
    if space == "s" and args.refine:
        raise UserError("--refine moves z to a verb: it goes with --space z.")
    model = _load(args)
    if words:
        a, b = model.infer(words, model.infer_tenses(words), space)
    else:
        a, b = (model.spelled(model.draw(1, seed), "z" if space == "s" else "s")[0] for seed in args.seed)
    points = model.path(a, b, args.steps, args.method)
    rows = model.decode_rows(model.refine(points, args.refine), space)
    if args.json:
        return options.print_json([
            {"step": i, "norm": point.norm().item(), "row": row}
            for i, (point, row) in enumerate(zip(points, rows, strict=True))
        ])  # fmt: skip
    for row in rows:
        print(" ".join(row))
    return None


# --- evaluate, train, runs --------------------------------------------------------------------------------------


def run_evaluate(args: argparse.Namespace) -> None:
    """Print every score of a checkpoint."""
    from cvae_core.tense import data
    from cvae_core.tense.evaluate import as_table, evaluate
    from cvae_core.tense.verb_file import read_verbs

    # An empty name is one that could not be filled in, not one that was left out.
    lexicon = None if args.data is None else read_verbs(args.data, as_is=True).verbs
    pairs = data.COURSE_PAIRS if args.pairs is None else data.read_pairs(args.pairs)
    model = _load(args)
    options.set_threads(args.threads)
    scores = evaluate(model, lexicon, pairs, args.split, args.seed, args.samples, args.compare, args.seeds, args.own)
    options.print_json(scores) if args.json else print(as_table(scores))


def run_evaluate_wug(args: argparse.Namespace) -> None:
    """Print how the probabilities of invented verbs' pasts correlate with people."""
    from cvae_core.tense.wug import as_table, evaluate

    options.in_range("samples", args.samples, 1, 100_000)
    scores = evaluate(_load(args), args.verbs, args.samples, args.seed)
    options.print_json(scores) if args.json else print(as_table(scores))
