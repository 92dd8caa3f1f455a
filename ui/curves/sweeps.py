"""Sweeps of hyperparameters."""

import pandas as pd
import streamlit as st

from cvae_core.errors import UserError
from ui.curves.choose import PNG, link_to_curves


@st.cache_resource(max_entries=4, show_spinner="Opening the database…")
def _open_studies(url: str):
    from cvae_core import sweep  # Optuna takes a second to import

    return sweep.open_storage(url)


def show_sweeps() -> None:
    """The view: a study's trials, and Optuna's plots of them."""
    from cvae_core import sweep

    try:
        with sweep.database_errors():
            _show_studies(_open_studies(sweep.default_storage()))
    except UserError:
        _open_studies.clear()  # the database may be back at the next visit
        raise


def _show_studies(storage) -> None:
    from cvae_core import sweep

    names = sweep.study_names(storage)
    if not names:
        st.info(
            "There is no sweep yet. This trains 6 models, two at a time: `python -m cvae_core sweep tense --study mine "
            "--grid kl_max=0.1,0.3,1 spelling_size=0,96 --epochs 5 --workers 2`"
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
    _show_plots(study, metric)
    ids = [run for trial in sweep.points(study) for run in sweep.run_ids(trial)]
    link_to_curves("Show the curves of its runs", ids)


def _show_plots(study, metric: str) -> None:
    """One of Optuna's plots of a study."""
    # Not at the top: it takes half a second.
    from optuna.visualization import plot_parallel_coordinate, plot_param_importances, plot_slice

    plots = {
        "Parallel coordinates": plot_parallel_coordinate,
        "Importance": plot_param_importances,
        "Slice": plot_slice,
    }
    plot = st.segmented_control(
        "Plot", list(plots), default="Parallel coordinates", required=True, key="plot", bind="query-params"
    )
    figure = plots[plot](study, target_name=metric)
    figure.update_layout(title=None, margin={"l": 70, "r": 70, "t": 60, "b": 60})  # names above and beside the axes
    st.plotly_chart(figure, key=f"sweep {plot}", config=PNG, alt=f"{plot} of the study {study.study_name}")
