"""Objects of other libraries to groups of virtual arrays, and back."""
