"""Faults: what is left on disk, which message the user gets, and that training resumes.

Damage to single files is also in test_checkpoint, kills at random moments in test_training, workers in test_sweep.
"""
