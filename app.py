"""The app's server: streamlit run app.py"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from cvae_core import jobs
from ui.document import routes


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict]:
    """From the server's start to its end."""
    yield {}
    jobs.close()


app = st.App("ui/router.py", routes=routes(), lifespan=lifespan)
