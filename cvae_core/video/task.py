"""The training task of video: windows of clips, the loss, and an epoch's scores and preview."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cvae_core.errors import UserError
from cvae_core.latent import kl_between
from cvae_core.step import Step
from cvae_core.video import metrics
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import MIRROR, Clip, stack
from cvae_core.video.inference import predict
from cvae_core.video.model import build
from cvae_core.video.pictures import gif

SCORED = 100  # validation clips scored at each epoch's end


class Batch(NamedTuple):
    """Windows of B clips."""

    frames: Tensor  # (B, T, 3, 64, 64) in [0, 1]
    condition: Tensor  # (B, T, 7)


class VideoTask:
    """See `task.Task`. An epoch has one window of each clip."""

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
        """Windows have `past + future` frames, or as many as the shortest clip.

        Raises UserError if there are no clips for training or validation, or if they have no frame to predict.
        """
        if not train or not validation:
            raise UserError(f"{data_name} has {len(train)} clips to train on and {len(validation)} to validate with.")
        self.config = config = replace(config, objects=False)  # scripts/video_objects.py trains how they move
        self.data_name = data_name
        self.length = min(config.past + config.future, *(len(clip.frames) for clip in [*train, *validation]))
        if self.length <= config.past:
            raise UserError(f"A clip of {data_name} has {self.length} frames: expected more than {config.past}.")
        self.device = torch.device(device)
        # Channels last: in bfloat16 a third faster on a CPU too, and no slower in float32.
        self.model = build(config).to(self.device, memory_format=torch.channels_last)
        self.state = nn.ModuleDict({"model": self.model})
        self.model.standardize(torch.cat([clip.condition for clip in train]).to(self.device))
        self.train = [(clip.frames.to(self.device), clip.condition.to(self.device)) for clip in train]
        self.description = f"{len(train):,} clips of {data_name}"
        self.validation = stack(validation[:SCORED], self.length)

    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return -(-len(self.train) // self.config.batch_size)

    def batches(self, step: Step) -> Iterator[Batch]:
        """A random window of each clip, in random order, augmented as the config says."""
        generator = step.generator
        order = torch.randperm(len(self.train), generator=generator).tolist()
        offsets = torch.rand(len(self.train), generator=generator).tolist()
        for start in range(0, len(order), self.config.batch_size):
            windows = []
            for row in order[start : start + self.config.batch_size]:
                frames, condition = self.train[row]
                first = int(offsets[row] * (len(frames) - self.length + 1))
                windows.append((frames[first : first + self.length], condition[first : first + self.length]))
            frames, condition = (torch.stack(parts) for parts in zip(*windows, strict=True))
            yield self._augmented(Batch(frames.float() / 255, condition), generator)

    def _augmented(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Permute and scale the channels, alike in all frames of a clip (`jitter`); mirror half of the clips."""
        frames, condition = batch
        n, device = len(frames), frames.device
        if self.config.jitter:
            channels = torch.rand(n, 3, generator=generator).argsort(1).to(device)
            scale = 1 + self.config.jitter * (2 * torch.rand(n, 3, generator=generator) - 1).to(device)
            frames = frames.gather(2, channels[:, None, :, None, None].expand_as(frames))
            frames = (frames * scale[:, None, :, None, None]).clamp(max=1)
        if self.config.mirror:
            mirrored = (torch.rand(n, generator=generator) < 0.5).to(device)
            frames = torch.where(mirrored[:, None, None, None, None], frames.flip(-1), frames)
            signs = torch.tensor(MIRROR, device=device)
            condition = torch.where(mirrored[:, None, None], condition * signs, condition)
        return Batch(frames, condition)

    def count(self, batch: Batch) -> int:
        """Frames in a batch."""
        return batch.frames.shape[0] * batch.frames.shape[1]

    def loss(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """`recon`: mean squared error of a pixel, summed over frames; `kl`: nats, summed over frames and z.

        One random number decides whether the whole batch is teacher-forced; both as in report 004.
        """
        generator = step.generator
        forced = bool(torch.rand((), generator=generator, device=generator.device) < step.teacher_forcing)
        predicted, *latents = self.model(batch.frames, batch.condition, generator, forced)
        recon = (predicted.float() - batch.frames[:, 1:]).square().mean((0, 2, 3, 4)).sum()
        kl = kl_between(*latents).sum((1, 2)).mean()
        return {"loss": recon + step.beta * kl, "recon": recon, "kl": kl}

    def evaluate(self) -> dict[str, float]:
        """PSNR (also as `score`) and SSIM of the frames after the given ones, one z from the prior for each frame."""
        predicted, true, given = self._predict_validation(SCORED)
        psnr = metrics.psnr(predicted, true).mean().item()
        last = given[:, -1:].expand_as(true)
        return {
            "psnr": psnr,
            "ssim": metrics.ssim(predicted, true).mean().item(),
            "psnr_copy_last": metrics.psnr(last, true).mean().item(),
            "score": psnr,
        }

    def statistics(self) -> dict[str, float]:
        """Nothing beside the scores."""
        return {}

    def _predict_validation(self, clips: int) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted, true and given frames of the first validation clips."""
        frames, condition = (part[:clips] for part in self.validation)
        predicted = predict(self.model, frames, condition[:, :-1], self.config.seed)
        given, true = (frames.float() / 255).split([self.config.past, predicted.shape[1]], 1)
        return predicted, true, given

    def preview(self) -> dict[str, Any]:
        """One validation clip as a GIF, true frames left, predicted right, and the PSNR of each frame."""
        self.model.eval()
        predicted, true, given = self._predict_validation(1)
        self.model.train()
        both = torch.cat([torch.cat([given[0], true[0]]), torch.cat([given[0], predicted[0]])], -1)
        return {"prediction.gif": gif(both), "psnr": metrics.psnr(predicted, true)[0].tolist()}

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and metadata for `checkpoint.write`."""
        metadata = {"system": self.system, "config": vars(self.config), "data": self.data_name}
        return self.model.state_dict(), metadata
