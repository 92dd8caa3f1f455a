"""Every setting of the digits system."""

from dataclasses import dataclass

from cvae_core.config import Knots, TrainConfig, option, redefault
from cvae_core.digits.data import SIDE
from cvae_core.schedules import ramp

OBJECTIVES = ("cvae", "gsnn", "hybrid")


@dataclass(frozen=True)
class DigitsConfig(TrainConfig):
    """Model, data and loss of the digits. A KL weight above 1 is the paper's (1 + beta).

    The defaults are the paper's quadrants, for which report 003 states no sizes: one model for every choice of
    quadrants and all three objectives. Residual layers learn in ten epochs what plain ones need sixty for; shifts
    prevent overfitting.
    """

    epochs: int = redefault(TrainConfig, "epochs", 100)
    batch_size: int = redefault(TrainConfig, "batch_size", 128)
    kl_knots: Knots = redefault(TrainConfig, "kl_knots", ramp(rise=0.1))
    keep: str = redefault(TrainConfig, "keep", "best")
    precision: str = redefault(TrainConfig, "precision", "auto")
    task: str = option(
        "quadrants", "predict hidden quadrants, or generate a digit of a label", choices=("quadrants", "label")
    )
    hidden_size: int = option(384, "width of each hidden layer", 4, 4096)
    hidden_layers: int = option(2, "hidden layers of each network", 1, 8)
    layers: str = option(
        "residual", "hidden layers: linear and ReLU (paper, report), or residual blocks", choices=("relu", "residual")
    )
    latent_size: int = option(50, "dimensions of z", 1, 1024)
    shift: int = option(1, "largest shift of training images in each direction, in pixels", 0, SIDE // 2 - 1)
    # Label
    conditional: bool = option(True, "label: both networks get the label; without it, a plain VAE")
    # Quadrants
    objective: str = option("all", "cvae, gsnn or hybrid, or all three side by side", choices=("all", *OBJECTIVES))
    alpha: float = option(0.5, "hybrid: weight of the CVAE's loss; the GSNN's has weight 1 - alpha")
    prior_samples: int = option(
        1, "hybrid: samples of the prior in the GSNN's loss, the negative log of their mean likelihood (1: paper)",
        1, 1000,
    )  # fmt: skip
    seen: str = option(
        "any", "visible quadrants in training: 1, 2 or 3 as in the paper; paper: one of these at random; any: for half "
        "of the images paper, for the others any of the 15 choices",
        choices=("1", "2", "3", "paper", "any"),
    )  # fmt: skip


# What a checkpoint's weights fix: training from it takes these fields from it.
MODEL_FIELDS = ("task", "hidden_size", "hidden_layers", "layers", "latent_size", "conditional", "objective")
