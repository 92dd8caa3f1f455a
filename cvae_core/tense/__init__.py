"""English verb tenses: a character sequence-to-sequence CVAE (sources 000, 001, 002)."""
