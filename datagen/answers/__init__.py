"""Final answers: extract, compare exactly, and ask Math-Verify only where that cannot decide."""
