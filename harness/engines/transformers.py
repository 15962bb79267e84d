"""The transformers engine: the reference in tests, and the engine where vLLM is not to be had."""

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, GenerationConfig

from harness.costs import device_name
from harness.engines import Completion, Likelihood, Progress, Sampling, context_length, stop_token_ids
from harness.weights import load_model

BATCH = 32

MOST_KEPT = 4096
"""Tokens of a batch whose logits are kept."""


class TransformersEngine:
    """Batched generation, left-padded, with the key-value cache; float32 on CPUs, bfloat16 on CUDA."""

    def __init__(self, model: str, revision: str | None, *, max_model_len: int | None) -> None:
        self.name = f"transformers {transformers.__version__}"
        self._base, self._revision = model, revision
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._torch_dtype = torch.bfloat16 if self._device == "cuda" else torch.float32
        self.device, self.dtype = device_name(), str(self._torch_dtype).removeprefix("torch.")
        self.tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        self.load_weights(None)
        self.context = context_length(self._model.config, max_model_len)
        self.parameters = sum(tensor.numel() for tensor in self._model.parameters())

    def load_weights(self, weights: Path | None) -> None:
        """See `Engine.load_weights`."""
        model = load_model(self._base, self._revision, weights, dtype=self._torch_dtype)
        self._model = model.to(self._device).eval()
        self._stop = stop_token_ids(self.tokenizer, self._model.generation_config.eos_token_id)
        # A model's own sampling defaults (a repetition penalty, say) would bend what `generate` is asked for.
        self._model.generation_config = GenerationConfig()

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def generate(self, prompts: Sequence[list[int]], sampling: Sampling, *, progress: Progress) -> list[Completion]:
        """See `Engine.generate`."""
        torch.manual_seed(sampling.seed)
        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0} if sampling.temperature else {}
        config = GenerationConfig(
            max_new_tokens=sampling.max_tokens,
            do_sample=bool(drawn),
            eos_token_id=self._stop,
            pad_token_id=self._pad,
            stop_strings=list(sampling.stop) or None,
            **drawn,
        )
        completions: list[Completion] = []
        for start in range(0, len(prompts), BATCH):
            batch = prompts[start : start + BATCH]
            input_ids, mask = self._left_padded(batch)
            output = self._model.generate(
                input_ids=input_ids, attention_mask=mask, generation_config=config, tokenizer=self.tokenizer
            )
            completions += [self._completion(row, sampling.stop) for row in output[:, input_ids.shape[1] :].tolist()]
            progress(len(completions), len(prompts))
        return completions

    def _completion(self, token_ids: list[int], stop: Sequence[str]) -> Completion:
        ends = [index for index, token in enumerate(token_ids) if token in self._stop]
        tokens = ends[0] + 1 if ends else len(token_ids)
        text = self.tokenizer.decode(token_ids[: ends[0] if ends else tokens], skip_special_tokens=True)
        cuts = [text.index(string) for string in stop if string in text]
        if cuts:
            return Completion(text[: min(cuts)], tokens, "stop")
        return Completion(text, tokens, "stop" if ends else "length")

    def choice_logprobs(
        self, prompts: Sequence[list[int]], choices: Sequence[Sequence[list[int]]], *, progress: Progress
    ) -> list[list[float]]:
        """See `Engine.choice_logprobs`. Every choice is read in full after its prompt."""
        before = [prompt for prompt, options in zip(prompts, choices, strict=True) for _ in options]
        after = [choice for options in choices for choice in options]
        found = iter(self.likelihoods(before, after, progress=progress))
        return [[next(found).logprob for _ in options] for options in choices]

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def likelihoods(
        self, prompts: Sequence[list[int]], continuations: Sequence[list[int]], *, progress: Progress
    ) -> list[Likelihood]:
        """See `Engine.likelihoods`."""
        pairs = list(zip(prompts, continuations, strict=True))
        found: list[Likelihood] = []
        # The logits of a batch are rows × kept tokens × vocabulary: long continuations are read a few at a time.
        kept = 1 + max((len(after) for after in continuations), default=0)
        size = max(1, min(BATCH, MOST_KEPT // kept))
        for start in range(0, len(pairs), size):
            batch = pairs[start : start + size]
            input_ids, mask = self._left_padded([before + after for before, after in batch])
            position_ids = (mask.cumsum(dim=1) - 1).clamp(min=0)
            logits = self._model(
                input_ids=input_ids, attention_mask=mask, position_ids=position_ids, logits_to_keep=kept
            ).logits
            for row, (_, after) in enumerate(batch):
                # The token at place i is predicted at place i − 1; with left padding the text ends at the right edge.
                predicted = logits[row, -len(after) - 1 : -1].float().log_softmax(dim=-1)
                wanted = torch.tensor(after, device=self._device)
                greedy = bool((predicted.argmax(dim=-1) == wanted).all())
                found.append(Likelihood(float(predicted.gather(1, wanted[:, None]).sum()), greedy))
            progress(len(found), len(pairs))
        return found

    @property
    def _pad(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    def _left_padded(self, rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and attention mask, both (rows × longest row)."""
        longest = max(len(row) for row in rows)
        padded = [[self._pad] * (longest - len(row)) + row for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(padded, device=self._device), torch.tensor(mask, device=self._device)
