"""How fast requests are sent: back-off, the limit of a job, and limits that several jobs share."""
