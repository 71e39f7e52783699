"""Runs as one self-contained HTML page: its numbers, its charts, and the rows that can be looked through."""
