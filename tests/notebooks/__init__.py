"""Writing, executing and testing the notebooks and tutorials."""
