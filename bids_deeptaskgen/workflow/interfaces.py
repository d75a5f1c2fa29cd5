"""Shells around plain functions, so that nipype can schedule them. They read, call one function, write."""

from typing import Any

from nipype.interfaces.base import (
    BaseInterface,
    BaseInterfaceInputSpec,
    TraitedSpec,
    traits,
)

from bids_deeptaskgen.pipeline.participant import compute_connectomes
from bids_deeptaskgen.pipeline.prediction_step import predict_chunk
from bids_deeptaskgen.pipeline.records import Record


class _Records(TraitedSpec):
    records = traits.Any(desc="how far each session is")


class FunctionInterface(BaseInterface):
    """What both shells share.

    A shell has a method ``_compute`` that calls its one function and gives the records.

    nipype takes whatever is raised in a node for a fault of that node, even the user's Ctrl-C or the
    scheduler's SIGTERM. These are kept here and raised again where nipype lets them pass.
    """

    output_spec = _Records
    _stopped_by: BaseException | None = None

    def run(self, *arguments: Any, **named: Any) -> Any:
        """Run as nipype does, but end the whole run where that is asked for."""
        result = super().run(*arguments, **named)
        if self._stopped_by is not None:
            raise self._stopped_by
        return result

    def _run_interface(self, runtime: Any) -> Any:
        try:
            self._records = self._compute()
        except Exception:
            raise
        except BaseException as stop:
            self._stopped_by = stop
            raise
        return runtime

    def _list_outputs(self) -> dict[str, Any]:
        return {"records": self._records}


class _ConnectInputs(BaseInterfaceInputSpec):
    job = traits.Any(mandatory=True, desc="person to be done")
    after = traits.Any(desc="records of an earlier chunk, which must be over")


class ConnectomesInterface(FunctionInterface):
    """Connectomes of one person."""

    input_spec = _ConnectInputs

    def _compute(self) -> list[Record]:
        return compute_connectomes(self.inputs.job)


class _PredictInputs(BaseInterfaceInputSpec):
    jobs = traits.List(mandatory=True, desc="people of the chunk")
    records = traits.List(mandatory=True, desc="records of each person")
    n_threads = traits.Int(1, usedefault=True, desc="CPU threads of the network")
    use_gpu = traits.Bool(default_value=False, usedefault=True, desc="whether this node occupies a GPU")


class PredictionInterface(FunctionInterface):
    """Statmaps of a chunk of people."""

    input_spec = _PredictInputs

    def _compute(self) -> list[Record]:
        return predict_chunk(self.inputs.jobs, self.inputs.records, self.inputs.n_threads)
