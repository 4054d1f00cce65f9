"""
A bare libcurl loop: the same requests, signed by the same code, and a look at nothing but the status.

What it costs is what libcurl, Python and the signatures cost; it is what the engine is measured by.
"""

from __future__ import annotations

import pycurl

from airflow_s3batch.engine.wire.prepared import Preparer, Template
from airflow_s3batch.engine.wire.signing import Signer
from benchmarks.jobs import JOBS
from benchmarks.measuring import Spec


class BareLoop:
    """libcurl's multi interface, `perform` and `select`, a pool of handles, and nothing else."""

    def __init__(self, preparer: Preparer, signer: Signer, spec: Spec) -> None:
        self._job = JOBS[spec.job]
        self._preparer = preparer
        self._signer = signer
        self._window = spec.window
        self._prefix = spec.run
        self._chunks = self._job.chunks(spec.objects)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, 2 * spec.window)

    def run(self) -> int:
        """Send everything; return how many requests succeeded."""
        success, multi, answered, active = self._job.success, self._multi, 0, 0
        handles = [self._handle() for _ in range(self._window)]  # libcurl needs them to stay alive
        for curl in handles:
            active += self._start(curl)
        while active:
            multi.perform()
            _, done, failed = multi.info_read()
            for curl in done:
                answered += curl.getinfo(pycurl.RESPONSE_CODE) == success
                multi.remove_handle(curl)
                active += self._start(curl) - 1
            if failed:
                raise SystemExit(f"bare loop: {failed[0][2]}")
            multi.select(0.5)
        return answered

    def _handle(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        curl.setopt(pycurl.WRITEFUNCTION, len)
        return curl

    def _start(self, curl: pycurl.Curl) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        request = self._job.request(self._job.call, chunk, self._prefix)
        template: Template = self._preparer.template(request.call, request.bucket)
        url, headers, body = template.fill(request, self._signer)
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, headers)
        method = template.kind.method
        if method != "DELETE":
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        self._multi.add_handle(curl)
        return True
