"""What goes into a training mixture, and what must stay out of it."""
