"""An inspection as text, HTML and pictures."""
