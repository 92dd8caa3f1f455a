"""The script that app.py runs for every session: navigation, then the requested page."""

import streamlit as st

import ui
from cvae_core import jobs

ASSETS = ui.PAGES.parent / "assets"
GROUPS = {
    "": {"home": ("Home", "home")},
    "Verbs": {
        "convert": ("Convert", "spellcheck"),
        "latent": ("Latent space", "scatter_plot"),
        "wug": ("Wug test", "quiz"),
    },
    "Other systems": {"digits": ("Digits", "draw"), "video": ("Video", "movie")},
    "Training": {"train": ("Train", "model_training"), "curves": ("Curves", "show_chart")},
    "Learn": {"theory": ("Theory", "school")},
}
BY_NAME = {
    name: st.Page(
        ui.PAGES / f"{name}.py", title=title, icon=f":material/{icon}:", url_path=name, default=name == "home"
    )
    for pages in GROUPS.values()
    for name, (title, icon) in pages.items()
}  # fmt: skip

st.set_page_config(page_title="Conditional VAE", page_icon=ASSETS / "favicon.svg", layout="wide")
st.logo(ASSETS / "logo.svg", size="large", icon_image=ASSETS / "favicon.svg")
page = st.navigation(list(BY_NAME.values()), position="hidden")
with st.sidebar:  # Streamlit's own groups have headings inside their lists, which screen readers stumble over
    for group, names in GROUPS.items():
        if group:
            st.markdown(f"**{group}**")
        for name in names:
            st.page_link(BY_NAME[name])
page.run()
jobs.jobs()  # continues the runs that the previous server left queued
