"""A node for tests of plugins, which jobs import."""

from nipype.interfaces.base import BaseInterfaceInputSpec, traits

from bids_deeptaskgen.workflow.interfaces import FunctionInterface


class _Inputs(BaseInterfaceInputSpec):
    folder = traits.Any(mandatory=True)
    name = traits.Str(mandatory=True)
    predecessor = traits.Any()


class CountingInterface(FunctionInterface):
    """Add a line to a file, to count how often it ran."""

    input_spec = _Inputs

    def _compute(self):
        if self.inputs.name.startswith("error"):
            message = "as the test wants"
            raise ValueError(message)
        with (self.inputs.folder / self.inputs.name).open("a") as file:
            file.write("ran\n")
        return "computed"

    def _record_loss(self, reason):
        (self.inputs.folder / f"{self.inputs.name}.loss").write_text(reason)
        return "lost"
