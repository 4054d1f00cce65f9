"""Whether what is in this repository can be released: ``python -m release`` builds it, looks at it, and installs it."""
