"""Estimate what each job of an experiment needs."""

import math
from dataclasses import dataclass, field
from functools import cached_property

from r1k.config import Architecture, Experiment, Length, ScratchBase
from r1k.plan import cost, memory
from r1k.plan.architecture import architecture_of, lora_parameters, projections
from r1k.plan.lengths import concatenated, mixture, truncated
from r1k.plan.memory import Parts, Placement
from r1k.plan.serving import serving, serving_seconds
from r1k.records import SPANS, UPDATES

GIB = 2**30
RECORD_BYTES = 220
"""Bytes of a JSONL record without its texts."""
TRACKED_BYTES = 480
"""Bytes of a JSONL record of one span of a tracked response."""
CHARACTERS_PER_TOKEN = 3.0
"""Used without a tokenizer. Reasoning of twenty s1K-1.1 problems with R1's traces has 3.1 forward and 2.9 reverse, by
SmolLM2's tokenizer."""
CACHED_TOKEN_BYTES = 6
"""Bytes of a token in the cache of answers from which generation resumes."""
MERGE_COPIES = 12
"""Float32 copies of a full-rank update that a merge other than linear holds at once."""
TOKENIZER_BYTES = 100
"""Bytes of a tokenizer's files per token of its vocabulary: 70 for SmolLM2's, 120 for the demo's."""


@dataclass(frozen=True)
class JobEstimate:
    """The estimated needs of one job."""

    seconds: float
    """Wall-clock seconds."""
    parts: Parts = field(default_factory=dict)
    """Peak memory by part, in bytes: on each GPU, or of the process if there is no GPU."""
    host: float = 0
    """Host memory of all processes of the job, in bytes."""
    disk: float = 0
    """Peak bytes on disk, resumable state included."""
    gpus: int = 0

    @property
    def peak(self) -> float:
        """Peak memory in bytes: on each GPU, or of the process."""
        return sum(self.parts.values())

    @property
    def gpu_seconds(self) -> float:
        return self.seconds * self.gpus


@dataclass(frozen=True)
class Workload:
    """Counts and lengths of texts, which the config knows only as expectations."""

    prompt: Length
    """Length of a prompt."""
    responses: dict[str, Length]
    """Length of a response by direction: `forward`, `reverse`."""
    questions: dict[str, tuple[int, Length]]
    """Number of questions and length of their prompts, by benchmark."""
    answers: dict[str, Length]
    """Length of an answer by benchmark."""
    architectures: dict[str, Architecture]
    """Sizes by base, for bases on disk; the config's apply to the others."""
    counted_files: tuple[str, ...] = ()
    """The files whose counts replace expectations."""


def expected_workload(experiment: Experiment) -> Workload:
    """Return the workload that the config expects, before data exist."""
    plan = experiment.plan
    response = mixture(plan.forward, plan.reverse)
    return Workload(
        prompt=plan.prompt,
        responses={"forward": plan.forward, "reverse": plan.reverse},
        questions={
            name: (2 * b.source.per_direction if b.source.kind == "world" else b.source.n, plan.prompt)
            for name, b in experiment.benchmarks.items()
        },
        answers={name: plan.answers.get(name, response) for name in experiment.benchmarks},
        architectures={},
    )


@dataclass(frozen=True)
class Estimator:
    """Estimates an experiment's jobs. Raises ConfigError if the config does not state a base's architecture."""

    experiment: Experiment
    workload: Workload

    @cached_property
    def on_gpu(self) -> bool:
        return self.experiment.plan.device.kind == "gpu"

    @cached_property
    def placement(self) -> Placement:
        """The devices and processes of a training run."""
        launch = self.experiment.train.launch
        gpus = launch.gpus if self.on_gpu else 0
        return Placement(
            gpus, launch.per_device_train_batch_size, launch.processes, launch.nodes, launch.gradient_checkpointing
        )

    def architecture(self, base: str) -> Architecture:
        """Return a base's sizes: from its config.json on disk, else from the config."""
        return self.workload.architectures.get(base) or architecture_of(base, self.experiment.bases[base])

    def response(self, data: str) -> Length:
        """Return the length of a response in a data set: of its direction, or of both with equal weight."""
        forward, reverse = self.workload.responses["forward"], self.workload.responses["reverse"]
        return {"s1k": forward, "r1k": reverse}.get(data) or mixture(forward, reverse)

    def train(self, run: str) -> JobEstimate:
        """Estimate a training run: memory from its longest sequences, time from all sequences."""
        experiment, placement = self.experiment, self.placement
        settings, lora = experiment.settings(run), experiment.trained_lora(run)
        a = self.architecture(experiment.base_of(run))
        length = concatenated(self.workload.prompt, self.response(str(experiment.runs[run].data)))
        device, steps = experiment.plan.device, experiment.steps(run)
        seconds = cost.training_seconds(a, settings, lora, device, placement, steps, length)
        parts = memory.training(a, settings, lora, placement, self._longest(length, settings.max_length))
        probed_steps, checkpoint_seconds = len(experiment.probed_steps(run)), experiment.train.launch.checkpoint_seconds
        return self._estimate(
            seconds,
            parts,
            loaded=cost.base_bytes(a, settings.dtype),
            processes=placement.processes_per_node,
            gpus=placement.nodes * placement.gpus,
            disk=cost.training_disk(
                a,
                settings,
                lora,
                placement,
                probed_steps,
                steps,
                max(1.0, seconds - device.start_seconds),
                checkpoint_seconds,
            ),
        )

    def merge(self, run: str) -> JobEstimate:
        """Estimate a merge, which runs on CPUs; all methods but `linear` fit low-rank updates, which takes the time."""
        experiment, a = self.experiment, self.architecture(self.experiment.base_of(run))
        rank, target_modules = self._adapter(run)
        merge, device = experiment.runs[run].merge, experiment.plan.device
        low_rank_fit = merge is not None and merge.merge_method != "linear"
        seconds = device.start_seconds + low_rank_fit * cost.low_rank_fit_seconds(a, target_modules)
        size = lora_parameters(a, rank, target_modules) * memory.BYTES["float32"]
        # The adapters as read and as scaled, the merged adapter, and copies of the largest full-rank update.
        largest = max(inputs * outputs for inputs, outputs in projections(a).values())
        copies = low_rank_fit * MERGE_COPIES * largest * memory.BYTES["float32"]
        return JobEstimate(seconds, host=device.process_memory * GIB + 3 * size + copies, disk=size)

    def probe(self, run: str) -> JobEstimate:
        """Estimate the probe of a run: one job on one GPU that scores all probed checkpoints."""
        experiment, probe = self.experiment, self.experiment.probe_of(run)
        rank, target_modules = self._adapter(run)
        a = self.architecture(experiment.base_of(run))
        response = truncated(mixture(*self.workload.responses.values()), probe.max_tokens)
        length = concatenated(self.workload.prompt, response)
        splits = (experiment.data.probe_train, experiment.data.probe_held_out)
        tracked = 2 * sum(min(problems, probe.tracked_problems or problems) for problems in splits)
        kinds = probe.kinds(with_parent=experiment.runs[run].parent is not None)
        responses = 4 * sum(splits) + (len(kinds) - 2) * tracked
        checkpoints = 1 + len(experiment.probed_steps(run))
        seconds = cost.probing_seconds(
            a, experiment.plan.device, checkpoints, responses, length, probe.tokens_per_batch
        )
        width = max(probe.tokens_per_batch, math.ceil(length.mean))
        limit = probe.greedy_tokens or probe.max_tokens
        greedy = [(tracked, self.workload.prompt, Length(mean=limit, cv=0)) for kind in kinds if "greedy" in kind]
        seconds += cost.generating_seconds(
            a,
            experiment.plan.device,
            probe.dtype,
            lora_parameters(a, rank, target_modules),
            max(1, probe.tokens_per_batch // math.ceil(self.workload.prompt.mean + limit)),
            greedy,
            limit,
        )
        seconds -= experiment.plan.device.start_seconds  # both estimates include the start
        parts = memory.probing(a, rank, target_modules, probe.dtype, width, on_gpu=self.on_gpu)
        # The hidden states of step 0, the reference of the KL divergence, are on disk during the job.
        states = responses * response.mean * a.hidden_size * memory.BYTES[probe.dtype]
        loaded = cost.base_bytes(a, probe.dtype)
        tracked_records = tracked * len(kinds) * len(SPANS) * TRACKED_BYTES
        records = checkpoints * (4 * sum(splits) * RECORD_BYTES + tracked_records) * 2
        return self._estimate(seconds, parts, loaded=loaded, gpus=int(self.on_gpu), disk=records + states)

    def ntk(self, run: str) -> JobEstimate:
        """Estimate the empirical NTK of a run: one job on one GPU, with gradients one at a time and a pass per step."""
        experiment, ntk = self.experiment, self.experiment.ntk
        settings, lora = experiment.settings(run), experiment.trained_lora(run)
        a = self.architecture(experiment.base_of(run))
        trained, held_out = (
            min(problems, ntk.examples) for problems in (experiment.data.probe_train, experiment.data.probe_held_out)
        )
        response = mixture(*self.workload.responses.values())
        full = concatenated(self.workload.prompt, response)
        short = concatenated(self.workload.prompt, truncated(response, experiment.probe.max_tokens))
        adapter = lora_parameters(a, lora.r, lora.target_modules)
        responses, per_response = 4 * (trained + held_out), 1 + ntk.draws
        steps = len(UPDATES) * trained * len(ntk.steps)
        seconds = cost.kernel_seconds(
            a,
            adapter,
            experiment.plan.device,
            [(4 * trained * per_response, truncated(full, settings.max_length)), (responses * per_response, short)],
            (1 + steps, responses, short),
        )
        longest = self._longest(full, settings.max_length)
        parts = memory.kernel(a, settings, lora, longest, experiment.probe.tokens_per_batch, on_gpu=self.on_gpu)
        # Gradient vectors of all measured responses and of a problem's four, and five full gradients.
        vectors = 4 * ((responses + 4) * per_response * (ntk.sketch or adapter) + 5 * adapter)
        if not self.on_gpu:
            parts = parts | {"gradients": parts["gradients"] + vectors}
        loaded = cost.base_bytes(a, "float32") + vectors
        return self._estimate(
            seconds, parts, loaded=loaded, gpus=int(self.on_gpu), disk=steps * responses * 2 * TRACKED_BYTES
        )

    def generate(self, run: str) -> JobEstimate:
        """Estimate a run's answers to its benchmarks, one job; memory from answers at the limit of new tokens."""
        experiment, evaluate = self.experiment, self.experiment.evaluate
        a, device = self.architecture(experiment.base_of(run)), experiment.plan.device
        rank, target_modules = self._adapter(run)
        gpus, limit = evaluate.gpus if self.on_gpu else 1, evaluate.max_new_tokens
        benchmarks = [
            (math.ceil(n * b.repeats / gpus), prompt, truncated(self.workload.answers[name], limit))
            for name, b in experiment.benchmarks.items()
            if name in experiment.answered[run]
            for n, prompt in [self.workload.questions[name]]
        ]
        widest = max(prompt.mean * (1 + 2 * prompt.cv) for _, prompt, _ in benchmarks)
        adapter = lora_parameters(a, rank, target_modules)
        if self.on_gpu and evaluate.engine != "transformers":
            parts = serving(
                a,
                rank,
                target_modules,
                evaluate.dtype,
                device.memory * GIB,
                device.runtime_memory * GIB,
                widest + limit,
            )
            seconds = serving_seconds(
                a, device, evaluate.dtype, adapter, evaluate.batch_size, parts["KV cache"], benchmarks
            )
        else:
            batch_size = evaluate.batch_size
            if evaluate.tokens_per_batch is not None:
                batch_size = max(1, min(batch_size, math.floor(evaluate.tokens_per_batch / (widest + limit))))
            parts = memory.generating(a, rank, target_modules, evaluate.dtype, batch_size, widest, limit)
            seconds = cost.generating_seconds(a, device, evaluate.dtype, adapter, batch_size, benchmarks, limit)
        loaded = gpus * cost.base_bytes(a, evaluate.dtype)
        texts = gpus * sum(
            n * (RECORD_BYTES + CHARACTERS_PER_TOKEN * (prompt.mean + new.mean) + CACHED_TOKEN_BYTES * new.mean)
            for n, prompt, new in benchmarks
        )
        return self._estimate(seconds, parts, loaded=loaded, processes=gpus, gpus=gpus * self.on_gpu, disk=texts)

    def make_base(self, base: str) -> JobEstimate:
        """Estimate a base's pretraining, or its download; the time of a download is unknown and counts as 0."""
        config, a, plan = self.experiment.bases[base], self.architecture(base), self.experiment.plan
        if isinstance(config, ScratchBase):
            seconds = cost.pretraining_seconds(a, plan.device, config, plan.document)
            states = memory.pretraining(a, config.train_batch_size, plan.document.mean * (1 + plan.document.cv))
            # The base, and a checkpoint with the optimizer's state.
            disk = (
                cost.base_bytes(a, "float32") + states["weights"] + states["optimizer"] + a.vocab_size * TOKENIZER_BYTES
            )
            # Pretraining always runs on the CPU.
            parts = memory.process(states, plan.device.process_memory * GIB, plan.device.fragmentation)
            return JobEstimate(seconds, parts, host=sum(parts.values()), disk=disk)
        dtype = "bfloat16" if config.kind == "hub" else "float32"
        disk = cost.base_bytes(a, dtype)
        # A packaged base is read, dequantised and copied once.
        host = plan.device.process_memory * GIB + (3 * disk if config.kind == "packaged" else 0)
        return JobEstimate(0, host=host, disk=disk + a.vocab_size * TOKENIZER_BYTES)

    def _adapter(self, run: str) -> tuple[int, list[str]]:
        """Return rank and target modules of a run's adapter; (0, []) for a base without an adapter."""
        lora = self.experiment.lora(run)
        return (lora.r, lora.target_modules) if lora else (0, [])

    def _longest(self, length: Length, limit: int) -> int:
        """Return the longest sequence of a training run: the limit, or counted mean plus three standard deviations."""
        if not self.workload.counted_files:
            return limit
        return min(limit, math.ceil(length.mean * (1 + 3 * length.cv)))

    def _estimate(
        self, seconds: float, parts: Parts, *, loaded: float, gpus: int, disk: float, processes: int = 1
    ) -> JobEstimate:
        device = self.experiment.plan.device
        process = device.process_memory * GIB
        if not self.on_gpu:
            parts = memory.process(parts, process, device.fragmentation)
            return JobEstimate(seconds, parts, host=processes * sum(parts.values()), disk=disk)
        parts = parts | {"CUDA and NCCL": device.runtime_memory * GIB}
        return JobEstimate(seconds, parts, host=processes * process + loaded, disk=disk, gpus=gpus)


def estimator(experiment: Experiment) -> Estimator:
    """Return an experiment's estimator, from its config only.

    Raises:
        ConfigError: The config does not state a base's architecture.
    """
    for name, base in experiment.bases.items():
        architecture_of(name, base)
    return Estimator(experiment, expected_workload(experiment))
