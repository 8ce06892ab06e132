"""What ``DistributedEstimator.run`` returns."""

from __future__ import annotations

import uuid
from concurrent.futures import CancelledError, Future
from typing import Any

from qiskit.primitives import BasePrimitiveJob, PrimitiveResult, PubResult
from qiskit.providers import JobStatus

from qcutsim.errors import ExecutionError


class EstimatorJob(BasePrimitiveJob[PrimitiveResult[PubResult], JobStatus]):  # type: ignore[misc]
    """A running evaluation of PUBs."""

    def __init__(self, future: Future[PrimitiveResult[PubResult]]) -> None:
        super().__init__(job_id=str(uuid.uuid4()))
        self._future = future

    def result(self) -> PrimitiveResult[PubResult]:
        """Wait for the result; an interrupt cancels the job.

        Raises:
            QcutsimError: the evaluation failed, or was cancelled.
        """
        try:
            return self._future.result()
        except CancelledError as error:
            raise ExecutionError("the job was cancelled") from error
        except KeyboardInterrupt:
            self._future.cancel()
            raise

    def status(self) -> JobStatus:
        if self._future.cancelled():
            return JobStatus.CANCELLED
        if not self._future.done():
            return JobStatus.RUNNING
        return JobStatus.DONE if self._future.exception() is None else JobStatus.ERROR

    def done(self) -> bool:
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        return self.status() is JobStatus.CANCELLED

    def in_final_state(self) -> bool:
        return self._future.done()

    def cancel(self) -> Any:
        """Ask for the end of the job; true if it had not ended."""
        return self._future.cancel()
