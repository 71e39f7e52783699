"""Judges: what they are asked, what is read from their replies, and the rankings that follow."""
