"""Sweeps of hyperparameters: the trials of a study, and Optuna's plots of them."""

import pandas as pd
import streamlit as st

from ui.curves.choose import MAX_RUNS, PNG, all_runs


@st.cache_resource(max_entries=4, show_spinner="Opening the database…")
def _open_studies(url: str):
    from cvae_core import sweep  # Optuna takes a second to import

    return sweep.open_storage(url)


def show_sweeps() -> None:
    """The studies of `python -m cvae_core sweep`: their trials, and Optuna's plots of them."""
    from cvae_core import sweep

    storage = _open_studies(sweep.default_storage())
    names = sweep.study_names(storage)
    if not names:
        st.info(
            "There is no sweep yet. This trains 6 models, two at a time: `python -m cvae_core sweep tense --study mine "
            "--grid kl_max=0.1,0.3,1 source=none,aligned --epochs 5 --workers 2`"
        )
        return
    study = sweep.load(st.selectbox("Study", names, key="study", bind="query-params"), storage)
    rows = sweep.table(study)
    done = sum(row["state"] == "complete" for row in rows)
    metric = study.user_attrs["setup"]["metric"]
    st.markdown(f"{done} of {len(rows)} points are trained; the value is `{metric}` after the last epoch.")
    st.dataframe(
        pd.DataFrame(rows).dropna(axis="columns", how="all"), hide_index=True, alt="Trials of the study, the best first"
    )
    if done < 2:
        st.info("Plots need two trained points.")
        return
    plot = st.segmented_control(
        "Plot", list(sweep.PLOTS), default="Parallel coordinates", required=True, key="plot", bind="query-params"
    )
    figure = sweep.PLOTS[plot](study, target_name=metric)
    st.plotly_chart(figure, key=f"sweep {plot}", config=PNG, alt=f"{plot} of the study {study.study_name}")
    known = all_runs()
    chosen = [row["run"] for row in rows if row["run"] in known][:MAX_RUNS]
    if chosen:
        st.button(
            "Show the curves of its runs", on_click=st.session_state.update, args=({"view": "Curves", "run": chosen},)
        )
