"""The two models of video: prediction of codes (`codes`, report 004) and of feature maps (`motion`).

Both are a CVAE of each frame x_t given the frames before it and the conditions c so far, with a latent z_t, and have
`standardize`, `forward` and `predict`.
"""

import torch

from cvae_core.video.codes import CodeCVAE
from cvae_core.video.config import VideoConfig
from cvae_core.video.motion import MotionCVAE

VideoCVAE = CodeCVAE | MotionCVAE


def build(config: VideoConfig) -> VideoCVAE:
    """A model with weights drawn from the config's seed; the global generator keeps its state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return (MotionCVAE if config.dynamics == "maps" else CodeCVAE)(config)
