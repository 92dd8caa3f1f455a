"""The derivation of the loss, step by step, with a plot beside each step; the text is in assets/theory/."""

import ui

ui.frame("theory")

from ui.theory.plots import PLOTS
from ui.theory.prose import show_legend, show_section
from ui.theory.quiz import show_quiz

PATH = ("bound", "kl", "reparameterisation", "schedules", "collapse")
FURTHER = ("structured", "sources")

ui.header(
    "theory", "Theory",
    "Where the loss comes from, and what its terms do: one path of fifteen minutes, from the probability of a word to "
    "ten questions. Each step has the functions that compute it; move the sliders beside it. "
    "[The bound](#bound) · [KL of Gaussians](#kl) · [Reparameterisation](#reparameterisation) · "
    "[Schedules](#schedules) · [KL collapse](#collapse) · [Ten questions](#quiz). Beyond the path: "
    "[Hidden parts](#structured) · [The sources](#sources)",
)  # fmt: skip
show_legend()
ui.paint()
for name in PATH:
    show_section(name, PLOTS)
show_quiz()
for name in FURTHER:
    show_section(name, PLOTS, folded=True)
