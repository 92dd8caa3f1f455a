"""The derivation of the loss, step by step, with interactive figures; the text is in assets/theory/."""

import streamlit as st

import ui

ui.frame("theory")

from ui.theory import plots
from ui.theory.prose import show_section

ui.header(
    "theory", "Theory",
    "Where the loss comes from, and what its terms do. Open the steps, move the sliders. "
    "[The bound](#bound) · [Hidden parts](#structured) · [KL of Gaussians](#kl) · "
    "[Reparameterisation](#reparameterisation) · [Schedules](#schedules) · [KL collapse](#collapse) · "
    "[The sources](#sources)",
)  # fmt: skip

show_section("bound")

show_section("structured")
st.subheader("Try it: Monte Carlo and importance sampling", anchor="try-estimates")
plots.show_estimates()

show_section("kl")
st.subheader("Try it: two Gaussians", anchor="try-kl")
plots.show_kl()

show_section("reparameterisation")
plots.show_noise()

show_section("schedules")
plots.show_schedules()

show_section("collapse")
plots.show_collapse()

show_section("sources", numbered=False)
