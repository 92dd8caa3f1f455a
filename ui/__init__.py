"""Shared by the pages: models, forms, figures, the view of a run, and the views of the larger pages.

router.py      what app.py runs: navigation, then a page
document.py    the HTML document of the pages
frame.py       frame(), which every page calls first, and the header of a page
models.py      cached models, their names, a picker
parts.py       small widgets and chart settings
form.py        inputs for a config's fields, and the button that starts a training
run_view.py    a run: state, progress, scores, buttons
watch.py       its preview epoch by epoch, its losses, what the KL weight did, how it compares
conversion.py  a verb converted by one model or by several
guides/        how to read each page
figures/       plotly figures: data in, figure out
systems/       a module per system: its form and samples on the Train page
latent/ …      the views of one page, where they are too long for its file
"""

import torch

from ui.frame import PAGES, frame, header, paint
from ui.models import config_of, load_model, model_names, pick_model, stamp, upload_model
from ui.parts import (
    MAX_SEED,
    PLAIN,
    PNG,
    new_seeds,
    pick_view,
    read_scores,
    seed_input,
    shipped_runs,
    show_remark,
    table_behind,
    uploaded_text,
)

torch.set_num_threads(1)  # more would compete with the threads of other sessions

__all__ = [
    "MAX_SEED", "PAGES", "PLAIN", "PNG", "config_of", "frame", "header", "load_model", "model_names", "new_seeds",
    "paint", "pick_model", "pick_view", "read_scores", "seed_input", "shipped_runs", "show_remark", "stamp",
    "table_behind", "upload_model", "uploaded_text",
]  # fmt: skip
