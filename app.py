"""The app's server: streamlit run app.py"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from streamlit.logger import get_logger

from cvae_core import jobs

# The app's modules, with their caches, are imported before the server exists, which it would warn of.
get_logger("streamlit.runtime.caching.cache_data_api").setLevel("ERROR")
from ui.document import routes


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict]:
    """From the server's start to its end."""
    yield {}
    jobs.close()


app = st.App("ui/router.py", routes=routes(), lifespan=lifespan)
