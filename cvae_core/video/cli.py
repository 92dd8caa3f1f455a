"""Commands of the video system: evaluate video, predict video."""

import argparse

from cvae_core.cli import options
from cvae_core.errors import UserError

DATA = "folder with train/ and validate/, or with sequences; the simulator when not given"


def add_commands(commands, evaluate, predict) -> None:
    """Add the commands to their groups."""
    scores = evaluate.add_parser("video", help="PSNR and SSIM of predicted frames")
    scores.add_argument(
        "--plan", action="store_true", help="how often plans reach a goal: by the model, by the simulator, at random"
    )
    _clip_options(scores, "how many clips of the simulator, or tasks with --plan", 100)
    options.model_options(scores, run_evaluate, "video-objects")
    pictures = predict.add_parser("video", help="true and predicted frames of each clip, as a GIF and a PNG strip")
    pictures.add_argument("--out", required=True, help="folder for the images")
    _clip_options(pictures, "how many clips", 4)
    options.model_options(pictures, run_predict, "video-objects")


def _clip_options(parser: argparse.ArgumentParser, clips: str, default: int) -> None:
    options.evaluation_options(parser, DATA)
    parser.add_argument("--clips", type=options.whole, default=default, help=f"{clips} ({default})")


def run_evaluate(args: argparse.Namespace) -> None:
    """Print every score of a checkpoint on clips outside the training data, or of its plans."""
    if args.plan:
        return _evaluate_plans(args)
    from cvae_core.video.family import held_out_clips, held_out_scenes
    from cvae_core.video.metrics import as_table, evaluate

    model, number = _load(args)
    scenes = held_out_scenes(model.config, number) if args.data is None else None
    clips, name = ([s.clip for s in scenes], "simulator") if scenes else held_out_clips(args.data, model.config, number)
    scores = evaluate(model, clips, name, args.seed, scenes)
    options.print_json(scores) if args.json else print(as_table(scores))


def _evaluate_plans(args: argparse.Namespace) -> None:
    import torch

    from cvae_core.video.planning_metrics import as_table, evaluate, make_tasks

    if args.data is not None:
        raise UserError("--plan goes with the simulator, which carries out the plans: leave out --data.")
    model, number = _load(args)
    tasks = make_tasks(number, model.config.past)
    with options.progress(len(tasks), "task") as bar:  # as many processes as threads, of one thread each
        scores = evaluate(model, tasks, min(torch.get_num_threads(), len(tasks)), bar.update, args.seed)
    options.print_json(scores) if args.json else print(as_table(scores))


def run_predict(args: argparse.Namespace) -> None:
    """Write GIFs and strips of predicted clips and print their paths."""
    from cvae_core.video.family import held_out_clips
    from cvae_core.video.pictures import write_predictions

    model, number = _load(args)
    written = write_predictions(model, held_out_clips(args.data, model.config, number)[0], args.out, args.seed)
    options.print_json(written) if args.json else print("\n".join(written))


def _load(args: argparse.Namespace) -> tuple:
    """The model, and how many clips."""
    from cvae_core.video.family import load

    options.set_threads(args.threads)
    return load(args.checkpoint), options.in_range("clips", args.clips, 1, 100_000)
