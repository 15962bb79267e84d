"""TRL's trainer, made to count what it takes, to lose little when it is killed, and to go on when memory runs
out."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    EarlyStoppingCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from harness.errors import UserError
from harness.records.costs import Meter
from harness.sweep.recipe import MetaLearning
from harness.training.batches import count_samples, count_targets, count_tokens, pieces_of
from harness.training.checkpoints import (
    Checkpoint,
    TrainingProgress,
    checkpoint_folder,
    keep_only,
    latest,
    seal,
)
from harness.training.curves import not_a_number
from harness.training.judge import Judge
from harness.training.ledger import ModelSize, TrainingLedger
from harness.training.meta import Reptile
from harness.training.packing import check_packing
from harness.training.tuners import count_parameters
from harness.workers.memory import is_out_of_memory
from harness.workers.worker import Report


class _Flow(TrainerCallback):  # type: ignore[misc]
    """Reports the steps to the driver, stops the training at its last step for now, and fails it when a loss
    is no longer a number."""

    def __init__(self, trainer: "Trainer", report: Report) -> None:
        self._trainer, self._report = trainer, report
        self._step_started = 0.0
        self._loss: float | None = None

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._step_started = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._trainer.step_seconds += time.monotonic() - self._step_started
        self._trainer.ledger.write_now_and_then()
        self.advanced(state)
        if state.global_step == self._trainer.stop_at:
            control.should_save = control.should_training_stop = True
            control.should_evaluate = control.should_evaluate or self._trainer.eval_dataset is not None
        if control.should_evaluate or control.should_save:
            # The log's means start over at a checkpoint, whether or not a later start goes on from there.
            control.should_log = True

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.advanced(state)  # a long evaluation is no silence

    def advanced(self, state: TrainerState) -> None:
        """Say how far the training is."""
        done, total = state.global_step, self._trainer.stop_at
        self._report({"done": done, "total": total, "loss": self._loss})

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **_: Any,
    ) -> None:
        self._loss = logs.get("loss", self._loss)
        for name in ("loss", "eval_loss"):
            if name in logs and not math.isfinite(logs[name]):
                raise UserError(not_a_number(name, logs[name], state.global_step))


class Trainer(SFTTrainer):  # type: ignore[misc]
    """Trains until the step `stop_at`, from the beginning or from the last checkpoint before it."""

    current_gradient_accumulation_steps: int

    def __init__(
        self,
        *,
        model: Any,
        args: SFTConfig,
        train: Any,
        dev: Any,
        final_dev: Any,
        tokenizer: Any,
        adapter: Any,
        report: Report,
        loading: Meter,
        until: float,
        meta: MetaLearning | None,
        judge: Judge | None,
        patience: int | None,
        to_pack: Sequence[dict[str, list[int]]],
    ) -> None:
        """`loading`: has run since the model was loaded, and stops here. `until`: the share of all steps
        after which to stop for now. `dev` is read at every evaluation, `final_dev` once with the best weights
        (None: `dev` is all). `to_pack`: the samples, where they are packed."""
        self._report, self._judge = report, judge
        self._final_dev = final_dev
        self.final_dev_loss: float | None = None
        """Mean natural-log loss per answer token of the best weights over `final_dev`."""

        self._was_stopped = False
        self.step_seconds = 0.0
        self._logged_tokens = 0
        self._update: list[dict[str, Any]] = []
        """The micro-batches of the current update that are done."""

        self._update_started = 0.0
        self._dev_loss_sum: Any = 0.0
        self._dev_targets: Any = 0
        self._flow = _Flow(self, report)
        super().__init__(
            model=model,
            args=args,
            train_dataset=train,
            eval_dataset=dev,
            processing_class=tokenizer,
            peft_config=adapter,
            callbacks=_callbacks(self._flow, meta, None if dev is None else patience),
        )
        _leave_out_card(self.model)
        # TRL's loss is a mean over the targets of the whole effective batch, whatever the model's own loss
        # can do.
        self.model_accepts_loss_kwargs = True
        self._eval_rows = args.per_device_eval_batch_size
        if to_pack:
            check_packing(self.model, to_pack)
        self.size = _size_of(self.model, args)
        loading.stop()
        self.stop_at = _stop_at(self._planned_steps(), until, meta)
        checkpoints = Path(args.output_dir)
        self._checkpoint = latest(checkpoints, up_to=self.stop_at, tell=self._tell)
        self.ledger = _ledger(
            args, self._checkpoint, self.size, load_seconds=loading.seconds, tell=self._tell
        )

    def _tell(self, sentence: str) -> None:
        self._report({"note": f"{self.args.run_name}: {sentence}"})

    def _planned_steps(self) -> int:
        """Steps of the whole training."""
        return int(self.set_initial_training_values(self.args, self.get_train_dataloader())[-1])

    # From a checkpoint to `stop_at`

    def run(self) -> None:
        """Train to `stop_at`; then `model` has the best weights so far.

        Raises `UserError` where memory runs out beyond what smaller pieces of a batch can mend.
        """
        try:
            self._start_or_go_on()
            self._take_best()
            if self._final_dev is not None:
                self.final_dev_loss = self._loss_on(self._final_dev)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"there is too little memory for the optimiser or for a checkpoint ({_short(str(error))}); "
                "choose a method that trains less of the model, or optim = 'adafactor'"
            ) from None

    def _start_or_go_on(self) -> None:
        """Train from the checkpoint, if there is one; where nothing is left to train, only load it."""
        checkpoint = self._checkpoint
        if checkpoint is None:
            keep_only(Path(self.args.output_dir), [])
            self.args.eval_on_start = self.eval_dataset is not None
            self.train()
            return
        progress = checkpoint.progress
        keep_only(Path(self.args.output_dir), [progress.step, progress.best_step])
        if progress.stopped_early or progress.step == self.stop_at:
            self._load_from_checkpoint(str(checkpoint.folder))
            self.state = TrainerState.load_from_json(str(checkpoint.folder / "trainer_state.json"))
            self._was_stopped = progress.stopped_early
        else:
            self._logged_tokens = progress.tokens
            self.train(resume_from_checkpoint=str(checkpoint.folder))

    def _take_best(self) -> None:
        """Load the best weights so far, unless they are the last ones."""
        best = self.state.best_global_step
        if best is not None and best != self.state.global_step:
            self._load_from_checkpoint(str(checkpoint_folder(Path(self.args.output_dir), best)))

    @property
    def weights_dtype(self) -> str:
        """The number format that trained weights are saved in."""
        return "bfloat16" if torch.cuda.is_available() else "float32"

    @property
    def stopped_early(self) -> bool:
        """Whether the training ends before its last step because evaluations have stopped getting better."""
        if self._was_stopped or self.state.global_step >= self.state.max_steps:
            return self._was_stopped
        return any(
            callback.early_stopping_patience_counter >= callback.early_stopping_patience
            for callback in self.callback_handler.callbacks
            if isinstance(callback, EarlyStoppingCallback)
        )

    # Steps

    def get_batch_samples(self, *args: Any) -> Any:
        self._update, self._update_started = [], time.monotonic()
        return super().get_batch_samples(*args)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """The loss of one micro-batch of an update, computed in pieces that fit into memory.

        Each piece's loss is divided by the targets of the whole update, so neither the update nor its loss
        depends on how the batch is cut.
        """
        waiting = [self._prepare_inputs(inputs)]
        while True:
            done = 0
            try:
                for micro_batch in waiting:
                    loss = self._in_pieces(model, micro_batch, num_items_in_batch)
                    self._update.append(micro_batch)
                    done += 1
                return loss
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            # Outside the handler, since its traceback keeps the tensors of the step alive.
            self._make_room(waiting[done], reason)
            # Some gradients may have been added already, so the whole update is done again.
            model.zero_grad()
            for micro_batch in self._update:
                self.ledger.took_back(count_tokens(micro_batch), count_targets(micro_batch))
            now = time.monotonic()
            read = [*self._update, waiting[done]]
            self.ledger.lost(sum(map(count_tokens, read)), now - self._update_started)
            waiting = [*self._update, *waiting[done:]]
            self._update, self._update_started = [], now

    def _in_pieces(self, model: Any, micro_batch: dict[str, Any], num_items_in_batch: Any) -> Any:
        pieces = list(pieces_of(micro_batch, self.ledger.rows, self.args.per_device_train_batch_size))
        steps = self.current_gradient_accumulation_steps
        self.current_gradient_accumulation_steps = steps * len(pieces)
        try:
            loss = sum(
                super(Trainer, self).training_step(model, piece, num_items_in_batch) for piece in pieces
            )
        finally:
            self.current_gradient_accumulation_steps = steps
        self.ledger.trained(count_tokens(micro_batch), count_targets(micro_batch))
        return loss

    def _make_room(self, inputs: dict[str, Any], reason: str) -> None:
        rows = min(self.ledger.rows, count_samples(inputs))
        if rows <= 1:
            raise UserError(
                f"one sample at a time takes more memory than there is ({_short(reason)}); lower max_length, "
                "set gradient_checkpointing = true, "
                "or choose a method that trains less of the model, such as 'lora'"
            )
        self.ledger.rows = rows // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        effective = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
        self._tell(
            f"out of memory with {rows} samples at a time; "
            f"goes on with {rows // 2}, and still {effective} an update"
        )

    # Dev

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate without a trace in the training's random numbers: it draws the same ones either way."""
        device = self.args.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            return super().evaluate(*args, **kwargs)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """The mean loss over all targets of dev, where the library averages the means of batches; and the
        task's metric, where that chooses the checkpoint."""
        self._dev_loss_sum, self._dev_targets = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        output.metrics["eval_loss"] = float(self._dev_loss_sum) / int(self._dev_targets)
        if self._judge is not None:
            model = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
            with self.accelerator.autocast():
                dev_score = self._judge(
                    model, self.state.global_step, partial(self._flow.advanced, self.state)
                )
            self.ledger.evaluated(dev_score.tokens)
            self.args.greater_is_better = dev_score.higher_is_better
            output.metrics["eval_task_metric"] = dev_score.value
        return output

    def _loss_on(self, samples: Any) -> float:
        """The mean loss over all targets of further dev samples, in no log and no curve."""
        self._dev_loss_sum, self._dev_targets = 0.0, 0
        batches = self.get_eval_dataloader(samples)
        super().evaluation_loop(batches, "the end of the training", prediction_loss_only=True)
        loss = float(self._dev_loss_sum) / int(self._dev_targets)
        if not math.isfinite(loss):
            raise UserError(f"the loss on dev is {loss} at the end; lower learning_rate")
        return loss

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The mean loss of a batch, computed in pieces that fit into memory."""
        inputs = self._prepare_inputs(inputs)
        while True:
            try:
                total: Any = 0.0
                for piece in pieces_of(inputs, self._eval_rows, self.args.per_device_eval_batch_size):
                    loss, _, _ = super().prediction_step(model, piece, True)
                    total = total + loss * count_targets(piece)
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            rows = min(self._eval_rows, count_samples(inputs))
            if rows <= 1:
                raise UserError(
                    f"one dev sample takes more memory than there is ({_short(reason)}); lower max_length"
                )
            self._eval_rows = rows // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        targets = count_targets(inputs)
        self._dev_loss_sum = self._dev_loss_sum + total
        self._dev_targets = self._dev_targets + targets
        self.ledger.evaluated(count_tokens(inputs))
        return total / targets, None, None

    # Log and checkpoints

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            tokens = self.ledger.tokens
            logs["tokens_per_second"] = (tokens - self._logged_tokens) / max(self.step_seconds, 1e-9)
            self._logged_tokens, self.step_seconds = tokens, 0.0
        super().log(logs, start_time)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write none: a checkpoint needs no card."""

    def _save_checkpoint(self, *args: Any) -> None:
        super()._save_checkpoint(*args)
        checkpoints, step = Path(self.args.output_dir), self.state.global_step
        progress = self.progress()
        seal(checkpoint_folder(checkpoints, step), progress)
        keep_only(checkpoints, [step, progress.best_step])

    def progress(self, *, paused: bool = False) -> TrainingProgress:
        """How far the training is, and what it took so far."""
        return self.ledger.progress(
            self.state.global_step,
            self.state.best_global_step,
            stopped_early=self.stopped_early,
            paused=paused,
        )

    def _load_from_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        # PEFT loads every adapter in float32, but beside weights of four bits it was trained in bfloat16.
        dtypes = {
            name: tensor.dtype for name, tensor in self.model.named_parameters() if tensor.requires_grad
        }
        super()._load_from_checkpoint(*args, **kwargs)
        for name, tensor in self.model.named_parameters():
            if name in dtypes:
                tensor.data = tensor.data.to(dtypes[name])


def _callbacks(
    flow: TrainerCallback, meta: MetaLearning | None, patience: int | None
) -> list[TrainerCallback]:
    """In the order in which they are called. `patience`: evaluations without gain that end the training."""
    callbacks: list[TrainerCallback] = [Reptile(meta)] if meta else []
    callbacks.append(flow)
    if patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=patience))
    return callbacks


def _leave_out_card(model: Any) -> None:
    """Checkpoints without PEFT's model card, which takes longer to render than an adapter to save: they need
    none, and weights that are finished get one of ours."""
    if hasattr(model, "create_or_update_model_card"):
        model.create_or_update_model_card = _write_no_card


def _write_no_card(folder: str) -> None:
    """In place of what a library would write beside weights."""


def _size_of(model: Any, args: SFTConfig) -> ModelSize:
    trainable, parameters = count_parameters(model)
    return ModelSize(parameters, trainable, args.gradient_checkpointing)


def _ledger(
    args: SFTConfig,
    checkpoint: Checkpoint | None,
    size: ModelSize,
    *,
    load_seconds: float,
    tell: Callable[[str], None],
) -> TrainingLedger:
    return TrainingLedger(
        Path(args.output_dir),
        checkpoint.progress if checkpoint else None,
        rows=args.per_device_train_batch_size,
        load_seconds=load_seconds,
        size=size,
        tell=tell,
    )


def _stop_at(steps: int, until: float, meta: MetaLearning | None) -> int:
    """The step after which to stop for now; of a meta-learning at the end of a visit."""
    stop_at = math.ceil(until * steps)
    if meta is None:
        return stop_at
    return min(steps, math.ceil(stop_at / meta.inner_steps) * meta.inner_steps)


def _short(reason: str) -> str:
    """A library's message in one line."""
    return " ".join(reason.split())[:200]
