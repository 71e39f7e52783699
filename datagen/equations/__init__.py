"""Arithmetic in text: find, parse, normalise, evaluate. Never eval()."""
