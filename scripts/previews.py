"""Pictures that Home shows of the other pages: `python -m scripts.previews` writes assets/previews/."""

import torch

from cvae_core.checkpoint import ROOT
from cvae_core.digits import data
from cvae_core.digits import inference as digits
from cvae_core.run import Run
from cvae_core.video.family import held_out_clips, load
from cvae_core.video.inference import predict
from cvae_core.video.pictures import gif
from ui.figures import GREY, RUNS
from ui.figures.digits import png, tile

FOLDER = ROOT / "assets" / "previews"
DIGIT, SAMPLES = 3, 7  # of the test set; completions beside it
CLIP = 0  # that the Video page opens with
LINES = (("recon", "cross entropy", RUNS[1]), ("kl", "KL", RUNS[0]))


def digit() -> bytes:
    """The upper half of a digit, and completions of it."""
    pixels = data.small_digits().test.pixels[DIGIT].float() / 255
    visible = (True, True, False, False)
    _, samples = digits.complete(digits.load("digits"), pixels, visible, SAMPLES, 0, "hybrid")
    seen = torch.where(torch.arange(784) < 392, pixels, torch.tensor(0.25))
    return png(tile(torch.cat([seen[None], samples]).numpy(), columns=4), scale=4)


def clip() -> bytes:
    """A clip of the simulator, the truth left, the prediction right."""
    model = load("video-objects")
    clips, _ = held_out_clips(None, model.config, CLIP + 1)
    frames, past = clips[CLIP].frames, model.config.past
    predicted = predict(model, frames[None], clips[CLIP].condition[None, :-1])[0]
    return gif(torch.cat([frames[past:].float() / 255, predicted], 3), scale=3)


def curve() -> str:
    """Cross entropy and KL of the shipped run of the verbs by epoch, as SVG whose colours suit both themes."""
    rows = Run(ROOT / "assets" / "runs" / "best").read_metrics()
    width, height, most = 480, 240, max(row[name] for row in rows for name, *_ in LINES)
    lines = []
    for name, label, colour in LINES:
        points = " ".join(
            f"{40 + (width - 60) * i / (len(rows) - 1):.1f},{height - 30 - (height - 50) * row[name] / most:.1f}"
            for i, row in enumerate(rows)
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="3"/>')
        y = height - 44 - (height - 50) * rows[-1][name] / most
        lines.append(f'<text x="{width - 24}" y="{y:.1f}" text-anchor="end" fill="{colour}">{label}</text>')
    grey = f'stroke="{GREY}" stroke-width="1"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
        f'<path d="M40 10V{height - 30}H{width - 20}" fill="none" {grey}/>{"".join(lines)}'
        f'<text x="40" y="{height - 8}" fill="{GREY}">{len(rows)} epochs; nats per word, 0 to {most:.0f}</text></svg>\n'
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    (FOLDER / "digit.png").write_bytes(digit())
    (FOLDER / "clip.gif").write_bytes(clip())
    (FOLDER / "curve.svg").write_text(curve())
