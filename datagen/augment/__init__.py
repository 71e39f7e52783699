"""Augmented questions: FOBAR, self-verification and rephrasing, as MetaMath (Yu et al. 2023) combines them."""
