"""What `fit` trains on for video: windows of clips, the loss, and the scores and moving picture of an epoch."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.latent import kl_between
from cvae_core.video import metrics
from cvae_core.video.data import Clip
from cvae_core.video.model import VideoConfig, build
from cvae_core.video.pictures import gif

SCORED = 100  # validation clips scored at each epoch's end
SCORED_AT_ONCE = 20


class Batch(NamedTuple):
    frames: Tensor  # (B, T, 3, 64, 64) in [0, 1]
    condition: Tensor  # (B, T, 7)


class VideoTask:
    """See `training.Task`. An epoch shows a window of each clip."""

    system = "video"
    unit = "frames"

    def __init__(
        self,
        config: VideoConfig,
        train: Sequence[Clip],
        validation: Sequence[Clip],
        device: torch.device | str = "cpu",
        data_name: str = "simulator",
    ):
        """Clips are cut to `past + future` frames, or to the shortest one's length where that is less."""
        if not train or not validation:
            raise UserError(f"{data_name} has {len(train)} clips to train on and {len(validation)} to validate with.")
        self.config = config
        self.data_name = data_name
        self.length = min(config.past + config.future, *(len(clip.frames) for clip in [*train, *validation]))
        if self.length <= config.past:
            raise UserError(f"A clip of {data_name} has {self.length} frames: expected more than {config.past}.")
        self.device = torch.device(device)
        # Channels last: in bfloat16 a third faster on a CPU too, and no slower in float32.
        self.model = build(config).to(self.device, memory_format=torch.channels_last)
        self.train = [Batch(clip.frames.to(self.device), clip.condition.to(self.device)) for clip in train]
        self.validation = _together([(clip.frames, clip.condition) for clip in validation[:SCORED]], self.length)

    def steps_per_epoch(self) -> int:
        return -(-len(self.train) // self.config.batch_size)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[Batch]:
        order = torch.randperm(len(self.train), generator=generator).tolist()
        places = torch.rand(len(self.train), generator=generator).tolist()
        for start in range(0, len(order), self.config.batch_size):
            rows = order[start : start + self.config.batch_size]
            windows = []
            for row in rows:
                frames, condition = self.train[row]
                first = int(places[row] * (len(frames) - self.length + 1))
                windows.append((frames[first:], condition[first:]))
            yield _together(windows, self.length)

    def count(self, batch: Batch) -> int:
        return batch.frames.shape[0] * batch.frames.shape[1]

    def loss(self, batch: Batch, beta: float, teacher_forcing: float, generator: torch.Generator) -> dict[str, Tensor]:
        """`recon`: mean squared error of a pixel, summed over frames; `kl`: nats, summed over frames and z (source).

        One draw decides whether the whole batch is teacher-forced, as in the source.
        """
        forced = bool(torch.rand((), generator=generator, device=generator.device) < teacher_forcing)
        made = self.model(batch.frames, batch.condition, generator, forced)
        recon = (made.frames.float() - batch.frames[:, 1:]).square().mean((0, 2, 3, 4)).sum()
        kl = kl_between(made.mu, made.logvar, made.prior_mu, made.prior_logvar).sum((1, 2)).mean()
        return {"loss": recon + beta * kl, "recon": recon, "kl": kl}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """PSNR and SSIM of the frames after the given ones, one z drawn from the prior for each clip."""
        made, true = self.predict_validation()
        psnr, last = metrics.psnr(made, true), self.validation.frames[:, self.config.past - 1, None].to(made.device)
        return {
            "psnr": float(psnr.mean()),
            "ssim": float(metrics.ssim(made, true).mean()),
            "psnr_copy_last": float(metrics.psnr(last.expand_as(true), true).mean()),
            "score": float(psnr.mean()),
        }

    def predict_validation(self, clips: int = SCORED) -> tuple[Tensor, Tensor]:
        """Predicted and true frames of the first validation clips: (n, H, 3, 64, 64) each."""
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        past = self.config.past
        parts = [
            self.model.predict(frames[:, :past].to(self.device), condition[:, :-1].to(self.device), generator).float()
            for frames, condition in zip(
                *(part[:clips].split(SCORED_AT_ONCE) for part in self.validation), strict=True
            )
        ]  # fmt: skip
        return torch.cat(parts), self.validation.frames[:clips, past:].to(self.device)

    @torch.no_grad()
    def samples(self) -> dict[str, Any]:
        """One validation clip, true beside predicted, as a moving picture."""
        self.model.eval()
        made, true = self.predict_validation(1)
        self.model.train()
        given = self.validation.frames[0, : self.config.past].to(made.device)
        both = torch.cat([torch.cat([given, true[0]]), torch.cat([given, made[0]])], 3)
        return {"prediction.gif": gif(both), "psnr": metrics.psnr(made, true)[0].tolist()}

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        metadata = {"system": self.system, "config": vars(self.config), "data": self.data_name}
        return self.model.state_dict(), metadata


def _together(windows: Sequence[tuple[Tensor, Tensor]], length: int) -> Batch:
    """The first frames of each, stacked."""
    return Batch(
        torch.stack([frames[:length] for frames, _ in windows]).float() / 255,
        torch.stack([condition[:length] for _, condition in windows]),
    )
