"""What copies and rewrites have in common: content headers, encryption, parts, whether two bodies are the same."""
