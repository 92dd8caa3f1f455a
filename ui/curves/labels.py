"""Names of logged numbers in words, with their units."""

from ui.systems import view

# By the columns of metrics.jsonl; {unit} is that of the system's loss.
COMMON = {
    "loss": "loss, {unit}", "recon": "reconstruction loss, {unit}", "kl": "KL, nats", "score": "score",
    "beta": "KL weight β", "teacher_forcing_ratio": "teacher-forcing ratio", "learning_rate": "learning rate",
    "epoch": "epoch", "step": "steps of the optimizer", "hours": "training time", "best_score": "best score so far",
}  # fmt: skip
# Statistics of one latent level {z}.
LATENT = {
    "kl": "KL of {z}, nats", "mutual_information": "mutual information of {z}, nats",
    "active_units": "active units of {z}", "nll": "importance-weighted NLL by {z}, nats",
}  # fmt: skip
OF_SYSTEM = {
    "tense": {
        "recon": "cross entropy, nats per word", "kl": "KL of z, nats",
        "classifier": "tense classifier, nats", "prior": "prior matching, nats", "consistency": "consistency, nats",
        **{f"{name}_{z}": text.format(z=z) for z in "zs" for name, text in LATENT.items()},
        **{
            f"{split}_{name}_{z}": f"{text.format(z=z)} ({split} verbs)"
            for split in ("validation", "training") for z in "zs" for name, text in LATENT.items()
        },
    },
    "digits": {
        "recon": "cross entropy, nats per picture", "baseline": "baseline's loss, nats", "cvae": "CVAE's loss, nats",
        "gsnn": "GSNN's loss, nats", "hybrid": "hybrid loss, nats",
    },
    "video": {"recon": "squared error of a pixel, summed over frames"},
}  # fmt: skip


def names_in_words(system: str, columns: list[str]) -> dict[str, str]:
    """The label of each column of a system's metrics; of one without a label its name without underscores."""
    labels = COMMON | view(system).SCORES | OF_SYSTEM.get(system, {})
    unit = view(system).LOSS_UNIT
    return {name: labels.get(name, name.replace("_", " ")).format(unit=unit) for name in columns}
