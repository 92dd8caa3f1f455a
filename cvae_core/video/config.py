"""Every setting of the video system."""

from dataclasses import dataclass

from cvae_core.config import Knots, TrainConfig, option, redefault
from cvae_core.errors import UserError
from cvae_core.schedules import constant


@dataclass(frozen=True)
class VideoConfig(TrainConfig):
    """Model, data and loss of the video system; the defaults are the shipped model.

    It is small, for CPUs. Without feedback, training and prediction compute the same, in one call; keypoints are
    rendered as blobs; static pixels are copied. The KL weight is small because `recon` is a mean over pixels. Network,
    norm, sizes of code and LSTMs, copies and feedback are of `dynamics` codes alone.
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
    dynamics: str = option(
        "codes", "what is predicted: codes of frames, by an LSTM (report 004), or feature maps, by a convolutional GRU",
        choices=("codes", "maps"),
    )  # fmt: skip
    network: str = option("vgg", "encoder and decoder: vgg (report 004) or dcgan", choices=("vgg", "dcgan"))
    width: int = option(16, "channels of the first feature maps (report 004: 64), doubled at each halving", 4, 256)
    norm: str = option(
        "batch", "normalization of the feature maps: batch (report 004) or group", choices=("batch", "group")
    )
    code_size: int = option(128, "width of a frame's code", 4, 1024)
    latent_size: int = option(16, "dimensions of z (report 004: 64); with maps, of each of its 8 x 8 cells", 1, 512)
    rnn_size: int = option(256, "width of the LSTMs", 8, 2048)
    predictor_layers: int = option(2, "layers of the frame predictor", 1, 4)
    posterior_layers: int = option(1, "layers of the posterior and of a learned prior", 1, 4)
    prior: str = option("fixed", "N(0, I) (report 004), or learned from the frames", choices=("fixed", "learned"))
    keypoints: int = option(
        8, "keypoints that the predictor outputs, rendered as Gaussian blobs for the decoder (Jakab et al. 2018)", 0, 64
    )
    copies: bool = option(True, "a mask blends each decoded frame with its reference frame (Finn et al. 2016)")
    objects: bool = option(False, "")  # a model of how objects move is added by scripts/video_objects.py
    feedback: bool = option(False, "the predictor encodes its own frames (report 004) instead of the last given one")
    # Data
    past: int = option(2, "given frames", 1, 100)
    future: int = option(10, "frames to predict in training and scoring, where the clips are long enough", 1, 100)
    jitter: float = option(
        0.0, "training clips: permute the colour channels and scale each by up to 1 ± this; 0: off", 0.0, 0.99
    )
    mirror: bool = option(False, "mirror a random half of the training clips, with their actions: for few clips")
    clips: int = option(4000, "simulated training clips, seeds from 0; folders are read whole", 1, 1_000_000)

    def __post_init__(self):
        super().__post_init__()
        if self.dynamics == "maps" and not self.keypoints:
            raise UserError("dynamics maps needs keypoints, which tell it where the arm is: expected at least 1.")
        if self.objects and self.dynamics != "maps":
            raise UserError("objects needs dynamics maps: only its decoder takes layers.")
        if self.objects and self.past < 2:
            raise UserError("objects needs past of at least 2: how an object moves shows in two frames.")


# What a checkpoint's weights fix: training from it takes these fields from it.
MODEL_FIELDS = (
    "dynamics", "network", "width", "norm", "code_size", "latent_size", "rnn_size", "predictor_layers",
    "posterior_layers", "prior", "copies", "feedback", "keypoints",
)  # fmt: skip
