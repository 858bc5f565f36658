"""Virtual arrays against numpy: values, laws, refusals, and what they cost."""
