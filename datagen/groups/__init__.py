"""Candidates and ranked groups -> alignment groups for AFT, and preference pairs."""
