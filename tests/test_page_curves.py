"""The Curves page: choosing runs, shared links, damaged runs, empty lists."""

import json
import shutil
from functools import partial

import pytest

from cvae_core import checkpoint, sweep
from cvae_core.runs import list_runs
from tests import pages

open_page = partial(pages.open_page, "curves")


def make_run(root, name, **metrics):
    path = root / name
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"system": "tense", "config": {"seed": len(list(root.iterdir()))}}))
    (path / "status.json").write_text(json.dumps({"state": "finished", "epoch": 3}))
    metrics = metrics or {"loss": 2.0, "recon": 1.5, "kl": 0.5, "beta": 0.1, "bleu4": 0.4, "gaussian": 0.3}
    rows = [{"epoch": e, "step": 10 * e, "seconds": 60.0} | {k: v / e for k, v in metrics.items()} for e in (1, 2, 3)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def root(tmp_path, run_root, monkeypatch):
    """A folder with three runs; there is also a shipped run."""
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    (make_run(tmp_path / "assets" / "runs", "default") / "status.json").unlink()
    for name in ("20260101-000000-one", "20260102-000000-two", "20260103-000000-three"):
        make_run(run_root, name)
    return run_root


def chart(at) -> dict:
    return json.loads(at.get("plotly_chart")[0].proto.spec)


def drawn(at) -> set[str]:
    return {trace["name"] for trace in chart(at)["data"]}


def chosen(at) -> list[str]:
    """The runs that are selected in the table."""
    names = runs_table(at)["run"].tolist()
    return [names[row] for row in at.session_state["runs_table"]["selection"]["rows"]]


def choose(at, *names: str):
    """Select rows of the table, and run the page."""
    at.query_params["run"] = list(names) or ["-"]
    return at.run()


def runs_table(at):
    return at.dataframe[0].value


def titles(at) -> list[str]:
    return [note["text"].removeprefix("<b>").removesuffix("</b>") for note in chart(at)["layout"]["annotations"]]


def test_newest_and_shipped_runs_are_shown_first(root):
    at = open_page()
    assert not at.error and not at.warning
    names = ["20260103-000000-three", "20260102-000000-two", "20260101-000000-one", "shipped/default"]
    assert chosen(at) == names
    assert drawn(at) == set(names)
    bleu = "BLEU-4, the course's ten pairs"
    assert titles(at) == ["cross entropy, nats per word", "KL of z, nats", "KL weight β", bleu]
    table = runs_table(at)
    assert table["state"].tolist() == ["finished"] * 3 + ["shipped"] and table["epochs"].tolist() == [3] * 4
    assert table["minutes"].tolist() == [3.0] * 4 and table["colour"].str.startswith("data:image/svg").all()


def test_without_runs_the_verbs_shipped_run_is_beside_the_reports(run_root):
    at = open_page()
    assert chosen(at) == ["shipped/best", "shipped/source-002", "shipped/source-001"]
    assert at.button_group(key="curves_system").value == "tense"
    assert runs_table(at)["colour"].notna().tolist() == [True] * 3 + [False] * (len(runs_table(at)) - 3)
    at.button_group(key="curves_system").set_value("video").run()
    assert not at.exception and "PSNR of predicted frames, dB" in titles(at)
    of_video = [run for run in list_runs(checkpoint.ROOT / "assets" / "runs") if run.system == "video"]
    assert set(chosen(at)) <= {f"shipped/{run.id}" for run in of_video}


def test_a_link_to_a_run_opens_its_system(run_root):
    at = open_page(run="shipped/source-003-quadrants")
    assert at.button_group(key="curves_system").value == "digits" and drawn(at) == {"shipped/source-003-quadrants"}


def test_a_shared_link_restores_every_control(root):
    at = open_page(
        filter="2026", run=["20260101-000000-one", "20260102-000000-two"], 
        metric=["Gaussian score, 100 samples", "KL of z, nats"], schedule="KL weight β", x="time", smoothing="0.6",
        log="true", log_x="true", clip="true",
    )  # fmt: skip
    assert at.text_input(key="filter").value == "2026"
    assert drawn(at) == {"20260101-000000-one", "20260102-000000-two"}
    assert titles(at) == ["Gaussian score, 100 samples", "KL of z, nats", "KL weight β"]
    assert at.slider(key="smoothing").value == 0.6
    assert at.toggle(key="log").value and at.toggle(key="clip").value
    layout = chart(at)["layout"]
    assert layout["yaxis"]["type"] == "log" and "range" in layout["yaxis"]
    assert "minutes" in layout["xaxis"]["title"]["text"] and layout["xaxis"]["type"] == "log"
    assert any(trace.get("opacity") for trace in chart(at)["data"])  # the faint line behind the smoothed one


def test_a_shared_link_restores_the_plane_of_two_scores(root):
    at = open_page(
        view="Two scores", across="KL of z, nats", up="BLEU-4, the course's ten pairs", run="20260101-000000-one"
    )
    layout = chart(at)["layout"]
    assert (layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]) == (
        "KL of z, nats",
        "BLEU-4, the course's ten pairs",
    )
    assert drawn(at) == {"20260101-000000-one"}


def test_runs_with_the_same_settings_are_one_line_with_a_band(root):
    for i in range(3):
        copy = make_run(root, f"20260104-00000{i}-same", loss=2.0 + i, bleu4=0.4)
        config = {"system": "tense", "config": {"kl_max": 7.0, "seed": i}}
        (copy / "config.json").write_text(json.dumps(config))
    at = open_page(filter="same|one", run=[run for run in sorted(p.name for p in root.iterdir()) if "same" in run])
    at.selectbox(key="group").set_value("all but the seed").run()
    [line] = drawn(at)
    assert line.endswith("(3 runs)") and [t for t in chart(at)["data"] if t.get("fill") == "toself"]
    assert at.dataframe[1].value["at the end"].tolist()[0] == "1 ± 0.33"
    at.selectbox(key="group").set_value("seed" if "seed" in at.selectbox(key="group").options else "each run").run()
    assert len(drawn(at)) == 3


def test_a_baseline_turns_the_numbers_into_differences(root):
    at = open_page(baseline="20260101-000000-one")
    values = at.dataframe[1].value
    assert values["at the end"][values["metric"] == "KL of z, nats"].tolist() == [0.0] * 4
    assert any("compared with 20260101-000000-one" in header.value for header in at.subheader)


def test_the_settings_that_differ_have_a_row_each(root):
    at = open_page(run=["20260101-000000-one", "20260102-000000-two"])
    at.session_state["settings_open"] = True
    at.run()
    [seed] = at.dataframe[-1].value.to_dict("records")
    assert seed["setting"] == "seed" and seed["20260101-000000-one"] != seed["20260102-000000-two"]


def test_a_note_is_kept_with_its_run_and_its_pictures_are_not_fetched(root):
    at = open_page(run="20260101-000000-one")
    at.text_area[0].set_value("**worse** ![](http://example.org/a.png)").run()
    at.button(key="save note").click().run()
    assert (root / "20260101-000000-one" / "note.md").read_text().startswith("**worse**")
    [shown] = [m.value for m in open_page(run="20260101-000000-one").markdown if "worse" in m.value]
    assert "![" not in shown


def test_nobody_writes_notes_where_training_is_not_allowed(root, monkeypatch):
    (root / "20260101-000000-one" / "note.md").write_text("as before")
    monkeypatch.setenv("ALLOW_TRAINING", "0")
    at = open_page(run="20260101-000000-one")
    assert not at.text_area and any("as before" in m.value for m in at.markdown)


def test_two_scores_are_the_first_two_logged(root):
    at = open_page(view="Two scores")
    assert (at.selectbox(key="across").value, at.selectbox(key="up").value) == ("bleu4", "gaussian")


@pytest.mark.parametrize(
    "query", [{"run": "gone"}, {"metric": "gone"}, {"x": "gone"}, {"smoothing": "7"}, {"view": "?"}]
)
def test_a_link_with_unknown_values_shows_the_page(root, query):
    at = open_page(**query)
    assert not at.error and at.get("plotly_chart")


def test_filter_leaves_the_runs_that_match(root):
    at = open_page()
    at.text_input(key="filter").set_value("two|three").run()
    assert runs_table(at)["run"].tolist() == ["20260103-000000-three", "20260102-000000-two"]
    assert drawn(at) == {"20260103-000000-three", "20260102-000000-two"}
    at.text_input(key="filter").set_value("one$").run()
    assert drawn(at) == {"20260101-000000-one"}
    at.text_input(key="filter").set_value("nothing").run()
    assert not at.exception and "No run's name matches" in at.info[0].value


@pytest.mark.parametrize("pattern", ["(", "*", "[a", "(a{500}){500}"])
def test_a_bad_filter_gets_a_sentence(root, pattern):
    at = open_page(filter=pattern)
    assert "not a regular expression" in at.error[0].value
    at.text_input(key="filter").set_value("one").run()
    assert not at.error and drawn(at) == {"20260101-000000-one"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("metrics.jsonl", "{\n"),
        ("status.json", ""),
        ("metrics.jsonl", None),
    ],
)
def test_a_damaged_run_is_left_out_with_a_sentence(root, file, text):
    path = root / "20260102-000000-two" / file
    if text is None:  # a folder where a file should be
        path.unlink()
        path.mkdir()
    else:
        path.write_text(text)
    at = open_page()
    assert "20260102-000000-two" in at.warning[0].value and "left out" in at.warning[0].value
    assert drawn(at) == {"20260103-000000-three", "20260101-000000-one", "shipped/default"}


def test_a_run_in_training_is_read_again(root):
    at = open_page(run="20260103-000000-three")
    assert runs_table(at)["epochs"][0] == 3
    with open(root / "20260103-000000-three" / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 4, "step": 40, "seconds": 60.0, "loss": 0.1}\n')
    at.run()
    assert runs_table(at)["epochs"][0] == 4


def test_a_metric_without_a_name_in_words_can_be_drawn(root):
    make_run(root, "20260104-000000-new", loss=3.0, new_score=20.0, words_per_second=9.0)
    at = open_page(run="20260104-000000-new")
    assert at.button_group(key="metric").options == ["loss, nats", "new score", "words per second"]
    assert titles(at) == ["loss, nats", "new score"]


def test_a_run_without_an_epoch_says_so(root):
    (root / "20260103-000000-three" / "metrics.jsonl").unlink()
    at = open_page(run="20260103-000000-three")
    assert "has finished an epoch" in at.info[0].value
    assert runs_table(at)["state"][0] == "finished" and runs_table(at)["epochs"][0] == 0


def test_nothing_chosen_gets_a_sentence(root):
    at = open_page()
    at.button_group(key="metric").set_value([])
    at.button_group(key="schedule").set_value([]).run()
    assert "at least one metric" in at.info[0].value
    choose(at)
    assert not at.exception and "at least one run" in at.info[0].value


def test_without_runs_the_page_says_how_to_make_one(tmp_path, run_root, monkeypatch):
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    at = open_page()
    assert "python -m cvae_core train" in at.info[0].value
    assert not at.error and not at.get("plotly_chart")


def test_a_run_deleted_while_the_page_is_open_is_left_out(root):
    at = open_page()
    shutil.rmtree(root / "20260103-000000-three")
    at.run()
    assert not at.exception and "20260103-000000-three" not in drawn(at)


def test_more_runs_than_can_be_compared_are_cut_off_with_a_sentence(root):
    names = [f"20260104-0000{i:02d}-many" for i in range(31)]
    for name in names:
        make_run(root, name, loss=1.0)
    at = open_page(run=names)
    assert "31 runs are chosen" in at.info[0].value
    assert len(drawn(at)) == 30


def test_without_a_sweep_the_page_says_how_to_make_one(root):
    at = open_page(view="Sweeps")
    assert "python -m cvae_core sweep tense" in at.info[0].value


@pytest.mark.parametrize("plot", ["Parallel coordinates", "Importance", "Slice"])
def test_a_sweep_shows_its_trials_and_plots(root, plot):
    space = {"kl_max": {"low": 0.1, "high": 1.0, "log": False}, "decoder_condition": {"values": ["input", "output"]}}
    storage = sweep.open_storage(sweep.default_storage())
    study = sweep.create("demo", storage, {"system": "tense", "metric": "score"}, space, trials=4)

    def train(values, runs, started):
        started(0, "20260101-000000-one")
        return [values["kl_max"]]

    sweep.work(study, train)
    at = open_page(view="Sweeps", plot=plot)
    table = at.dataframe[0].value
    assert table["value"].is_monotonic_decreasing and len(table) == 4
    assert any("4 of 4 points" in m.value for m in at.markdown)
    assert chart(at)["data"]
    at.button[0].click().run()
    assert not at.exception
    assert drawn(at) == {"20260101-000000-one"}
