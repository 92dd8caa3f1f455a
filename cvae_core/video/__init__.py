"""Video: action-conditioned prediction of the next frames of a robot at a table (report 004)."""
