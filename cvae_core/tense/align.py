"""Alignment of the letters of a word with those of another form of it."""

from collections.abc import Sequence


def align(source: str, target: str) -> list[tuple[str, str]]:
    """Pairs of letters with the fewest insertions, deletions and substitutions (Levenshtein 1966).

    An inserted letter is paired with "", as is a deleted one: ("", p) in stop -> stopping. Of equally short edits the
    one that keeps the beginning is taken.
    """
    costs = [[0] * (len(target) + 1) for _ in range(len(source) + 1)]  # of what is left from (i, j) on
    for i in range(len(source), -1, -1):
        for j in range(len(target), -1, -1):
            costs[i][j] = min(_edits(source, target, costs, i, j), default=(0,))[0]
    pairs, i, j = [], 0, 0
    while i < len(source) or j < len(target):
        _, _, di, dj = min(_edits(source, target, costs, i, j))
        pairs.append((source[i : i + di], target[j : j + dj]))
        i, j = i + di, j + dj
    return pairs


def _edits(source: str, target: str, costs: Sequence[Sequence[int]], i: int, j: int) -> list[tuple[int, int, int, int]]:
    """The edits that are possible at (i, j): cost from here on, order of preference, and letters taken of each word."""
    edits = []
    if i < len(source) and j < len(target):
        different = source[i] != target[j]
        edits.append((costs[i + 1][j + 1] + different, int(different), 1, 1))
    if j < len(target):
        edits.append((costs[i][j + 1] + 1, 2, 0, 1))
    if i < len(source):
        edits.append((costs[i + 1][j] + 1, 3, 1, 0))
    return edits
