"""Losses of the trainers: pure functions of tensors, with the equation each one implements."""
