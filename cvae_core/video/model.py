"""The models of video: prediction of codes (`codes`, report 004), of feature maps (`motion`), and of objects in them.

Each is a CVAE of each frame x_t given the frames before it and the conditions c so far, with a latent z_t, and has
`predict`; those without objects also have `forward`, for training.
"""

import torch
from torch import Tensor, nn

from cvae_core.video.codes import CodeCVAE
from cvae_core.video.config import VideoConfig
from cvae_core.video.discover import Found, discover
from cvae_core.video.layers import layers_of
from cvae_core.video.motion import MotionCVAE
from cvae_core.video.object_motion import ObjectMotion, positions_of, start_of, to_picture


class ObjectCVAE(nn.Module):
    """A model of how the objects of the given frames move, and one of frames, which gets layers that show them."""

    def __init__(self, config: VideoConfig):
        super().__init__()
        self.config = config
        self.frames = MotionCVAE(config)
        self.motion = ObjectMotion()

    @torch.no_grad()
    def predict(self, given: Tensor, condition: Tensor, generator: torch.Generator) -> Tensor:
        """As `CodeCVAE.predict`; the objects of the given frames are drawn where `motion` moves them."""
        objects, moves, _ = self.move(given, condition, generator)
        return self.frames.predict(given, condition, generator, layers=layers_of(objects, moves))

    @torch.no_grad()
    def move(self, given: Tensor, condition: Tensor, generator: torch.Generator | None) -> tuple[Found, Tensor, Tensor]:
        """The given frames' objects, their moves (B, N, H, 4), and the fingertips (B, 1 + H, 2): keypoints, no frames.

        z is a sample of the prior, its mean without a generator. One clip's given frames serve every condition.
        """
        past, condition = given.shape[1], condition.float()
        found = discover(given[:, -2].float(), given[:, -1].float())
        objects = Found(*(part.expand(len(condition), *part.shape[1:]) for part in found))
        moves, _ = self.motion(start_of(objects), condition, past, generator)
        return objects, moves, to_picture(positions_of(condition[:, past - 1 :]))


VideoCVAE = CodeCVAE | MotionCVAE | ObjectCVAE


def build(config: VideoConfig) -> VideoCVAE:
    """A model with weights drawn from the config's seed; the global generator keeps its state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.objects:
            return ObjectCVAE(config)
        return (MotionCVAE if config.dynamics == "maps" else CodeCVAE)(config)


def copy_frames(source: VideoCVAE, target: CodeCVAE | MotionCVAE) -> None:
    """Copy the weights of a model of frames.

    Channels that only the target has are zero; layers that only it has keep their initial weights.
    """
    weights = (source.frames if isinstance(source, ObjectCVAE) else source).state_dict()
    for name, value in target.state_dict().items():
        if name in weights:
            both = tuple(slice(min(sizes)) for sizes in zip(value.shape, weights[name].shape, strict=True))
            value.zero_()[both] = weights[name][both]
