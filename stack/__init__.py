"""`python -m stack`: the services of ``docker/compose.yaml`` as plain processes on 127.0.0.1, without Docker."""
