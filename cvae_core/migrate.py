"""Conversion of earlier formats to the current one: configs, names of weights, entries of run folders.

Format 1 had nine fields for the teacher-forcing ratio, five for the KL weight, and one config for both this project's
model of verbs and those of the course reports. In format 2 the decoder of verbs could get the encoder's outputs beside
z (`source` aligned). Up to format 3 the encoder of `report-002` read SOS. Up to format 4 prior matching and consistency
had a number each, and the share of training after which they began. A config that is no longer supported gets the field
`unsupported`, a sentence with the reason: its run can still be read, its model is rejected.
"""

from pathlib import Path
from typing import Any

from cvae_core import schedules

UNSUPPORTED = "This model is of an earlier version and no longer supported: train it anew."
ALIGNED = (
    "The decoder of this model gets the encoder's outputs beside the latent (source aligned), which is no longer "
    "supported: train it anew, or use the shipped model tense."
)
REMOVED = (
    "weight_decay", "evaluate_start", "bidirectional", "free_running_loss", "decoder_activation", "last_frame_skip",
    "temperature", "points", "kl_schedule", "kl_cycles", "kl_zero", "kl_ramp",
    "condition", "condition_into", "latents", "decoder_state", "encoder_sos",  # of the reports' models
)  # fmt: skip
# The defaults of format 1 that differ from the current ones, for fields that are missing in older files.
DEFAULTS: dict[str, dict[str, Any]] = {
    "tense": {
        "epochs": 20, "kl_schedule": "linear", "kl_max": 0.3, "kl_ramp": 0.2, "tf_schedule": "linear",
        "precision": "float32", "state_layers": 2, "state_width": 0,
        "decoder_condition": "state", "tense_classifier": False, "source_dropout": 0.6, "invented": 0.5,
        "irregular_repeats": 1, "length_pool": 0, "prior_share": 0.0, "prior_from": 0.5,
    },
    "digits": {
        "epochs": 30, "batch_size": 256, "kl_schedule": "linear", "keep": "last", "precision": "float32",
        "hidden_size": 256, "layers": "relu", "shift": 0,
    },
    "video": {
        "epochs": 30, "batch_size": 256, "kl_schedule": "linear", "kl_max": 1.0, "tf_schedule": "linear",
        "keep": "last", "precision": "float32", "width": 64, "latent_size": 64, "points": 0, "copies": False,
        "feedback": True, "clips": 2000,
    },
}  # fmt: skip
RENAMED_TENSORS = {"model.bank_": "matcher.", "model.voice.": "model.output_hidden.", "voice.": "output_hidden."}


def config(system: str, old: dict[str, Any], version: int) -> dict[str, Any]:
    """A config of an earlier format in the current format.

    A config that no version wrote is returned unchanged: `config_from_dict` rejects it.
    """
    if "epochs" not in old:
        return old
    try:
        new = _from_format_1(system, old) if version == 1 else old
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return old
    if system == "tense":
        new = _from_format_2(new) if version < 3 else new
        new = _from_format_3(new) if version < 4 else new
        new = _from_format_4(new)
    return new


def _from_format_4(old: dict[str, Any]) -> dict[str, Any]:
    """A config of verbs: two schedules were a number and the share of training after which it counted."""
    begun = {"prior_share": (1.0, old.get("prior_from", 0.15)), "consistency": (0.0, old.get("consistency_from", 0.5))}
    new = {name: value for name, value in old.items() if name not in ("prior_from", "consistency_from")}
    for name, (default, at) in begun.items():
        value = old.get(name, default)
        if isinstance(value, int | float) and isinstance(at, int | float):
            new[name] = schedules.begins(at, value) if value else schedules.constant(0.0)
    return new


def _from_format_3(old: dict[str, Any]) -> dict[str, Any]:
    """A config of verbs: the encoder of report 002 read SOS, and one field had another name."""
    new = {"form_repeats" if name == "repeats" else name: value for name, value in old.items()}
    return new | ({"architecture": "report-002-sos"} if old.get("architecture") == "report-002" else {})


def _from_format_2(old: dict[str, Any]) -> dict[str, Any]:
    """A config of verbs: there was one level, whose network for the decoder's initial state could be shared."""
    gone = ("source", "source_dropout", "state_shared")
    new = {"spelling_size": 0} | {name: value for name, value in old.items() if name not in gone}
    if old.get("source", "aligned") != "none":
        return new | {"unsupported": ALIGNED}
    return new | ({"unsupported": UNSUPPORTED} if old.get("state_shared") else {})


def _from_format_1(system: str, old: dict[str, Any]) -> dict[str, Any]:
    new = DEFAULTS.get(system, {}) | old
    new["kl_knots"] = _kl_knots(new)
    if system != "digits":  # which has no teacher forcing
        new["teacher_forcing"] = _teacher_forcing(new)
    if system == "tense":
        new = _architecture(new)
    if new.get("last_frame_skip"):
        new["unsupported"] = UNSUPPORTED
    if "points" in new:
        new["keypoints"] = new["points"]
    return {name: value for name, value in new.items() if name not in REMOVED and not name.startswith("tf_")}


def weights(tensors: dict[str, Any]) -> dict[str, Any]:
    """Tensors of an earlier format with their current names; those of a resumable state begin with `model.`."""
    renamed = {}
    for name, tensor in tensors.items():
        old = next((old for old in RENAMED_TENSORS if name.startswith(old)), "")
        renamed[RENAMED_TENSORS.get(old, "") + name.removeprefix(old)] = tensor
    return renamed


def run_config(old: dict[str, Any]) -> dict[str, Any]:
    """config.json of a run of an earlier format in the current format."""
    new = dict(old)
    if isinstance(old.get("config"), dict) and old["config"]:
        new["config"] = config(old.get("system", ""), old["config"], old.get("format", 1))
    if old.get("system") == "video":
        new.setdefault("data", Path(str(old["source"])).name if old.get("source") else "simulator")
    new.setdefault("device", "auto")
    return new


def checkpoint_metadata(old: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a checkpoint of an earlier format; in format 1, the softmax temperature was in the config."""
    new = dict(old)
    if isinstance(old.get("config"), dict):
        new["config"] = config(old.get("system", ""), old["config"], old.get("format", 1))
        if "temperature" in old["config"]:
            new["temperature"] = old["config"]["temperature"]
    return new


def _kl_knots(old: dict[str, Any]) -> schedules.Knots:
    shape, cycles = old["kl_schedule"], old.get("kl_cycles", 1)
    if shape == "constant":
        return schedules.constant()
    if shape == "sigmoid":
        return schedules.sigmoid(int(old.get("epochs", 50)))
    return schedules.ramp(old.get("kl_zero", 0.0), old.get("kl_ramp", 1.0), cycles)


def _teacher_forcing(old: dict[str, Any]) -> schedules.Knots:
    final, epochs = old.get("tf_final", 1.0), old.get("epochs", 30)
    match old["tf_schedule"]:
        case "constant":
            return schedules.constant(final)
        case "two-slopes":
            return ((0.0, 1.0), (old["tf_knee"], old["tf_knee_ratio"]), (1.0, final))
        case "geometric":
            return schedules.geometric(old["tf_factor"], old["tf_every"], epochs)
        case "late":
            return schedules.late(old["tf_start"], old["tf_step"], final, epochs)
        case _:
            return schedules.plateau(old.get("tf_plateau", 0.0), final)


def _architecture(old: dict[str, Any]) -> dict[str, Any]:
    """Adds the architecture: the reports' models had the tense in the decoder's initial state."""
    if old.get("source") == "attention":
        return old | {"unsupported": UNSUPPORTED}
    if old["decoder_condition"] != "state":
        return old | {"architecture": "seq2seq"}
    both, one_hot = old.get("latents") == "hidden+cell", old.get("condition") == "one-hot"
    name = "report-001" if one_hot else "report-002" if both else "report-000"
    if old.get("bidirectional", True) or old.get("source", "aligned") != "none" or (both and one_hot):
        return old | {"unsupported": UNSUPPORTED}
    return old | {"architecture": name, "decoder_condition": "output"}
