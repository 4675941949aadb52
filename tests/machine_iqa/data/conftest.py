"""The labelled scenes of the demo, made once."""

from tests.machine_iqa.labelled_demo import demo as demo
