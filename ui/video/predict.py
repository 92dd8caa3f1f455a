"""A prediction with the truth and its error, and several predictions from the same frames."""

import streamlit as st
import torch

import ui
from cvae_core.video import metrics
from cvae_core.video.data import Clip
from cvae_core.video.family import TEST
from cvae_core.video.model import VideoCVAE
from cvae_core.video.pictures import gif, strip
from ui.figures import video as figures
from ui.video.clips import SIMULATOR, predict, show_player, simulated


def show_predict(name: str, model: VideoCVAE, clip: Clip) -> None:
    """The view: truth, prediction and error; PSNR of the prediction, of copying, and with exchanged actions."""
    past = model.config.past
    actions = clip.condition[:-1]
    if st.session_state["source"] == SIMULATOR:
        label, other = "another clip's actions", simulated(TEST - 1, len(clip.frames)).condition[:-1]
    else:
        label, other = "the actions reversed", actions.flip(0)
    predicted, exchanged = predict(name, model, clip, [actions, other])
    frames = clip.frames.float() / 255
    true, last = frames[past:], frames[past - 1].expand(len(frames) - past, -1, -1, -1)
    given = frames[:past]
    error = (predicted - true).abs().mean(1, keepdim=True).expand(-1, 3, -1, -1)
    show_player(
        {
            "truth": frames,
            "prediction": torch.cat([given, predicted]),
            "error, 4 times as bright": torch.cat([torch.zeros_like(given), 4 * error]),
        },
        past, "player",
    )  # fmt: skip
    scores = {
        "the model": metrics.psnr(predicted, true),
        "the last frame, copied": metrics.psnr(last, true),
        f"the model with {label}": metrics.psnr(exchanged, true),
    }
    columns = st.columns([3, 2], gap="large")
    with columns[0]:
        st.plotly_chart(
            figures.by_frame({label: values.tolist() for label, values in scores.items()}, past), key="psnr",
            config=ui.PNG, alt="PSNR of each predicted frame: the model, copying, and the model with other actions",
        )  # fmt: skip
    with columns[1]:
        for label, values in scores.items():
            st.metric(f"PSNR, {label}", f"{values.mean().item():.2f} dB")
        st.markdown(
            f"The model gets {past} frames and the arm's actions in all {len(frames) - 1} steps. Copying shows how "
            "much moves; exchanged actions show how much the model uses them."
        )
    st.download_button(
        "Download as GIF", lambda: gif(torch.cat([frames, torch.cat([given, predicted])], 3)), "prediction.gif",
        "image/gif", on_click="ignore",
    )  # fmt: skip
    _show_samples(name, model, clip)


def _show_samples(name: str, model: VideoCVAE, clip: Clip) -> None:
    """Predictions from the same given frames with several samples of z."""
    st.subheader("Several predictions from the same frames")
    columns = st.columns([1, 1, 2], vertical_alignment="bottom")
    samples = columns[0].slider("Samples of z", 2, 8, 4, key="draws", bind="query-params")
    seed = columns[1].number_input("Seed of z", 0, ui.MAX_SEED, step=1, key="z_seed", bind="query-params")
    predicted = predict(name, model, clip, [clip.condition[:-1]] * samples, seed)
    true = clip.frames[model.config.past :].float() / 255
    spread = predicted.std(0).mean(1, keepdim=True)
    rows = [true, *predicted, (10 * spread).clamp(max=1).expand(-1, 3, -1, -1)]
    caption = f"Truth, {samples} samples, and their standard deviation, 10 times as bright"
    st.image(strip(torch.cat(rows, 2), 2), caption=caption, width="stretch", alt=caption)
    deviation = spread.square().mean().sqrt().item()
    st.markdown(
        f"The samples differ by {255 * deviation:.1f} of 255 grey levels (root mean square). Where the actions "
        "determine the frames, z has no effect; it models what they leave open, such as how far a pushed object slides."
    )
