"""What each job of an experiment needs, and what the workflow asks for on its behalf."""

import math
from dataclasses import dataclass, field
from functools import cached_property

from r1k.config import Architecture, Experiment, Length, ScratchBase
from r1k.plan import cost, memory
from r1k.plan.architecture import lora_parameters, of_base, projections
from r1k.plan.lengths import capped, joined, mixed
from r1k.plan.memory import Parts, Placement
from r1k.plan.serving import serving, serving_seconds
from r1k.records import SPANS
from r1k.records import UPDATES as UPDATE_KINDS

GIB = 2**30
RECORD = 220
"""Bytes of a record of a JSONL artefact without its texts."""
TRACK = 480
"""Bytes of a record of a tracked response's span."""
CHARACTERS = 3.0
"""Characters of a token of reasoning where no tokenizer is there yet: 3.1 forward and 2.9 reverse over twenty s1K-1.1
problems with R1's traces, by SmolLM2's tokenizer."""
UPDATES = len(UPDATE_KINDS)
"""Steps on each problem whose kernel is measured, of each length."""
KEPT = 6
"""Bytes of a token of an answer among those that are kept for resuming."""
WHOLE_UPDATES = 12
"""Copies of an update, in float32, that exist at once while one is merged by a rule that is no sum."""
TOKENIZER = 100
"""Bytes of a tokenizer's files for each token of its vocabulary: 70 for SmolLM2's, 120 for the demo's."""


@dataclass(frozen=True)
class Need:
    """What one job needs."""

    seconds: float
    parts: Parts = field(default_factory=dict)
    """Peak memory by part, in bytes, on each GPU; of the process where there is none."""
    host: float = 0
    """Host memory in bytes, of all of the job's processes."""
    disk: float = 0
    """Bytes that it leaves on disk at most, unfinished work included."""
    gpus: int = 0

    @property
    def peak(self) -> float:
        """Bytes on each GPU, or of the process."""
        return sum(self.parts.values())

    @property
    def gpu_seconds(self) -> float:
        return self.seconds * self.gpus


@dataclass(frozen=True)
class Workload:
    """What the jobs read, beside what the config says exactly."""

    prompt: Length
    responses: dict[str, Length]
    """By direction: `forward`, `reverse`."""
    questions: dict[str, tuple[int, Length]]
    """By benchmark: how many, and how long as prompts."""
    answers: dict[str, Length]
    """By benchmark."""
    architectures: dict[str, Architecture]
    """By base; empty where the config's are meant."""
    counted: tuple[str, ...] = ()
    """The files that were counted; what they do not say is expected."""


def expected(experiment: Experiment) -> Workload:
    """The workload as the config expects it, before there is data."""
    plan = experiment.plan
    usual = mixed(plan.forward, plan.reverse)
    return Workload(
        prompt=plan.prompt,
        responses={"forward": plan.forward, "reverse": plan.reverse},
        questions={
            name: (2 * b.source.per_direction if b.source.kind == "world" else b.source.n, plan.prompt)
            for name, b in experiment.benchmarks.items()
        },
        answers={name: plan.answers.get(name, usual) for name in experiment.benchmarks},
        architectures={},
    )


@dataclass(frozen=True)
class Estimator:
    """The needs of an experiment's jobs. Raises ConfigError where a base's architecture is not known."""

    experiment: Experiment
    workload: Workload

    @cached_property
    def on_gpu(self) -> bool:
        return self.experiment.plan.device.kind == "gpu"

    @cached_property
    def placement(self) -> Placement:
        """A training's GPUs and micro-batch."""
        launch = self.experiment.train.launch
        gpus = launch.gpus if self.on_gpu else 0
        return Placement(
            gpus, launch.per_device_train_batch_size, launch.processes, launch.nodes, launch.gradient_checkpointing
        )

    def architecture(self, base: str) -> Architecture:
        """A base's sizes: as counted, else as configured."""
        return self.workload.architectures.get(base) or of_base(base, self.experiment.bases[base])

    def response(self, data: str) -> Length:
        """A response of a data set: of one direction, or of both alike."""
        forward, reverse = self.workload.responses["forward"], self.workload.responses["reverse"]
        return {"s1k": forward, "r1k": reverse}.get(data) or mixed(forward, reverse)

    def train(self, run: str) -> Need:
        """A training. Its memory is that of its longest sequences, its time that of all."""
        experiment, placement = self.experiment, self.placement
        settings, lora = experiment.settings(run), experiment.trained_lora(run)
        a = self.architecture(experiment.base_of(run))
        length = joined(self.workload.prompt, self.response(str(experiment.runs[run].data)))
        device, steps = experiment.plan.device, experiment.steps(run)
        seconds = cost.training_seconds(a, settings, lora, device, placement, steps, length)
        parts = memory.training(a, settings, lora, placement, self._longest(length, settings.max_length))
        measured, every = len(experiment.probed_steps(run)), experiment.train.launch.checkpoint_seconds
        return self._need(
            seconds,
            parts,
            loaded=cost.base_bytes(a, settings.dtype),
            processes=placement.on_a_node,
            gpus=placement.nodes * placement.gpus,
            disk=cost.training_disk(
                a, settings, lora, placement, measured, steps, max(1.0, seconds - device.start_seconds), every
            ),
        )

    def merge(self, run: str) -> Need:
        """A merge, on CPUs: its time is that of the fits of bounded rank, which a plain sum does without."""
        experiment, a = self.experiment, self.architecture(self.experiment.base_of(run))
        rank, targets = self._adapter(run)
        merge, device = experiment.runs[run].merge, experiment.plan.device
        fits = merge is not None and merge.merge_method != "linear"
        seconds = device.start_seconds + fits * cost.fitting_seconds(a, targets)
        size = lora_parameters(a, rank, targets) * memory.BYTES["float32"]
        # The adapters as read and as scaled, the merged one, and copies of the largest whole update, some in float64.
        largest = max(inputs * outputs for inputs, outputs in projections(a).values())
        whole = fits * WHOLE_UPDATES * largest * memory.BYTES["float32"]
        return Need(seconds, host=device.process_memory * GIB + 3 * size + whole, disk=size)

    def probe(self, run: str) -> Need:
        """Scoring of all kept checkpoints of a run, in one job on one GPU."""
        experiment, probe = self.experiment, self.experiment.probe_of(run)
        rank, targets = self._adapter(run)
        a = self.architecture(experiment.base_of(run))
        response = capped(mixed(*self.workload.responses.values()), probe.max_tokens)
        length = joined(self.workload.prompt, response)
        splits = (experiment.data.probe_train, experiment.data.probe_held_out)
        followed = 2 * sum(min(problems, probe.tracked_problems or problems) for problems in splits)
        kinds = probe.kinds(with_parent=experiment.runs[run].parent is not None)
        responses = 4 * sum(splits) + (len(kinds) - 2) * followed
        checkpoints = 1 + len(experiment.probed_steps(run))
        seconds = cost.probing_seconds(
            a, experiment.plan.device, checkpoints, responses, length, probe.tokens_per_batch
        )
        width = max(probe.tokens_per_batch, math.ceil(length.mean))
        limit = probe.greedy_tokens or probe.max_tokens
        written = [(followed, self.workload.prompt, Length(mean=limit, cv=0)) for kind in kinds if "greedy" in kind]
        seconds += cost.generating_seconds(
            a,
            experiment.plan.device,
            probe.dtype,
            lora_parameters(a, rank, targets),
            max(1, probe.tokens_per_batch // math.ceil(self.workload.prompt.mean + limit)),
            written,
            limit,
        )
        seconds -= experiment.plan.device.start_seconds  # counted twice, and it starts once
        parts = memory.probing(a, rank, targets, probe.dtype, width, on_gpu=self.on_gpu)
        # The states of step 0, to which KL is measured, are on disk meanwhile.
        states = responses * response.mean * a.hidden_size * memory.BYTES[probe.dtype]
        loaded = cost.base_bytes(a, probe.dtype)
        tracks = followed * len(kinds) * len(SPANS) * TRACK
        records = checkpoints * (4 * sum(splits) * RECORD + tracks) * 2
        return self._need(seconds, parts, loaded=loaded, gpus=int(self.on_gpu), disk=records + states)

    def ntk(self, run: str) -> Need:
        """The empirical NTK of a run, in one job on one GPU: gradients, one at a time, and a pass for each step."""
        experiment, ntk = self.experiment, self.experiment.ntk
        settings, lora = experiment.settings(run), experiment.trained_lora(run)
        a = self.architecture(experiment.base_of(run))
        trained, held_out = (
            min(problems, ntk.examples) for problems in (experiment.data.probe_train, experiment.data.probe_held_out)
        )
        response = mixed(*self.workload.responses.values())
        whole = joined(self.workload.prompt, response)
        cut = joined(self.workload.prompt, capped(response, experiment.probe.max_tokens))
        adapter = lora_parameters(a, lora.r, lora.target_modules)
        responses, each = 4 * (trained + held_out), 1 + ntk.draws
        steps = UPDATES * trained * len(ntk.steps)
        seconds = cost.kernel_seconds(
            a,
            adapter,
            experiment.plan.device,
            [(4 * trained * each, capped(whole, settings.max_length)), (responses * each, cut)],
            (1 + steps, responses, cut),
        )
        longest = self._longest(whole, settings.max_length)
        parts = memory.kernel(a, settings, lora, longest, experiment.probe.tokens_per_batch, on_gpu=self.on_gpu)
        # Those of all measured responses, and of a problem's four, with the whole gradients of these and a step's.
        vectors = 4 * ((responses + 4) * each * (ntk.sketch or adapter) + 5 * adapter)
        if not self.on_gpu:
            parts = parts | {"gradients": parts["gradients"] + vectors}
        loaded = cost.base_bytes(a, "float32") + vectors
        return self._need(seconds, parts, loaded=loaded, gpus=int(self.on_gpu), disk=steps * responses * 2 * TRACK)

    def generate(self, run: str) -> Need:
        """Answers of a run to its benchmarks, in one job. Its memory is that of answers at their limit."""
        experiment, evaluate = self.experiment, self.experiment.evaluate
        a, device = self.architecture(experiment.base_of(run)), experiment.plan.device
        rank, targets = self._adapter(run)
        gpus, limit = evaluate.gpus if self.on_gpu else 1, evaluate.max_new_tokens
        asked = [
            (math.ceil(n * b.repeats / gpus), prompt, capped(self.workload.answers[name], limit))
            for name, b in experiment.benchmarks.items()
            if name in experiment.answered[run]
            for n, prompt in [self.workload.questions[name]]
        ]
        widest = max(prompt.mean * (1 + 2 * prompt.cv) for _, prompt, _ in asked)
        adapter = lora_parameters(a, rank, targets)
        if self.on_gpu and evaluate.engine != "transformers":
            parts = serving(
                a, rank, targets, evaluate.dtype, device.memory * GIB, device.runtime_memory * GIB, widest + limit
            )
            seconds = serving_seconds(a, device, evaluate.dtype, adapter, evaluate.batch_size, parts["KV cache"], asked)
        else:
            together = evaluate.batch_size
            if evaluate.tokens_per_batch is not None:
                together = max(1, min(together, math.floor(evaluate.tokens_per_batch / (widest + limit))))
            parts = memory.generating(a, rank, targets, evaluate.dtype, together, widest, limit)
            seconds = cost.generating_seconds(a, device, evaluate.dtype, adapter, together, asked, limit)
        loaded = gpus * cost.base_bytes(a, evaluate.dtype)
        texts = gpus * sum(
            n * (RECORD + CHARACTERS * (prompt.mean + new.mean) + KEPT * new.mean) for n, prompt, new in asked
        )
        return self._need(seconds, parts, loaded=loaded, processes=gpus, gpus=gpus * self.on_gpu, disk=texts)

    def make_base(self, base: str) -> Need:
        """A base's pretraining, or its download; what a download takes is not known, and not estimated."""
        config, a, plan = self.experiment.bases[base], self.architecture(base), self.experiment.plan
        if isinstance(config, ScratchBase):
            seconds = cost.pretraining_seconds(a, plan.device, config, plan.document)
            states = memory.pretraining(a, config.train_batch_size, plan.document.mean * (1 + plan.document.cv))
            # The base, and a checkpoint of it with the optimizer's state.
            disk = cost.base_bytes(a, "float32") + states["weights"] + states["optimizer"] + a.vocab_size * TOKENIZER
            # It runs on the CPU, whatever the trainings run on.
            parts = memory.process(states, plan.device.process_memory * GIB, plan.device.fragmentation)
            return Need(seconds, parts, host=sum(parts.values()), disk=disk)
        dtype = "bfloat16" if config.kind == "hub" else "float32"
        disk = cost.base_bytes(a, dtype)
        # What is packaged is read, dequantised, and copied once.
        host = plan.device.process_memory * GIB + (3 * disk if config.kind == "packaged" else 0)
        return Need(0, host=host, disk=disk + a.vocab_size * TOKENIZER)

    def _adapter(self, run: str) -> tuple[int, list[str]]:
        """Rank and targets of a run's adapter; of a base as it is, none."""
        lora = self.experiment.lora(run)
        return (lora.r, lora.target_modules) if lora else (0, [])

    def _longest(self, length: Length, limit: int) -> int:
        """The longest sequence that a training meets: at its limit, unless all data was counted and is shorter."""
        if not self.workload.counted:
            return limit
        return min(limit, math.ceil(length.mean * (1 + 3 * length.cv)))

    def _need(self, seconds: float, parts: Parts, *, loaded: float, gpus: int, disk: float, processes: int = 1) -> Need:
        device = self.experiment.plan.device
        process = device.process_memory * GIB
        if not self.on_gpu:
            parts = memory.process(parts, process, device.fragmentation)
            return Need(seconds, parts, host=processes * sum(parts.values()), disk=disk)
        parts = parts | {"CUDA and NCCL": device.runtime_memory * GIB}
        return Need(seconds, parts, host=processes * process + loaded, disk=disk, gpus=gpus)


def estimator(experiment: Experiment) -> Estimator:
    """An experiment's estimator, from its config alone; ConfigError where a base's architecture is not known."""
    for name, base in experiment.bases.items():
        of_base(name, base)
    return Estimator(experiment, expected(experiment))
