"""ZIP archives: where members lie, and the formats inside them."""
