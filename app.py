"""The app's server: streamlit run app.py"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from streamlit.logger import get_logger

from cvae_core import jobs

# Importing ui declares caches before the server's runtime exists; Streamlit would log a warning.
get_logger("streamlit.runtime.caching.cache_data_api").setLevel("ERROR")
from ui.document import routes


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict]:
    """Close the queue of trainings when the server shuts down."""
    yield {}
    jobs.close()


app = st.App("ui/router.py", routes=routes(), lifespan=lifespan)
