"""Trainers, losses, collators and metrics for the datasets that datagen makes."""
