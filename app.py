"""Router and shared frame: streamlit run app.py"""

import streamlit as st

PAGES = {
    name: st.Page(f"pages/{name}.py", title=title, url_path=name, default=name == "home")
    for name, title in {
        "home": "Home",
        "convert": "Convert",
        "latent": "Latent space",
        "digits": "Digits",
        "video": "Video",
        "curves": "Curves",
        "train": "Train",
        "theory": "Theory",
    }.items()
}

st.set_page_config(page_title="Conditional VAE", page_icon="🌀", layout="wide")
page = st.navigation(list(PAGES.values()))

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
