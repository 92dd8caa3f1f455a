"""The app's server: streamlit run app.py"""

import streamlit as st

from ui.document import routes

app = st.App("ui/router.py", routes=routes())
