"""From objects to requests, and from what libcurl returns to answers."""
