"""The vLLM engine: one stream of requests, choices by exact log-probabilities, weights swapped in place or
adapters served.

With `vllm_requests` the only file that knows vLLM, from 0.25 on: what differs between its versions is settled
here.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

# One process: the weights of an arm are handed over in memory, and the start is twice as quick. Before vllm
# is imported.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

import torch

if not torch.cuda.is_available():  # compiling for a CPU takes longer than it saves
    os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")

import vllm
from transformers import AutoConfig
from vllm import LLM, SamplingParams
from vllm.config import set_current_vllm_config
from vllm.inputs import tokens_input
from vllm.lora.request import LoRARequest
from vllm.sampling_params import StructuredOutputsParams

from harness.counts import count_of
from harness.engines.choices import ChoiceWay, Rates, costs_of, least, logprob_of, trie_of
from harness.engines.engine import (
    MAX_NUM_SEQS,
    Answered,
    Choose,
    Generate,
    OutOfMemory,
    Reference,
    Request,
    Sampling,
    check_vocabulary,
    context_length,
    stop_token_ids,
)
from harness.engines.reference import AdapterReference, TransformersReference
from harness.engines.vllm_requests import OURS, TOKENS_AT_ONCE, Pending, RequestPart, choosing, measuring
from harness.engines.weighing import ChoiceReader, Weighed, shared_tokens
from harness.engines.weights import check_base, load_model
from harness.errors import UserError
from harness.records.costs import device_name
from harness.sweep.engines import Way
from harness.workers.memory import is_out_of_memory

IN_FLIGHT = 8
"""Requests that vLLM holds, as a multiple of the sequences it works on: enough to keep it busy and to let it
batch as it likes, and few enough for memory to stay flat however many there are to answer."""

CPU_BLOCK = 32
"""Tokens of a block of the prefix cache on a CPU, the fewest that its attention takes: vLLM's own 128 are
longer than many prompts, and what prompts share is cached in whole blocks."""

DISTRIBUTION = 3.0
"""What the log-probabilities of a whole vocabulary take, as a multiple of the output layer's multiplications:
2.2 to 2.9 as measured with a model of 135 million parameters on a CPU."""

OVERHEAD = 2e7
"""What vLLM does for a request besides reading its tokens, in multiplications that a
core of a CPU makes in that time."""


class VllmEngine:
    """One `vllm.LLM` for all arms of a base.

    `way` `swap`: every arm's weights are loaded in place, an adapter merged into its base before. `adapters`:
    the base stays as it is, and adapters of rank `max_lora_rank` at most are served, `max_loras` of them in
    one batch.
    """

    def __init__(
        self,
        model: str,
        revision: str | None,
        *,
        max_model_len: int | None = None,
        max_num_seqs: int = MAX_NUM_SEQS,
        way: Way = "swap",
        max_lora_rank: int = 16,
        max_loras: int = 8,
        tensor_parallel_size: int = 1,
        gpu_memory_utilization: float = 0.9,
    ) -> None:
        self.name, self.way = f"vllm {vllm.__version__}", way
        self._base, self._revision = model, revision
        self._max_num_seqs = max_num_seqs
        self.num_devices, self._parallel = tensor_parallel_size, tensor_parallel_size > 1
        self._cuda = torch.cuda.is_available()
        self._torch_dtype = torch.bfloat16 if self._cuda else torch.float32
        self.device, self.dtype = device_name(), str(self._torch_dtype).removeprefix("torch.")
        settings: dict[str, Any] = {}
        if way == "adapters":
            settings = {
                "enable_lora": True,
                "max_loras": max_loras,
                "max_lora_rank": _rank_that_vllm_has(max_lora_rank),
            }
        if self._cuda:
            settings["gpu_memory_utilization"] = gpu_memory_utilization
        else:
            settings["block_size"] = CPU_BLOCK
        self.context = context_length(AutoConfig.from_pretrained(model, revision=revision), max_model_len)
        # vLLM leaves out what it does not expect.
        # Before it starts: its workers have a part of the model each.
        self.parameters = check_base(model, revision)
        self._llm = self._start(settings)
        model_config = self._llm.llm_engine.model_config
        self.tokenizer = self._llm.get_tokenizer()
        check_vocabulary(self.tokenizer, model_config.get_vocab_size())
        self.context = model_config.max_model_len
        self._stop = stop_token_ids(self.tokenizer, getattr(model_config.hf_config, "eos_token_id", None))
        self._sampling_params = lru_cache(maxsize=4096)(self._new_sampling_params)
        self._adapters: dict[Path, LoRARequest] = {}
        self._adapter_reference: AdapterReference | None = None
        self._arms: tuple[Path | None, ...] | None = (None,)
        self._count = 0
        self._block = self._llm.llm_engine.vllm_config.cache_config.block_size
        self._rates = self._rates_of(model_config)
        self._reader: ChoiceReader | None = None

    def _start(self, settings: dict[str, Any]) -> LLM:
        """Load the base. Raises `OutOfMemory` when the device has no room for so many sequences."""
        try:
            return LLM(
                self._base,
                revision=self._revision,
                dtype=self.dtype,
                max_model_len=self.context,
                max_num_seqs=self._max_num_seqs,
                enforce_eager=not self._cuda,
                tensor_parallel_size=self.num_devices,
                distributed_executor_backend="mp" if self._parallel else "uni",
                worker_extension_cls=f"{ArmLoader.__module__}.{ArmLoader.__name__}",
                enable_prefix_caching=True,
                # White space between the parts of a document is nothing that a small model knows when to end.
                structured_outputs_config={"backend": "xgrammar", "disable_any_whitespace": True},
                seed=0,
                **settings,
            )
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise self._no_memory(error) from None

    def _rates_of(self, model_config: Any) -> Rates:
        """What reading choices takes, in multiplications."""
        output = model_config.get_vocab_size() * model_config.get_hidden_size()
        tied = getattr(model_config.hf_config, "tie_word_embeddings", False)
        layers = self.parameters - (output if tied else 2 * output)
        return Rates(token=layers, distribution=DISTRIBUTION * output, request=OVERHEAD)

    @property
    def _pad(self) -> int:
        """A token to fill rows up with, whichever."""
        return self._stop[0] if self._stop else 0

    def _classes_of_transformers(self) -> AbstractContextManager[None]:
        """Where transformers' models can be made: vLLM patches the classes of architectures that it runs on
        transformers' own, and these then need its configuration."""
        configured: AbstractContextManager[None] = set_current_vllm_config(self._llm.llm_engine.vllm_config)
        return configured

    # Weights

    def use(self, arms: Sequence[Path | None]) -> Reference:
        """See `Engine.use`."""
        if self.way == "adapters":
            return self._serve(arms)
        (weights,) = arms
        tried = self._reader.tried if self._reader else None
        self._reader = None  # not a third model in memory while this one is loaded
        with self._classes_of_transformers():
            model = load_model(self._base, self._revision, weights, dtype=self._torch_dtype)
        if self._arms != (weights,):
            self._arms = None  # a swap that fails half-way must not pass for a finished one
            self._load(model)
            # Cached keys and values belong to the weights before.
            if not self._llm.reset_prefix_cache():
                raise RuntimeError(
                    "vLLM could not empty its prefix cache, which holds keys and values of other weights"
                )
            self._arms = (weights,)
        if tried is not None:
            self._reader = ChoiceReader(model.eval(), self._pad, reading=tried)
        return TransformersReference(model)

    def _load(self, model: Any) -> None:
        """Put a whole model into the engine.

        Every arm, the base too, is handed over as a whole state dict. vLLM can read a folder by itself
        (`weights_path`), but vLLM 0.32 then keeps the old output layer of a model with tied embeddings, which
        its files leave out, and forgets where the base was.
        """
        tensors = model.state_dict()
        if not self._parallel:
            self._llm.collective_rpc("load_tensors", args=(list(tensors.items()),))
            return
        import tempfile

        from safetensors.torch import save_file

        # The workers of a model in several parts are processes of their own, and read the tensors from a
        # file.
        with tempfile.TemporaryDirectory(prefix="gainboard-") as folder:
            file = Path(folder) / "arm.safetensors"
            save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, file)
            self._llm.collective_rpc("load_file", args=(str(file),))

    def _serve(self, arms: Sequence[Path | None]) -> Reference:
        """Have the adapters ready; vLLM reads each when its first request comes."""
        if any(arm is None for arm in arms) and any(arm is not None for arm in arms):
            # vLLM's CPU build gives requests without an adapter the last one's output when both share a
            # batch.
            raise ValueError("the base and adapters are not asked together")
        if self._adapter_reference is None:
            with self._classes_of_transformers():
                base = load_model(self._base, self._revision, None, dtype=self._torch_dtype)
            self._adapter_reference = AdapterReference(base)
        self._adapter_reference.use(arms)
        for arm in arms:
            if arm is not None and arm not in self._adapters:
                self._adapters[arm] = LoRARequest(arm.as_posix(), len(self._adapters) + 1, str(arm))
        self._arms = tuple(arms)
        return self._adapter_reference

    # Answers

    def answer(self, requests: Sequence[Request]) -> Iterator[Answered]:
        """See `Engine.answer`. Choices are weighed in the way that takes least."""
        assert self._arms is not None, "`use` was called, and succeeded"
        chosen = {place: request for place, request in enumerate(requests) if isinstance(request, Choose)}
        shared = shared_tokens([request.prompt for request in chosen.values()])
        ways = {place: self._way_to_choose(request, shared) for place, request in chosen.items()}
        in_one_pass = [place for place, way in ways.items() if way == "one pass"]
        yield from self._in_one_pass({place: chosen[place] for place in in_one_pass})
        request_places = [place for place in range(len(requests)) if ways.get(place) != "one pass"]
        yield from self._by_vllm(requests, request_places, ways)

    def _by_vllm(
        self, requests: Sequence[Request], places: Sequence[int], ways: Mapping[int, ChoiceWay]
    ) -> Iterator[Answered]:
        """Answers to the requests at these places.

        Prompts that begin alike are asked one after another, so that vLLM finds what they share in its prefix
        cache.
        """
        engine = self._llm.llm_engine

        def alike(place: int) -> tuple[int, list[int]]:
            return requests[place].arm, requests[place].prompt

        order = iter(sorted(places, key=alike))
        room = IN_FLIGHT * self._max_num_seqs
        pending: dict[int, Pending] = {}
        on_the_way: dict[str, tuple[int, RequestPart]] = {}

        def ask(place: int, parts: Sequence[RequestPart]) -> None:
            request, adapter = requests[place], self._adapter(requests[place])
            pending[place].outstanding += len(parts)
            for part in parts:
                self._count += 1
                name = str(self._count)
                on_the_way[name] = place, part
                prompt = tokens_input([*request.prompt, *part.after])
                engine.add_request(name, prompt, part.parameters, lora_request=adapter)

        try:
            while True:
                for place in islice(order, max(0, room - len(on_the_way))):
                    pending[place] = Pending(requests[place])
                    ask(place, self._parts(requests[place], ways.get(place)))
                if not on_the_way:
                    return
                for output in engine.step():
                    place, part = on_the_way.pop(output.request_id)
                    item = pending[place]
                    item.take(part, output)
                    if again := item.unread():
                        ask(place, again)
                    if not item.outstanding:
                        del pending[place]
                        yield Answered(place, item.answer(self.tokenizer), item.cached_tokens)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise self._no_memory(error) from None
        finally:
            if on_the_way:  # nobody waits for the rest
                engine.abort_request(list(on_the_way))

    def _adapter(self, request: Request) -> LoRARequest | None:
        assert self._arms is not None
        arm = self._arms[request.arm]
        return self._adapters[arm] if self.way == "adapters" and arm is not None else None

    def _no_memory(self, error: RuntimeError) -> OutOfMemory:
        return OutOfMemory(
            f"the device has no memory for {count_of(self._max_num_seqs, 'sequence')} of "
            f"{self.context} tokens at once ({error})"
        )

    def _parts(self, request: Request, way: ChoiceWay | None) -> list[RequestPart]:
        """What vLLM is asked for a request."""
        if isinstance(request, Generate):
            return [RequestPart((), self._sampling_params(request.sampling, request.reads_cache))]
        if isinstance(request, Choose):
            assert way is not None, "there is a way for all choices"
            return choosing(request.choices, way)
        if self.way == "adapters":
            # vLLM 0.32 on a CPU fails on prompt log-probabilities beside adapters; elsewhere it is unchecked.
            raise UserError('texts are not weighed with way = "adapters"; set way = "swap" under [engine]')
        return measuring(request.continuation)

    # Choices

    def _way_to_choose(self, request: Choose, shared: int) -> ChoiceWay:
        """The way that takes least to weigh its choices, where all prompts share so many tokens."""
        prompt, choices = len(request.prompt), request.choices
        costs = costs_of(prompt, choices, cached=shared, block=self._block, max_logprobs=TOKENS_AT_ONCE)
        # On CUDA vLLM is reported to mix prompt log-probabilities up (vllm#44106), and beside adapters they
        # fail. What transformers reads, it reads on the CPU.
        if self._cuda or self.way == "adapters":
            return "beginnings"
        if prompt + max(map(len, choices)) >= self.context:
            costs = {way: cost for way, cost in costs.items() if way in ("beginnings", "one pass")}
        return least(costs, self._rates)

    def _in_one_pass(self, requests: Mapping[int, Choose]) -> Iterator[Answered]:
        """Answers of the arm in use on transformers.

        vLLM's cache has whole blocks of tokens, so that each of many choices reads the end of its prompt
        again; transformers reads every token once.
        """
        if not requests:
            return
        questions = [Weighed(request.prompt, trie_of(request.choices)) for request in requests.values()]
        places = list(requests)
        for index, next_tokens in self._choice_reader().read_all(questions):
            place = places[index]
            logprobs = [logprob_of(choice, next_tokens) for choice in requests[place].choices]
            yield Answered(place, logprobs, by_transformers=True)

    def _choice_reader(self) -> ChoiceReader:
        """Of the arm in use, whose weights are loaded once more when the first choices are weighed so. From
        then on every arm's are kept until the next."""
        if self._reader is None:
            assert self._arms is not None, "`use` was called, and succeeded"
            (weights,) = self._arms
            with self._classes_of_transformers():
                model = load_model(self._base, self._revision, weights, dtype=self._torch_dtype)
            self._reader = ChoiceReader(model.eval(), self._pad)
        return self._reader

    def _new_sampling_params(self, sampling: Sampling, reads_cache: bool) -> SamplingParams:
        constraint = None
        if sampling.choice:
            constraint = StructuredOutputsParams(choice=list(sampling.choice))
        elif sampling.json:
            constraint = StructuredOutputsParams(json=sampling.json)
        return SamplingParams(
            n=sampling.n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            stop_token_ids=sorted({*self._stop, *sampling.stop_token_ids}),
            skip_special_tokens=False,  # stop strings are looked for in all that was written
            seed=sampling.seed if sampling.temperature else None,
            logprobs=0 if sampling.logprobs else None,
            structured_outputs=constraint,
            skip_reading_prefix_cache=not reads_cache,
            **OURS,
        )


def _rank_that_vllm_has(rank: int) -> int:
    """vLLM's adapters come in fixed sizes; the smallest that holds this rank."""
    sizes = (1, 8, 16, 32, 64, 128, 256, 320, 512)
    for size in sizes:
        if rank <= size:
            return size
    raise UserError(
        f'an adapter has rank {rank}; vLLM serves adapters up to {sizes[-1]}: set way = "swap" under [engine]'
    )


class ArmLoader:
    """What every worker of vLLM can do besides its own: vLLM mixes this class into them
    (`worker_extension_cls`)."""

    model_runner: Any
    vllm_config: Any

    def load_tensors(self, tensors: list[tuple[str, torch.Tensor]]) -> None:
        """Replace the model's weights by those of a state dict."""
        # A layer may ask for the configuration when it makes its weights ready for a kernel. vLLM's worker
        # sets it around its own `reload_weights` (vllm#45989); the model runner, which is asked here, does
        # not.
        with set_current_vllm_config(self.vllm_config):
            self.model_runner.reload_weights(weights_iterator=iter(tensors))

    def load_file(self, path: str) -> None:
        """Replace the model's weights by those of a safetensors file."""
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file, set_current_vllm_config(self.vllm_config):
            self.model_runner.reload_weights(
                weights_iterator=((name, file.get_tensor(name)) for name in file)
            )
