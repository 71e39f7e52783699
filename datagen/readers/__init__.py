"""One dataset a file: rows as published -> Problem."""
