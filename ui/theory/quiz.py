"""Questions at the end of the Theory page, from assets/theory/quiz.md, with an explanation of every answer.

A question is a `## ` part: options as `- [ ] …`, the right one `- [x] …`, and below them the explanation.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import streamlit as st

from ui.theory.prose import FOLDER, coloured


class Question(NamedTuple):
    """A question, its options, the right one among them, and why."""

    text: str
    options: list[str]
    right: str
    explanation: str


@lru_cache
def read_questions() -> list[Question]:
    """The questions of quiz.md."""
    return [_question(part) for part in (FOLDER / "quiz.md").read_text(encoding="utf-8").split("\n## ")[1:]]


def _question(part: str) -> Question:
    text, _, rest = part.partition("\n")
    options = re.findall(r"^- \[([ x])\] (.+)$", rest, re.M)
    (right,) = [option for mark, option in options if mark == "x"]
    explanation = re.sub(r"^- \[.\] .+$", "", rest, flags=re.M).strip()
    return Question(text.strip(), [option for _, option in options], right, explanation)


@st.fragment
def show_quiz() -> None:
    """The questions one below the other; each is explained once it is answered."""
    questions = read_questions()
    st.header("Ten questions", anchor="quiz")
    st.markdown("By keyboard: Tab to a question, the arrow keys or the space bar to choose an answer.")
    for number, question in enumerate(questions, start=1):
        chosen = st.radio(f"**{number}. {question.text}**", question.options, index=None, key=f"question {number}")
        if chosen == question.right:
            st.success(f"Right. {coloured(question.explanation)}", icon=":material/check:")
        elif chosen is not None:
            st.error(f"No: {question.right} {coloured(question.explanation)}", icon=":material/close:")
    answers = [st.session_state.get(f"question {number}") for number in range(1, len(questions) + 1)]
    right = sum(answer == question.right for answer, question in zip(answers, questions, strict=True))
    answered = sum(answer is not None for answer in answers)
    st.markdown(f"**{right} right of {answered} answered**, {len(questions)} in all.")
