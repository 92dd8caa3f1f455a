"""Router and shared frame: streamlit run app.py"""

import streamlit as st

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
        f"pages/{name}.py", title=title, icon=f":material/{icon}:", url_path=name, default=name == "home"
    )
    for pages in GROUPS.values()
    for name, (title, icon) in pages.items()
}  # fmt: skip

st.set_page_config(page_title="Conditional VAE", page_icon="assets/favicon.svg", layout="wide")
st.logo("assets/logo.svg", size="large", icon_image="assets/favicon.svg")
page = st.navigation(list(PAGES.values()), position="hidden")
with st.sidebar:  # Streamlit's own groups have headings inside their lists, which screen readers stumble over
    for group, names in GROUPS.items():
        if group:
            st.markdown(f"**{group}**")
        for name in names:
            st.page_link(PAGES[name])

# A deep link to a fresh server runs pages/x.py without this frame; ui.frame sends it here (see there).
bounced = st.session_state.pop("_bounce", None)
if bounced:
    name, query = bounced
    st.switch_page(PAGES[name], query_params=query)

st.session_state["_framed"] = True
page.run()
st.session_state["_framed"] = False

from cvae_core import jobs  # after the page, which need not wait for it

jobs.jobs()  # continues the runs that the previous server left queued
