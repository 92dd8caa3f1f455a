"""Every setting of the tense system. The defaults are the first step of the shipped recipe (`make tense-heldout`)."""

from dataclasses import dataclass

from cvae_core.config import Knots, TrainConfig, option, redefault
from cvae_core.errors import UserError
from cvae_core.schedules import begins, constant, ramp

REPORTS = ("report-000", "report-001", "report-002", "report-002-sos")


@dataclass(frozen=True)
class TenseConfig(TrainConfig):
    """Model, data and loss of the tense system."""

    # Training
    epochs: int = redefault(TrainConfig, "epochs", 48)
    kl_max: float = redefault(TrainConfig, "kl_max", 0.6)
    kl_knots: Knots = redefault(TrainConfig, "kl_knots", ramp(rise=0.2))
    teacher_forcing: Knots = option(((0.0, 1.0),), "teacher-forcing ratio over training")
    precision: str = redefault(TrainConfig, "precision", "auto")
    # Model
    architecture: str = option(
        "seq2seq", "this project's model, or that of a course report", choices=("seq2seq", *REPORTS)
    )
    hidden_size: int = option(256, "width of the LSTMs (256 in all reports)", 8, 4096)
    embedding_size: int = option(64, "width of a letter's embedding; 0 means hidden_size, as in the reports", 0, 4096)
    latent_size: int = option(32, "dimensions of z, which identifies a verb (32 in all reports)", 1, 1024)
    spelling_size: int = option(96, "dimensions of s, which spells a word; 0: one level, the decoder gets z", 0, 1024)
    condition_size: int = option(8, "width of the tense embedding that the encoder gets (8 in all reports)", 1, 256)
    state_layers: int = option(
        3, "layers from z to s (of one level: to the decoder's initial state), all but the last with a tanh", 1, 5
    )
    state_width: int = option(1024, "width of those tanh layers; 0 means hidden_size", 0, 4096)
    decoder_condition: str = option(
        "output", "the tense conditions the decoder's input letters, or its output layer alone: then one z has "
        "the same state in every tense as long as the letters are the same",
        choices=("input", "output"),
    )  # fmt: skip
    tense_classifier: bool = option(True, "whether a classifier q(tense | word) is trained on the encoder's outputs")
    # Data
    pairs: str = option("all", "decode the same tense (reports), or any tense of the verb", choices=("same", "all"))
    train_on: str = option(
        "train", "the training split of the verbs, validation verbs too (once all is chosen), or all of them (reports)",
        choices=("train", "train+validation", "all"),
    )  # fmt: skip
    z_share: float = option(0.5, "share of the real verbs that are decoded from z, by way of the map to s")
    invented: float = option(0.4, "share of each batch that is invented verbs")
    prefixed: float = option(0.2, "share of the invented verbs that are a prefix and an irregular verb")
    rehearsal: float = option(0.0, "fine-tuning: share of each batch that is verbs the first checkpoint knew")
    form_repeats: int = option(1, "times that each form occurs in an epoch: more than 1 for short lists", 1, 1000)
    min_batches: int = option(1, "least batches of an epoch: a short list is repeated until it fills them", 1, 1000)
    irregular_repeats: int = option(2, "multiplies `form_repeats` for verbs that spelling rules get wrong", 1, 1000)
    frequent_repeats: int = option(1, "multiplies `form_repeats` for the 1,000 most frequent verbs", 1, 1000)
    length_pool: int = option(8, "length bucketing: batches per bucket (0: off)", 0, 10_000)
    prior_share: Knots = option(
        begins(0.15, 1.0), "samples of z beside each batch over training, as a share of its size: for prior matching, "
        "or for replay with `rehearsal`", 0.0, 100.0,
    )  # fmt: skip
    consistency: Knots = option(
        constant(0.0), "weight over training of the divergence between two tenses of one sampled z, over the letters "
        "that both share", 0.0, 1e6,
    )  # fmt: skip
    encoder_until: float = option(1.0, "share of training after which the encoder is frozen")
    # Loss
    spelling_kl: float = option(0.02, "weight of the KL of s; kl_max is that of z", 0.0, 1000.0)
    recon: str = option("sum", "cross entropy summed over letters, or their mean (000)", choices=("sum", "mean"))

    def __post_init__(self):
        super().__post_init__()
        if self.invented + self.rehearsal >= 1:
            share = " + ".join(f"{n} {getattr(self, n)}" for n in ("invented", "rehearsal") if getattr(self, n))
            raise UserError(f"Of each batch, {share} leaves nothing for the verbs themselves: expected less than 1.")
        if self.architecture in REPORTS and self.encoder_until < 1:
            raise UserError("encoder_until needs architecture seq2seq: a report's decoder shares an embedding.")
        if self.architecture in REPORTS and (self.spelling_size or self.tense_classifier):
            raise UserError("A report's architecture has spelling_size 0 and no tense_classifier.")


# What a checkpoint's weights fix: training from it takes these fields from it.
MODEL_FIELDS = (
    "architecture", "hidden_size", "embedding_size", "latent_size", "spelling_size", "condition_size", "state_layers",
    "state_width", "decoder_condition", "tense_classifier",
)  # fmt: skip
