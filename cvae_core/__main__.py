"""The command line: python -m cvae_core train | sweep | evaluate | convert | generate | interpolate | predict | runs"""

import argparse
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from itertools import product
from typing import NoReturn

from cvae_core.errors import UserError

SYSTEMS = ("tense", "digits", "video")


def main(argv: list[str] | None = None) -> int:
    """Run one command; what the user got wrong is one sentence on stderr and exit status 2."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name or a ✓ that a terminal cannot show is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        args = build_parser(argv).parse_args(argv)
        args.run(args)
        sys.stdout.flush()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left: say nothing more
    except OSError as error:
        print(f"Cannot use {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


VERBS_DATA = "file of verbs, four forms a line; the built-in lexicon when not given"
DIGITS_DATA = "folder of MNIST's IDX files, or openml to download it; scikit-learn's small digits when not given"
VIDEO_DATA = "folder with train/ and validate/, or with sequences; the simulator when not given"


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:]}; {self.prog} --help says more.")


def build_parser(argv: list[str]) -> Parser:
    parser = Parser(prog="python -m cvae_core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    convert = commands.add_parser("convert", help="put words into another tense")
    convert.add_argument("words", nargs="*", metavar="WORD")
    convert.add_argument("--from", dest="source", metavar="TENSE", help="tense of the words; inferred when not given")
    convert.add_argument("--to", dest="target", metavar="TENSE", help="target tense, or all")
    convert.add_argument("--file", help="CSV or TSV with the columns word,source,target")
    convert.add_argument("--out", help="where --file's answers go; standard output when not given")
    _model_options(convert, run_convert)

    generate = commands.add_parser("generate", help="decode random z in the four tenses")
    generate.add_argument("-n", type=int, default=10, help="how many draws")
    generate.add_argument("--seed", type=_seed, default=0)
    generate.add_argument("--refine", type=int, default=0, metavar="K", help="rounds of product-of-experts refinement")
    _model_options(generate, run_generate)

    interpolate = commands.add_parser("interpolate", help="walk between two verbs or two random z")
    interpolate.add_argument("words", nargs="*", metavar="WORD")
    interpolate.add_argument("--seed", type=_seed, nargs=2, metavar=("A", "B"), help="walk between two sampled z")
    interpolate.add_argument("--steps", type=int, default=9)
    interpolate.add_argument("--method", default="lerp", choices=("lerp", "slerp"))
    interpolate.add_argument("--refine", type=int, default=0, metavar="K")
    _model_options(interpolate, run_interpolate)

    systems = commands.add_parser("evaluate", help="every score of a checkpoint").add_subparsers(
        required=True, metavar="system"
    )
    evaluate = systems.add_parser("tense", help="conversion of unseen and of known verbs, random z, calibration")
    evaluate.add_argument("--lexicon", help="file of verbs, four forms a line, instead of the built-in lexicon")
    evaluate.add_argument("--pairs", help="file of pairs for BLEU-4 instead of the course's ten")
    evaluate.add_argument("--split", default="test", choices=("train", "validation", "test", "all"))
    evaluate.add_argument("--seed", type=_seed, default=0, help="of the draws")
    evaluate.add_argument("--samples", type=int, default=1000, help="draws a seed for the Gaussian score")
    evaluate.add_argument("--seeds", type=int, default=5, help="sets of draws, with the seeds that follow --seed")
    evaluate.add_argument("--own", type=int, help="how many of the verbs trained on are scored (all)")
    evaluate.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")
    evaluate.add_argument("--compare", action="store_true", help="add the baselines")
    _model_options(evaluate, run_evaluate)
    evaluate = systems.add_parser("digits", help="likelihood of the hidden quadrants of test images")
    evaluate.add_argument("--data", help=DIGITS_DATA)
    evaluate.add_argument("--seed", type=_seed, default=0, help="of the draws")
    evaluate.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")
    _model_options(evaluate, run_evaluate_digits, "digits")

    evaluate = systems.add_parser("video", help="how close predicted frames are to the true ones")
    _clip_options(evaluate, "how many clips of the simulator", 100)
    _model_options(evaluate, run_evaluate_video, "video")

    predict = commands.add_parser("predict", help="the frames that follow two given ones").add_subparsers(
        required=True, metavar="system"
    )
    predict = predict.add_parser("video", help="predicted beside true, as a GIF and as PNG strips for each clip")
    predict.add_argument("--out", required=True, help="folder for the pictures")
    _clip_options(predict, "how many clips", 4)
    _model_options(predict, run_predict_video, "video")

    train = commands.add_parser("train", help="train a model", argument_default=argparse.SUPPRESS)
    train.add_argument("system", choices=SYSTEMS)
    train.add_argument("--preset", type=_name, help="named configuration; flags below change single fields of it")
    train.add_argument("--data", help=f"tense: {VERBS_DATA}; digits: {DIGITS_DATA}; video: {VIDEO_DATA}")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"))
    train.add_argument("--threads", type=int, help="CPU threads (default 1)")
    train.add_argument("--out", help="name under which the kept weights go to checkpoints/")
    train.add_argument("--pack", choices=("float16", "int8"), help="store them smaller")
    train.add_argument("--resume", metavar="RUN", help="go on with a stopped or interrupted run")
    train.add_argument("--init", metavar="CHECKPOINT", help="tense, video: start from its weights")
    train.set_defaults(run=run_train)

    sweep = commands.add_parser(
        "sweep", help="train every point of a grid or of a search", argument_default=argparse.SUPPRESS
    )
    sweep.add_argument("system", choices=("tense",))
    sweep.add_argument("--study", type=_name, required=True, help="its name; alone, to go on with one that exists")
    sweep.add_argument("--storage", help="database URL, such as postgresql://…; runs/sweeps.db when not given")
    sweep.add_argument("--grid", nargs="+", metavar="FIELD=V,V", help="values of config fields; all combinations run")
    sweep.add_argument(
        "--search", nargs="+", metavar="FIELD=LOW:HIGH[:log]", help="ranges or values of fields; Optuna picks points"
    )
    sweep.add_argument("--trials", type=_whole, help="how many points of a search")
    sweep.add_argument("--workers", type=_whole, help="processes on this machine (default 1)")
    sweep.add_argument("--metric", help="what a point is judged by after its last epoch, more is better (score)")
    sweep.add_argument("--preset", type=_name, help="named configuration that the points change")
    sweep.add_argument("--data", help=VERBS_DATA)
    sweep.add_argument("--device", choices=("auto", "cpu", "cuda"))
    sweep.add_argument("--json", action="store_true", help="print the results as JSON")
    sweep.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)  # be a worker
    sweep.set_defaults(run=run_sweep)
    for command, parser_of in (("train", train), ("sweep", sweep)):
        if argv[:1] == [command]:  # the fields' flags need torch; no other command waits for it
            _field_options(parser_of, argv[1] if len(argv) > 1 else "")

    runs = commands.add_parser("runs", help="list training runs")
    runs.add_argument("--json", action="store_true")
    runs.set_defaults(run=run_runs)
    return parser


def _clip_options(parser: argparse.ArgumentParser, clips: str, default: int) -> None:
    parser.add_argument("--data", help=VIDEO_DATA)
    parser.add_argument("--clips", type=_whole, default=default, help=f"{clips} ({default})")
    parser.add_argument("--seed", type=_seed, default=0, help="of the draws")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")


def _model_options(parser: argparse.ArgumentParser, run, checkpoint: str = "tense") -> None:
    parser.add_argument("--checkpoint", default=checkpoint, help="name in checkpoints/, file, or run folder")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def _config_of(system: str) -> type:
    if system == "digits":
        from cvae_core.digits.model import DigitsConfig

        return DigitsConfig
    if system == "video":
        from cvae_core.video.model import VideoConfig

        return VideoConfig
    from cvae_core.tense.model import TenseConfig

    return TenseConfig


def _field_options(parser: argparse.ArgumentParser, system: str) -> None:
    config = _config_of(system)
    group = parser.add_argument_group(f"fields of {config.__name__}")
    for f in fields(config):
        flag, text = "--" + f.name.replace("_", "-"), f"{f.metadata['help']} [{f.default}]".replace("%", "%%")
        if isinstance(f.default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        else:
            kind = _whole if isinstance(f.default, int) else type(f.default)
            group.add_argument(flag, type=kind, choices=f.metadata["choices"] or None, help=text)


def _whole(text: str, low: int = -(2**31), high: int = 2**31 - 1) -> int:
    """A whole number that every tensor library can hold."""
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return value


def _name(text: str) -> str:
    """A name that was given: an empty one is a variable that was not set, and must not stand for the default."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not a name")
    return text


def _seed(text: str) -> int:
    return _whole(text, 0, 2**63 - 1)


def _load(args):
    import torch

    from cvae_core.tense.inference import load

    torch.set_num_threads(1)  # decoding gains nothing from more, and loses much when a core is busy
    return load(args.checkpoint)


def _print_json(value) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _progress(total: int, unit: str, **options):
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, file=sys.stderr, dynamic_ncols=True, **options)


def _in_range(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise UserError(f"{name} is {value}: expected {low} to {high}.")
    return value


# --- convert ----------------------------------------------------------------------------------------------------


def run_convert(args) -> None:
    from cvae_core.tense.data import TENSES, parse_tense, parse_word
    from cvae_core.tense.familiarity import warning
    from cvae_core.tense.lexicon import convertible_remark

    if args.file is not None:
        return _convert_file(args)
    if args.out is not None:
        raise UserError("--out goes with --file: without it, answers go to standard output.")
    if not args.words or not args.target:
        raise UserError("Nothing to convert: give words and --to TENSE, or --file FILE.")
    words = [parse_word(w) for w in args.words]
    source = None if args.source is None else parse_tense(args.source)
    targets = range(len(TENSES)) if args.target == "all" else [parse_tense(args.target)]
    remarks = {word: convertible_remark(word) for word in words if source is None}
    tense = _load(args)
    sources = tense.infer_tenses(words) if source is None else [source] * len(words)
    familiarity, familiar = tense.familiarity(words, sources).tolist(), tense.are_familiar(words, sources)
    notes = list(filter(None, remarks.values()))
    notes += [warning(tense, word) for word, known in zip(words, familiar, strict=True) if known is False]
    print(*dict.fromkeys(notes), sep="\n", end="\n" if notes else "", file=sys.stderr)
    jobs = [(w, s, t) for w, s in zip(words, sources, strict=True) for t in targets]
    made = tense.convert(*map(list, zip(*jobs, strict=True)))
    if not args.json:
        for start in range(0, len(jobs), len(targets)):
            print(" ".join(m.form for m in made[start : start + len(targets)]))
        return None
    return _print_json([
        {
            "word": word, "source": TENSES[s], "target": TENSES[t],
            "prediction": m.form, "probability": m.probability,
            "familiarity": familiarity[i // len(targets)], "familiar": familiar[i // len(targets)],
            "alternatives": [vars(c) for c in tense.alternatives(tense.read([word], [s]), t, m)],
        }
        for i, ((word, s, t), m) in enumerate(zip(jobs, made, strict=True))
    ])  # fmt: skip


def _convert_file(args) -> None:
    from cvae_core.tense.batch import convert_table, format_table, read_table, write_table

    if args.words or args.source or args.target:
        raise UserError("--file names words and tenses itself: leave out WORD, --from and --to.")
    if args.out is not None and args.json:
        raise UserError("--out writes a table: leave out --json.")
    rows = read_table(args.file)
    tense = _load(args)
    with _progress(len(rows), "words") as bar:

        def show(converted: int, total: int) -> None:
            bar.total = total  # rows with an error are not converted
            bar.update(converted - bar.n)

        done = convert_table(tense, rows, show)
    if args.json:
        _print_json(done)
    elif args.out is not None:
        write_table(args.out, done)
    else:
        sys.stdout.write(format_table(done))


# --- latent space -----------------------------------------------------------------------------------------------


def run_generate(args) -> None:
    from cvae_core.tense.metrics import gaussian_score

    _in_range("n", args.n, 1, 100_000)
    _in_range("refine", args.refine, 0, 100)
    tense = _load(args)
    z = tense.draw(args.n, args.seed)
    stages = [("one shot", z)] + ([(f"refined {args.refine}", tense.refine(z, args.refine))] if args.refine else [])
    accepted = {row for verb in tense.verbs for row in product(*verb.forms)}
    results = []
    for name, points in stages:
        rows = tense.decode_rows(points)
        share, distinct = gaussian_score(rows, tense.verbs)
        known = [row in accepted for row in rows]
        results.append({"stage": name, "gaussian": share, "distinct": distinct, "rows": rows, "known": known})
    if args.json:
        return _print_json(results)
    for result in results:
        for row, known in zip(result["rows"], result["known"], strict=True):
            print(("✓ " if known else "  ") + " ".join(row))
        print(f"{result['stage']}: Gaussian score {result['gaussian']:.3f}, distinct {result['distinct']:.3f}\n")
    return None


def run_interpolate(args) -> None:
    from cvae_core.tense.data import parse_word

    _in_range("steps", args.steps, 2, 1000)
    _in_range("refine", args.refine, 0, 100)
    if bool(args.seed) == bool(args.words) or (args.words and len(args.words) != 2):
        raise UserError("Give the two ends of the walk: two words, or --seed A B.")
    words = [parse_word(w) for w in args.words]
    tense = _load(args)
    if words:
        a, b = tense.posterior(words, tense.infer_tenses(words))[0]
    else:
        a, b = (tense.draw(1, seed)[0] for seed in args.seed)
    z = tense.path(a, b, args.steps, args.method)
    rows = tense.decode_rows(tense.refine(z, args.refine))
    if args.json:
        return _print_json([
            {"step": i, "norm": point.norm().item(), "row": row}
            for i, (point, row) in enumerate(zip(z, rows, strict=True))
        ])  # fmt: skip
    for row in rows:
        print(" ".join(row))
    return None


# --- evaluate, train, runs --------------------------------------------------------------------------------------


def run_evaluate(args) -> None:
    import torch

    from cvae_core.tense import data
    from cvae_core.tense.evaluate import as_table, evaluate

    # An empty name is one that could not be filled in, not one that was left out.
    lexicon = None if args.lexicon is None else data.read_verbs(args.lexicon).verbs
    pairs = data.COURSE_PAIRS if args.pairs is None else data.read_pairs(args.pairs)
    tense = _load(args)
    torch.set_num_threads(_in_range("threads", args.threads, 1, 1024))
    scores = evaluate(tense, lexicon, pairs, args.split, args.seed, args.samples, args.compare, args.seeds, args.own)
    _print_json(scores) if args.json else print(as_table(scores))


def run_evaluate_digits(args) -> None:
    import torch

    from cvae_core.digits import data
    from cvae_core.digits.inference import load
    from cvae_core.digits.metrics import as_table, evaluate

    torch.set_num_threads(_in_range("threads", args.threads, 1, 1024))
    scores = evaluate(load(args.checkpoint), data.load(args.data), args.seed)
    _print_json(scores) if args.json else print(as_table(scores))


def run_evaluate_video(args) -> None:
    from cvae_core.video.metrics import as_table, evaluate

    model, clips, name = _video(args)
    scores = evaluate(model, clips, name, args.seed)
    _print_json(scores) if args.json else print(as_table(scores))


def run_predict_video(args) -> None:
    from cvae_core.video.pictures import write_predictions

    model, clips, _ = _video(args)
    written = write_predictions(model, clips, args.out, args.seed)
    _print_json(written) if args.json else print("\n".join(written))


def _video(args) -> tuple:
    """The model and the clips that a command was asked for, and what these are called."""
    import torch

    from cvae_core.video.inference import load
    from cvae_core.video.session import held_out

    torch.set_num_threads(_in_range("threads", args.threads, 1, 1024))
    model = load(args.checkpoint)
    return model, *held_out(args.data, model.config, _in_range("clips", args.clips, 1, 100_000))


def run_train(args) -> None:
    from cvae_core import checkpoint

    given = vars(args)
    out = given.get("out")
    if out is not None and not checkpoint.NAME.fullmatch(out):
        raise UserError(f"{out!r} cannot name a checkpoint: use letters, digits, dot, dash and underscore.")
    import torch

    torch.set_num_threads(_in_range("threads", given.get("threads", 1), 1, 1024))
    from cvae_core import parallel
    from cvae_core.training import pick_device

    overrides = {f.name: given[f.name] for f in fields(_config_of(given["system"])) if f.name in given}
    if "resume" in given and (overrides or given.keys() & {"preset", "data", "init"}):
        raise UserError("--resume goes on with the run's own config and data: leave out other settings.")
    with parallel.joined(pick_device(given.get("device", "auto"))):
        _train(given, overrides, out)


def _train(given: dict, overrides: dict, out: str | None) -> None:
    from cvae_core import checkpoint, parallel
    from cvae_core.training import train

    first = parallel.rank() == 0  # of several processes that train together, the one that speaks
    prepare = {"tense": _tense_task, "digits": _digits_task, "video": _video_task}[given["system"]]
    task, run, data = prepare(given, overrides)
    say = print if first else lambda *args, **kwargs: None
    say(f"Run {run.id}: {data} on {task.device}", flush=True)
    batches = task.steps_per_epoch() * task.config.epochs
    with _stop_signals() as stopped, _progress(batches, "batches", disable=not first) as bar:

        def show(event: dict) -> None:
            if event["kind"] == "batch":
                done = event["epoch"] * event["batches"] + event["batch"]
                if not bar.n:
                    bar.initial = bar.n = done - 1  # what a resumed run has behind it is not speed
                bar.update(done - bar.n)
                bar.set_postfix_str(f"loss {event['loss']:.3f}", refresh=False)
            elif first:
                bar.write("  ".join(f"{k} {v:.4g}" for k, v in event["row"].items()), file=sys.stdout)
                sys.stdout.flush()

        ended = train(task, run, stopped, show)
    if ended == "stopped":
        again = [f"--{name} {given[name]}" for name in ("device", "threads", "out", "pack") if name in given]
        command = " ".join([f"python -m cvae_core train {task.system} --resume {run.id}", *again])
        say(f"Stopped and saved. To go on: {command}")
        return
    say(f"Finished: run {run.id}")
    if out and first:
        kept = checkpoint.CHECKPOINTS / f"{out}.safetensors"
        checkpoint.copy(run.path / "best.safetensors", kept, given.get("pack", ""))
        say(f"Saved as checkpoint {out}")


def _tense_task(given: dict, overrides: dict) -> tuple:
    """The task, its run, and what it trains on."""
    from cvae_core.tense.session import prepare, reopen

    if "resume" in given:
        task, run = reopen(given["resume"], given.get("device"))
    else:
        verbs, name = _read_verbs(given["data"]) if "data" in given else (None, "lexicon")
        task, run = prepare(given.get("preset"), overrides, verbs, name, given.get("device", "auto"), given.get("init"))
    return task, run, f"{len(task.verbs)} verbs"


def _digits_task(given: dict, overrides: dict) -> tuple:
    from cvae_core.digits.session import prepare, reopen

    if "init" in given:
        raise UserError("--init is for verbs and video: digits are trained from the beginning.")
    if "resume" in given:
        task, run = reopen(given["resume"], given.get("device"))
    else:
        task, run = prepare(given.get("preset"), overrides, given.get("data"), given.get("device", "auto"))
    return task, run, f"{len(task.train.pixels):,} images of {task.digits.name}"


def _video_task(given: dict, overrides: dict) -> tuple:
    from cvae_core.video.session import prepare, reopen

    if "resume" in given:
        task, run = reopen(given["resume"], given.get("device"))
    else:
        device, init = given.get("device", "auto"), given.get("init")
        task, run = prepare(given.get("preset"), overrides, given.get("data"), device, init)
    return task, run, f"{len(task.train):,} clips of {task.data_name}"


def _read_verbs(path: str):
    from cvae_core.tense.data import read_verbs

    file = read_verbs(path)
    if file.duplicates:
        print(
            f"{path}: {file.duplicates} rows stand more than once and are kept once; {len(file.verbs)} verbs.",
            file=sys.stderr,
        )
    return file.verbs, f"file {os.path.basename(path)}"  # never "lexicon", whatever it is called


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl+C or SIGTERM only asks to stop; the second acts as ever."""
    asked = False

    def ask(*_) -> None:
        nonlocal asked
        asked = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        restore()


# --- sweep ----------------------------------------------------------------------------------------------------------


def run_sweep(args) -> None:
    from cvae_core import runs, sweep

    given = vars(args)
    workers = _in_range("workers", given.get("workers", 1), 1, 256)
    storage = given["storage"] if "storage" in given else sweep.default_storage()
    study = _open_study(given, storage)
    if "worker" in given:
        return _work(study)
    _watch_workers(study, storage, workers)
    done = sweep.table(study)
    _print_json(done) if given.get("json") else print(sweep.as_text(done))
    return print(f"The runs are in {runs.RUNS}; the Curves page draws them and the study.", file=sys.stderr)


def _open_study(given: dict, storage: str):
    """The study to work on; grid or search begin a new one."""
    from cvae_core import sweep
    from cvae_core.tense.model import TenseConfig

    database = sweep.open_storage(storage)
    overrides = {f.name: given[f.name] for f in fields(TenseConfig) if f.name in given}
    grid, search = given.get("grid"), given.get("search")
    if not grid and not search:
        if overrides or given.keys() & {"preset", "data", "device", "metric", "trials"}:
            raise UserError("A study that exists goes on as it began: leave out other settings, or give --grid.")
        return sweep.load(given["study"], database)
    if grid and search:
        raise UserError("Give --grid or --search, not both: a search takes values, too (--search kl_max=0.1,0.3).")
    if search and "trials" not in given:
        raise UserError("A search needs --trials: how many points to try.")
    if grid and "trials" in given:
        raise UserError("A grid runs all its points: leave out --trials.")
    parse = sweep.parse_grid if grid else sweep.parse_search
    space = dict(parse(text, TenseConfig) for text in grid or search)
    verbs, name = _read_verbs(given["data"]) if "data" in given else (None, "lexicon")
    setup = {
        "system": given["system"], "study": given["study"],
        "preset": given.get("preset"), "overrides": overrides, "data": name,
        "verbs": verbs and [verb.forms for verb in verbs], "device": given.get("device", "auto"),
        "metric": given.get("metric", "score"),
    }  # fmt: skip
    return sweep.create(given["study"], database, setup, space, given.get("trials") if search else None)


def _work(study) -> None:
    """Be a worker until nothing is left to do; the first Ctrl+C or SIGTERM stops within a batch."""
    import torch

    from cvae_core import sweep
    from cvae_core.tense.session import train_point

    torch.set_num_threads(1)
    setup = study.user_attrs["setup"]
    with _stop_signals() as stopped:
        sweep.work(study, lambda values, run, started: train_point(setup, values, run, started, stopped), stopped)


def _watch_workers(study, storage: str, workers: int) -> None:
    """Worker processes on one study, and how far they all are, here and elsewhere."""
    import subprocess
    import time

    from cvae_core import sweep

    command = [sys.executable, "-m", "cvae_core", "sweep", study.user_attrs["setup"]["system"]]
    command += ["--study", study.study_name, "--storage", storage, "--worker"]
    running = [subprocess.Popen(command) for _ in range(workers)]
    points = sweep.points(study)
    with (
        _stop_signals() as stopped,
        _progress(len(points), "trials", initial=sum(t.state.is_finished() for t in points)) as bar,
    ):
        while any(process.poll() is None for process in running):
            bar.update(sum(t.state.is_finished() for t in sweep.points(study)) - bar.n)
            if stopped():
                for process in running:
                    process.terminate()
            time.sleep(0.5)
        bar.update(sum(t.state.is_finished() for t in sweep.points(study)) - bar.n)


def run_runs(args) -> None:
    from cvae_core import runs

    rows = []
    for run in runs.list_runs():
        try:
            config, status = run.read_config(), run.read_status()
        except UserError as error:
            rows.append({"run": run.id, "state": "damaged", "error": str(error)})
            continue
        row = {"run": run.id, "system": config.get("system"), "preset": config.get("preset")}
        rows.append(row | {"state": status.get("state"), "epoch": status.get("epoch"), "error": status.get("error")})
    if args.json:
        _print_json(rows)
    elif not rows:
        print("No runs yet: python -m cvae_core train tense starts one.")
    else:
        for row in rows:
            print("  ".join(str(v) for v in row.values() if v is not None))


if __name__ == "__main__":
    sys.exit(main())
