"""Every setting of the video system."""

from dataclasses import dataclass

from cvae_core.config import Knots, TrainConfig, option, redefault
from cvae_core.schedules import constant


@dataclass(frozen=True)
class VideoConfig(TrainConfig):
    """Model, data and loss of the video system; the defaults are the shipped model.

    That one is small, for CPUs. Without feedback, training is what prediction is and takes one call; keypoints
    become blobs; what does not move is copied. The KL weight is for a loss per pixel: z carries little more than what
    the actions leave open.
    """

    # Training
    epochs: int = redefault(TrainConfig, "epochs", 10)
    batch_size: int = option(6, "clips in a batch", 1, 4096)
    kl_max: float = redefault(TrainConfig, "kl_max", 1e-4)
    kl_knots: Knots = redefault(TrainConfig, "kl_knots", constant())
    teacher_forcing: Knots = option(((0.0, 1.0),), "teacher-forcing ratio over training")
    keep: str = redefault(TrainConfig, "keep", "best")
    precision: str = redefault(TrainConfig, "precision", "auto")
    # Model
    network: str = option("vgg", "of encoder and decoder: vgg (source) or dcgan", choices=("vgg", "dcgan"))
    width: int = option(16, "channels of the first feature maps (64 in the source), doubled at each halving", 4, 256)
    norm: str = option(
        "batch", "of the feature maps: over the batch (source) or over groups of channels", choices=("batch", "group")
    )
    code_size: int = option(128, "width of a frame's code", 4, 1024)
    latent_size: int = option(16, "dimensions of z (64 in the source)", 1, 512)
    rnn_size: int = option(256, "width of the LSTMs", 8, 2048)
    predictor_layers: int = option(2, "layers of the frame predictor", 1, 4)
    posterior_layers: int = option(1, "layers of the posterior, and of a learned prior", 1, 4)
    prior: str = option("fixed", "N(0, I) (source), or learned from the frames so far", choices=("fixed", "learned"))
    keypoints: int = option(
        8, "keypoints that the predictor outputs, rendered as Gaussian blobs for the decoder (Jakab et al. 2018)", 0, 64
    )
    copies: bool = option(True, "a mask blends each decoded frame with the one that skips come from (Finn et al. 2016)")
    feedback: bool = option(False, "the predictor gets its own frames (source), or goes on from the last one given")
    # Data
    past: int = option(2, "frames given", 1, 100)
    future: int = option(10, "frames to predict in training and scoring, where the clips are long enough", 1, 100)
    jitter: float = option(0.0, "share by which colours of a training clip are scaled at most", 0.0, 0.99)
    mirror: bool = option(False, "half of the training clips left to right, with their actions: for few clips")
    clips: int = option(4000, "simulated clips to train on, of seeds from 0; folders are read whole", 1, 1_000_000)


# What a checkpoint's weights fix: training from it takes these fields from it.
MODEL_FIELDS = (
    "network", "width", "norm", "code_size", "latent_size", "rnn_size", "predictor_layers", "posterior_layers", "prior",
    "copies", "feedback", "keypoints",
)  # fmt: skip
