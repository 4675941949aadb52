"""mmcv's operators on torchvision and PyTorch, so that nothing has to be compiled.

mmcv loads its operators from an extension module, ``mmcv._ext``, whose build takes a C++ compiler and twenty minutes. The
functions here take the arguments of that module (outputs are filled in place, as there) and compute the same values with
operators that the torch and torchvision wheels bring along.

Call :func:`install` before anything imports ``mmcv.ops``. A compiled ``mmcv._ext``, where there is one, is used instead.
"""

from miqd_builder.zoo.mmcv_ops.missing import MissingOperatorError
from miqd_builder.zoo.mmcv_ops.registration import install

__all__ = ["MissingOperatorError", "install"]
