"""Every command of ``miqd`` as a function, with the run file's fields as keyword arguments; ``miqd_builder`` has them too."""

from pipelines.api.assessing import Assessed, assess, assess_camera
from pipelines.api.benchmarking import Benchmarked, benchmark
from pipelines.api.checking import Verification, VerifiedFile, status, verify
from pipelines.api.evaluating import Evaluated, evaluate
from pipelines.api.exchange import export, import_labels
from pipelines.api.exploring import Explored, explore
from pipelines.api.making import Made, degrade, label
from pipelines.api.measuring import measure
from pipelines.api.publishing import Published, check_publication, publish
from pipelines.api.statistics import Audited, TaskAudit, audit, compare, label_statistics
from pipelines.api.training import Trained, export_model, train

__all__ = [
    "Assessed",
    "Audited",
    "Benchmarked",
    "Evaluated",
    "Explored",
    "Made",
    "Published",
    "TaskAudit",
    "Trained",
    "Verification",
    "VerifiedFile",
    "assess",
    "assess_camera",
    "audit",
    "benchmark",
    "check_publication",
    "compare",
    "degrade",
    "evaluate",
    "explore",
    "export",
    "export_model",
    "import_labels",
    "label",
    "label_statistics",
    "measure",
    "publish",
    "status",
    "train",
    "verify",
]
