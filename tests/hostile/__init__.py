"""Hostile input: every input gets a result or an error message, within seconds, and no file is written.

Parsers get many generated examples, pages and commands a few chosen ones; `make fuzz` has larger budgets.
"""
