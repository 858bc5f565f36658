"""The exercises of the course: a module for each notebook, ``n01`` to ``n08``, or tutorial, each with its `EXERCISES`."""
