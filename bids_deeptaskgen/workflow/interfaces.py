"""nipype interfaces of functions. Each reads its inputs, calls one function and returns its records."""

from abc import ABC, abstractmethod
from typing import Any

from nipype.interfaces.base import (
    BaseInterface,
    BaseInterfaceInputSpec,
    TraitedSpec,
    traits,
)

from bids_deeptaskgen.pipeline.lost_jobs import (
    record_lost_connectomes,
    record_lost_maps,
    record_lost_page,
)
from bids_deeptaskgen.pipeline.participant import compute_connectomes
from bids_deeptaskgen.pipeline.prediction_step import predict_chunk
from bids_deeptaskgen.pipeline.records import Record
from bids_deeptaskgen.pipeline.report_step import PageOutcome, write_pages
from bids_deeptaskgen.workflow.freed_memory import release_freed_memory


class _Records(TraitedSpec):
    records = traits.Any(desc="status of each session")


class FunctionInterface(BaseInterface, ABC):
    """Base class of all interfaces.

    The method ``_compute`` of a subclass calls the function and returns its records; ``_record_loss`` returns
    those of a batch job that ended before it was done (`batch.RobustBatch`).

    nipype treats every exception in a node as a failure of that node, even Ctrl-C or SIGTERM. This class
    stores these and raises them again outside nipype's exception handler.
    """

    output_spec = _Records
    _stopped_by: BaseException | None = None
    # Why the batch job of this node ended; empty if the node is to be computed.
    loss_reason = ""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the interface; raise Ctrl-C and SIGTERM, which end the whole workflow.

        Parameters
        ----------
        args, kwargs : object
            Arguments of nipype's method.

        Returns
        -------
        nipype.interfaces.base.InterfaceResult
        """
        result = super().run(*args, **kwargs)
        if self._stopped_by is not None:
            raise self._stopped_by
        return result

    def _run_interface(self, runtime: Any) -> Any:
        try:
            self._records = self._record_loss(self.loss_reason) if self.loss_reason else self._compute()
        except Exception:
            raise
        except BaseException as stop:
            self._stopped_by = stop
            raise
        finally:
            release_freed_memory()
        return runtime

    @abstractmethod
    def _compute(self) -> Any:
        """Call the function of the node, and return its records."""

    @abstractmethod
    def _record_loss(self, reason: str) -> Any:
        """Return the records of a node whose batch job was lost."""

    def _list_outputs(self) -> dict[str, Any]:
        return {"records": self._records}


class _ConnectInputs(BaseInterfaceInputSpec):
    job = traits.Any(mandatory=True, desc="participant to process")
    predecessor = traits.Any(desc="records of an earlier chunk, which must be finished")


class ConnectomesInterface(FunctionInterface):
    """Interface that computes the connectomes of one participant."""

    input_spec = _ConnectInputs

    def _compute(self) -> list[Record]:
        return compute_connectomes(self.inputs.job)

    def _record_loss(self, reason: str) -> list[Record]:
        return record_lost_connectomes(self.inputs.job, reason)


class _PredictInputs(BaseInterfaceInputSpec):
    jobs = traits.List(mandatory=True, desc="participants of the chunk")
    records = traits.List(mandatory=True, desc="records of each participant")
    n_threads = traits.Int(1, usedefault=True, desc="CPU threads of the network")
    use_gpu = traits.Bool(default_value=False, usedefault=True, desc="this node uses a GPU")


class PredictionInterface(FunctionInterface):
    """Interface that predicts the statistical maps of a chunk of participants."""

    input_spec = _PredictInputs

    def _compute(self) -> list[Record]:
        return predict_chunk(self.inputs.jobs, self.inputs.records, self.inputs.n_threads)

    def _record_loss(self, reason: str) -> list[Record]:
        return record_lost_maps(self.inputs.jobs, self.inputs.records, reason)


class _PageInputs(BaseInterfaceInputSpec):
    job = traits.Any(mandatory=True, desc="participant whose page is made")
    records = traits.List(desc="records of the sessions of this and other participants")


class PageInterface(FunctionInterface):
    """Interface that writes the pages of one participant."""

    input_spec = _PageInputs

    def _compute(self) -> PageOutcome:
        records = self.inputs.records
        return write_pages(self.inputs.job, records if isinstance(records, list) else [])

    def _record_loss(self, reason: str) -> PageOutcome:
        return record_lost_page(self.inputs.job, reason)
