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
from ui.video.clips import SIMULATOR, play, predict, simulated

SPREAD = 0.06  # standard deviation between futures, of 1, from which a pixel is marked
ORANGE = (0.9, 0.45, 0.0)


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
    play(
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
            "much moves; exchanged actions show how much the model uses them. PSNR, the peak signal-to-noise ratio: "
            "higher is better; 10 dB more is a tenth of the squared error."
        )
    st.download_button(
        "Download as GIF", lambda: gif(torch.cat([frames, torch.cat([given, predicted])], 3)), "prediction.gif",
        "image/gif", on_click="ignore",
    )  # fmt: skip
    _show_samples(name, model, clip)


def _show_samples(name: str, model: VideoCVAE, clip: Clip) -> None:
    """Futures of the same given frames with several samples of z: where they differ, the best one and the average."""
    st.subheader("Several futures of the same frames")
    columns = st.columns([1, 1, 2], vertical_alignment="bottom")
    shown = columns[0].slider("Futures shown", 2, 8, 4, key="draws", bind="query-params")
    seed = columns[1].number_input("Seed of z", 0, ui.MAX_SEED, step=1, key="z_seed", bind="query-params")
    past, samples = model.config.past, metrics.SAMPLES
    predicted = predict(name, model, clip, [clip.condition[:-1]] * samples, seed)
    true = clip.frames[past:].float() / 255
    scores = metrics.psnr(predicted, true).mean(1)
    spread = predicted.std(0).mean(1)  # (H, 64, 64)
    boxes = [divergence(frame) for frame in spread]
    order = [int(scores.argmax()), *(i for i in range(samples) if i != int(scores.argmax()))][:shown]
    rows = [true, *(torch.stack([framed(f, b) for f, b in zip(predicted[i], boxes, strict=True)]) for i in order)]
    first = next((past + i for i, box in enumerate(boxes) if box), None)
    caption = f"Truth, the best of {samples} futures, and {shown - 1} others" + (
        "; a frame of orange marks where they differ" if first else ""
    )
    st.image(strip(torch.cat(rows, 2), 2), caption=caption, width="stretch", alt=caption)
    best, average = st.columns(2)
    best.metric(f"PSNR, the best of {samples}", f"{scores.max().item():.2f} dB")
    average.metric("PSNR, the average one", f"{scores.mean().item():.2f} dB")
    st.markdown(
        f"The futures part at frame {first}. z models what the given frames and the actions leave open: whether the "
        "fingers close around an object, how far a pushed one slides."
        if first
        else "The futures agree: here the given frames and the actions determine what happens, and z has no effect."
    )


def divergence(spread: torch.Tensor) -> tuple[slice, slice] | None:
    """Rows and columns around the pixels (h, w) whose standard deviation is above `SPREAD`; None without three."""
    rows, columns = (spread > SPREAD).nonzero(as_tuple=True)
    if len(rows) < 3:
        return None
    return tuple(slice(max(0, int(a.min()) - 2), int(a.max()) + 3) for a in (rows, columns))


def framed(picture: torch.Tensor, box: tuple[slice, slice] | None) -> torch.Tensor:
    """A picture (3, h, w) with an orange line around a box."""
    if box is None:
        return picture
    line = torch.zeros_like(picture[0], dtype=torch.bool)
    line[box] = True
    line[slice(box[0].start + 1, box[0].stop - 1), slice(box[1].start + 1, box[1].stop - 1)] = False
    return torch.where(line, torch.tensor(ORANGE)[:, None, None], picture)
