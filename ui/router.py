"""Run for every visitor, by app.py: navigation, and the page that was asked for."""

import streamlit as st

import ui

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
PAGES = {
    name: st.Page(
        ui.PAGES / f"{name}.py", title=title, icon=f":material/{icon}:", url_path=name, default=name == "home"
    )
    for pages in GROUPS.values()
    for name, (title, icon) in pages.items()
}  # fmt: skip

st.set_page_config(page_title="Conditional VAE", page_icon=ASSETS / "favicon.svg", layout="wide")
st.logo(ASSETS / "logo.svg", size="large", icon_image=ASSETS / "favicon.svg")
page = st.navigation(list(PAGES.values()), position="hidden")
with st.sidebar:  # Streamlit's own groups have headings inside their lists, which screen readers stumble over
    for group, names in GROUPS.items():
        if group:
            st.markdown(f"**{group}**")
        for name in names:
            st.page_link(PAGES[name])
page.run()

from cvae_core import jobs  # after the page, which need not wait for it

jobs.jobs()  # continues the runs that the previous server left queued
