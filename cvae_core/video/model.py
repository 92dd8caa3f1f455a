"""The models of video: prediction of codes (`codes`, report 004), of feature maps (`motion`), and objects on top.

Each is a CVAE of each frame x_t given the frames before it and the conditions c so far, with a latent z_t, and has
`forward` and `predict`.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from cvae_core.video.codes import CodeCVAE
from cvae_core.video.config import VideoConfig
from cvae_core.video.discover import Found, discover
from cvae_core.video.layers import place
from cvae_core.video.motion import MotionCVAE
from cvae_core.video.object_motion import ObjectMotion, picture, positions_of, start_of
from cvae_core.video.prediction import Prediction


class ObjectCVAE(nn.Module):
    """A model of frames, and one of how the objects in them move, which are drawn into the predicted frames."""

    def __init__(self, config: VideoConfig):
        super().__init__()
        self.config = config
        self.frames = build(replace(config, objects=False))
        self.motion = ObjectMotion()

    def forward(
        self, frames: Tensor, condition: Tensor, generator: torch.Generator, teacher_forcing: bool = True
    ) -> Prediction:
        """The model of frames alone."""
        return self.frames(frames, condition, generator, teacher_forcing)

    @torch.no_grad()
    def predict(self, given: Tensor, condition: Tensor, generator: torch.Generator, last: int | None = None) -> Tensor:
        """As `CodeCVAE.predict`; the objects of the given frames are drawn where `motion` moves them."""
        predicted = self.frames.predict(given, condition, generator, last).float()
        objects, moves, tips = self.move(given, condition, generator)
        steps = predicted.shape[1]
        tips = torch.cat([tips[:, :1], tips[:, -steps:]], 1)
        return place(predicted, objects, given[:, -1].float(), moves[:, :, -steps:], tips)

    @torch.no_grad()
    def move(self, given: Tensor, condition: Tensor, generator: torch.Generator | None) -> tuple[Found, Tensor, Tensor]:
        """The given frames' objects, their moves (B, N, H, 4), and the fingertips (B, 1 + H, 2): keypoints, no frames.

        z is a sample of the prior, its mean without a generator. One clip's given frames serve every condition.
        """
        past, condition = given.shape[1], condition.float()
        found = discover(given[:, -2].float(), given[:, -1].float())
        objects = Found(*(part.expand(len(condition), *part.shape[1:]) for part in found))
        moves, _ = self.motion(start_of(objects), condition, past, generator)
        return objects, moves, picture(positions_of(condition[:, past - 1 :]))


VideoCVAE = CodeCVAE | MotionCVAE | ObjectCVAE


def build(config: VideoConfig) -> VideoCVAE:
    """A model with weights drawn from the config's seed; the global generator keeps its state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.objects:
            return ObjectCVAE(config)
        return (MotionCVAE if config.dynamics == "maps" else CodeCVAE)(config)
