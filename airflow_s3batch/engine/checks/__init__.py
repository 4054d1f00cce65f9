"""What is found out before the work and after it: preflight, dry run, estimate, rehearsal, verification."""
