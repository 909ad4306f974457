"""The experiment: typed, closed to unknown keys, and the identity of a run.

Every key is described here; `config/README.md` and the schemas in `workflow/schemas` are made from the descriptions.
Nothing here imports torch: the Snakefile, and with it every job, loads it.
"""

from r1k.config.bases import Architecture, Base, HubBase, PackagedBase, ScratchBase
from r1k.config.checking import validate
from r1k.config.data import (
    Checks,
    ContaminationFilter,
    Data,
    ExampleFields,
    FileSource,
    HubSource,
    Variant,
    WorldSource,
)
from r1k.config.evaluate import (
    AnswerType,
    Benchmark,
    BudgetForcing,
    Evaluate,
    FileQuestions,
    Grader,
    HubQuestions,
    QuestionFields,
    TaskQuestions,
    WorldQuestions,
)
from r1k.config.experiment import Experiment, load, schemas
from r1k.config.model import VERSIONS
from r1k.config.plan import Device, Length, Plan
from r1k.config.probe import Ntk, Probe
from r1k.config.report import (
    TAKEN_TABLES,
    AuditSpec,
    Dynamics,
    DynamicsRow,
    DynamicsSpec,
    DynamicsTableSpec,
    NtkSpec,
    Row,
    Table,
    TableSpec,
)
from r1k.config.runs import Dpo, Launch, Lora, Merge, Route, Run, Settings, Sft, Train
from r1k.config.section import Arm, DataName, Method, Name, Revision, Section
from r1k.config.servers import Client, EmbeddedTeacher, Judge, OpenAITeacher, ReplayTeacher, Server, Teacher

__all__ = [
    "TAKEN_TABLES",
    "VERSIONS",
    "AnswerType",
    "Architecture",
    "Arm",
    "AuditSpec",
    "Base",
    "Benchmark",
    "BudgetForcing",
    "Checks",
    "Client",
    "ContaminationFilter",
    "Data",
    "DataName",
    "Device",
    "Dpo",
    "Dynamics",
    "DynamicsRow",
    "DynamicsSpec",
    "DynamicsTableSpec",
    "EmbeddedTeacher",
    "Evaluate",
    "ExampleFields",
    "Experiment",
    "FileQuestions",
    "FileSource",
    "Grader",
    "HubBase",
    "HubQuestions",
    "HubSource",
    "Judge",
    "Launch",
    "Length",
    "Lora",
    "Merge",
    "Method",
    "Name",
    "Ntk",
    "NtkSpec",
    "OpenAITeacher",
    "PackagedBase",
    "Plan",
    "Probe",
    "QuestionFields",
    "ReplayTeacher",
    "Revision",
    "Route",
    "Row",
    "Run",
    "ScratchBase",
    "Section",
    "Server",
    "Settings",
    "Sft",
    "Table",
    "TableSpec",
    "TaskQuestions",
    "Teacher",
    "Train",
    "Variant",
    "WorldQuestions",
    "WorldSource",
    "load",
    "schemas",
    "validate",
]
