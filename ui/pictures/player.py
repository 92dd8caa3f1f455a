"""A player of clips side by side: the browser plays them without the server."""

from collections.abc import Mapping

import numpy as np

from ui.pictures import component, data_url

MILLISECONDS = 200  # between frames

_player = component(
    "player",
    '<div class="stage"></div><div class="bar"><button type="button" class="play">▶ Play</button>'
    '<input type="range" min="0" step="1" aria-label="Time step"><output></output></div>',
)


def show_player(clips: Mapping[str, np.ndarray], start: int, key: str) -> None:
    """Clips (T, h, w, 3) in [0, 1] of one length under their names, with a button and a slider; at frame `start`."""
    strips = [{"name": name, "strip": data_url(np.concatenate(clip, axis=1))} for name, clip in clips.items()]
    frames = len(next(iter(clips.values())))
    _player(data={"clips": strips, "frames": frames, "start": start, "milliseconds": MILLISECONDS}, key=key)
