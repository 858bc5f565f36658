"""Objects of other libraries."""
