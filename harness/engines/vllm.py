"""The vLLM engine: batched generation, choices by exact log-probabilities, weights swapped in place."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# One process: the weights of an arm are handed over in memory, and the start is twice as quick. Before vllm is imported.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

import torch
import vllm
from tqdm import tqdm
from transformers import AutoConfig
from vllm import LLM, SamplingParams
from vllm.config import set_current_vllm_config

from harness.costs import device_name
from harness.engines import Completion, Likelihood, Progress, Sampling, context_length, stop_token_ids
from harness.weights import load_model


class VllmEngine:
    """One `vllm.LLM`. Every arm's weights are loaded in place, an adapter merged into its base before."""

    def __init__(self, model: str, revision: str | None, *, max_model_len: int | None) -> None:
        self.name = f"vllm {vllm.__version__}"
        self._base, self._revision = model, revision
        cuda = torch.cuda.is_available()
        self._torch_dtype = torch.bfloat16 if cuda else torch.float32
        self.device, self.dtype = device_name(), str(self._torch_dtype).removeprefix("torch.")
        self._llm = LLM(
            model,
            revision=revision,
            dtype=self.dtype,
            max_model_len=context_length(AutoConfig.from_pretrained(model, revision=revision), max_model_len),
            enforce_eager=not cuda,  # compiling for a CPU takes longer than it saves
            distributed_executor_backend="uni",
            enable_prefix_caching=True,
            seed=0,
        )
        self.tokenizer = self._llm.get_tokenizer()
        self.context = self._llm.llm_engine.model_config.max_model_len
        self.parameters = sum(self._llm.apply_model(_count_parameters))
        self._stop = stop_token_ids(
            self.tokenizer, getattr(self._llm.llm_engine.model_config.hf_config, "eos_token_id", None)
        )

    def load_weights(self, weights: Path | None) -> None:
        """See `Engine.load_weights`.

        Every arm, the base too, is handed over as a whole state dict. vLLM can read a folder by itself
        (`weights_path`), but vLLM 0.32 then keeps the old output layer of a model with tied embeddings, which its
        files leave out, and forgets where the base was.
        """
        # Architectures that vLLM runs on transformers' own classes are patched in this process, and then need its
        # configuration to be made at all.
        with set_current_vllm_config(self._llm.llm_engine.vllm_config):
            model = load_model(self._base, self._revision, weights, dtype=self._torch_dtype)
        tensors = list(model.state_dict().items())
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": tensors})
        # Cached keys and values belong to the weights before.
        assert self._llm.reset_prefix_cache(), "no request is running, so the cache can be emptied"

    def generate(self, prompts: Sequence[list[int]], sampling: Sampling, *, progress: Progress) -> list[Completion]:
        """See `Engine.generate`."""
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            stop_token_ids=self._stop,
            seed=sampling.seed if sampling.temperature else None,
        )
        outputs = [output.outputs[0] for output in self._run(prompts, parameters, progress)]
        return [Completion(output.text, len(output.token_ids), output.finish_reason) for output in outputs]

    def choice_logprobs(
        self, prompts: Sequence[list[int]], choices: Sequence[Sequence[list[int]]], *, progress: Progress
    ) -> list[list[float]]:
        """See `Engine.choice_logprobs`.

        Each distinct beginning of a choice is one request for one token, with the log-probabilities of just the
        tokens that follow it in some choice; all share the prompt's cached prefix. Labels that differ in their first
        token and have no other need a single request.
        """
        requests: list[list[int]] = []
        sampling: list[SamplingParams] = []
        places: list[dict[tuple[int, ...], int]] = []
        for prompt, options in zip(prompts, choices, strict=True):
            following: dict[tuple[int, ...], set[int]] = {}
            for choice in options:
                for index, token in enumerate(choice):
                    following.setdefault(tuple(choice[:index]), set()).add(token)
            places.append({beginning: len(requests) + offset for offset, beginning in enumerate(following)})
            for beginning, tokens in following.items():
                requests.append([*prompt, *beginning])
                sampling.append(
                    SamplingParams(temperature=0.0, max_tokens=1, logprob_token_ids=sorted(tokens), detokenize=False)
                )
        outputs = [output.outputs[0] for output in self._run(requests, sampling, progress)]
        return [
            [
                sum(outputs[place[tuple(choice[:index])]].logprobs[0][token].logprob for index, token in enumerate(choice))
                for choice in options
            ]
            for options, place in zip(choices, places, strict=True)
        ]

    def likelihoods(
        self, prompts: Sequence[list[int]], continuations: Sequence[list[int]], *, progress: Progress
    ) -> list[Likelihood]:
        """See `Engine.likelihoods`. The whole text is one prompt, with the log-probability and rank of its own tokens."""
        texts = [before + after for before, after in zip(prompts, continuations, strict=True)]
        parameters = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        found = []
        for before, text, output in zip(prompts, texts, self._run(texts, parameters, progress), strict=True):
            tokens = [output.prompt_logprobs[place][text[place]] for place in range(len(before), len(text))]
            found.append(Likelihood(sum(token.logprob for token in tokens), all(token.rank == 1 for token in tokens)))
        return found

    def _run(self, prompts: Sequence[list[int]], sampling: Any, progress: Progress) -> list[Any]:
        """vLLM's outputs, one a prompt, in order."""
        requests = [{"prompt_token_ids": prompt} for prompt in prompts]
        return list(self._llm.generate(requests, sampling, use_tqdm=_reporting_bar(progress)))


def _count_parameters(model: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.parameters())


def _reporting_bar(progress: Progress) -> Any:
    """A tqdm that draws nothing and tells `progress` instead: vLLM takes a class of bars, not a callback."""

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"file": io.StringIO(), "mininterval": 0.5})

        def refresh(self, *args: Any, **kwargs: Any) -> None:
            progress(int(self.n), int(self.total or 0))

    return Bar
