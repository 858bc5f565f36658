"""DMR++ documents: descriptions of chunks that lie in other files."""
