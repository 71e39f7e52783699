"""Metrics of what models produce: pure functions that return a value and the number of things it is a mean of."""
