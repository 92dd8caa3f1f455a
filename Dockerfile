# The app as an image; docs/hosting.md says how to build and run it.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_WAIT_POLICY=PASSIVE
WORKDIR /app

# PyTorch's index of builds for processors, given as TORCH_INDEX, spares gigabytes of GPU libraries; the version stands in
# requirements.txt alone.
ARG TORCH_INDEX=
COPY requirements.txt ./
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep -o '^torch==[^ ]*' requirements.txt)" \
    && pip install -r requirements.txt

COPY LICENSE NOTICE app.py ./
COPY .streamlit ./.streamlit
COPY assets ./assets
COPY checkpoints ./checkpoints
COPY cvae_core ./cvae_core
COPY pages ./pages
COPY ui ./ui

# Number 1000 is the one that Hugging Face runs images as. The program's files stay root's: only /data can be written.
RUN useradd --create-home --uid 1000 app && install -d -o app -g app /data /data/runs
USER app
# HOME: Streamlit does not start without one, and another user id (docker run --user) has none.
ENV HOME=/data CVAE_RUNS=/data/runs CVAE_CACHE=/data/cache ALLOW_TRAINING=0 MALLOC_ARENA_MAX=2
VOLUME /data

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501"]
