"""GGUF files made of numbers and words, and of a toy model: the format's writer in few lines."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

F32, F16 = 0, 1
ALIGNMENT = 32
NORMAL, CONTROL, BYTE = 1, 3, 6


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    """A typed value, as the header has it."""
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    items = [_value(item) for item in value]
    kind = items[0][:4]
    return struct.pack("<I", 9) + kind + struct.pack("<Q", len(items)) + b"".join(item[4:] for item in items)


def gguf_bytes(metadata: Mapping[str, Any], tensors: Mapping[str, Any], *, version: int = 3) -> bytes:
    """A whole file. `tensors`: name → array of float32 or float16, as torch has it: rows before columns."""
    table, data = b"", b""
    for name, array in tensors.items():
        data += b"\0" * (-len(data) % ALIGNMENT)
        shape = tuple(reversed(array.shape))
        kind = F16 if array.dtype == np.float16 else F32
        table += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += np.ascontiguousarray(array).tobytes()
    header = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    header += b"".join(_string(key) + _value(value) for key, value in metadata.items()) + table
    return header + b"\0" * (-len(header) % ALIGNMENT) + data


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, Any]) -> Path:
    """Write a file."""
    path.write_bytes(gguf_bytes(metadata, tensors))
    return path


def small_metadata(**changed: Any) -> dict[str, Any]:
    """What a small Llama's file says, without a tokenizer that could be used. Keyword `a__b` changes the key
    `a.b`; None leaves it out."""
    metadata = {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.context_length": 64,
        "llama.embedding_length": 8,
        "llama.feed_forward_length": 16,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10_000.0,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "a"],
    }
    metadata |= {key.replace("__", "."): value for key, value in changed.items()}
    return {key: value for key, value in metadata.items() if value is not None}


def llama_tensors(rows: int, *, width: int = 8, inner: int = 16, layers: int = 1) -> dict[str, Any]:
    """Random weights of a Llama with so many tokens, embeddings tied."""
    random = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return random.normal(scale=0.1, size=shape).astype(np.float32)

    tensors = {"token_embd.weight": draw(rows, width), "output_norm.weight": np.ones(width, np.float32)}
    for layer in range(layers):
        of_layer = {
            "attn_norm": np.ones(width, np.float32),
            "ffn_norm": np.ones(width, np.float32),
            **{f"attn_{part}": draw(width, width) for part in ("q", "k", "v", "output")},
            "ffn_gate": draw(inner, width),
            "ffn_up": draw(inner, width),
            "ffn_down": draw(width, inner),
        }
        tensors |= {f"blk.{layer}.{name}.weight": array for name, array in of_layer.items()}
    return tensors


# A toy

_NAMES_OF_QWEN3 = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_toy_qwen3(path: Path, toy: Path, **changed: Any) -> Path:
    """The toy of that architecture as a GGUF file; `changed` as in `small_metadata`."""
    from safetensors.numpy import load_file

    config = json.loads((toy / "config.json").read_text())
    tokenizer = json.loads((toy / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"] | {
        item["content"]: item["id"] for item in tokenizer["added_tokens"]
    }
    special = {item["content"] for item in tokenizer["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    metadata = {
        "general.architecture": "qwen3",
        "general.name": "Toy",
        "qwen3.block_count": config["num_hidden_layers"],
        "qwen3.context_length": config["max_position_embeddings"],
        "qwen3.embedding_length": config["hidden_size"],
        "qwen3.feed_forward_length": config["intermediate_size"],
        "qwen3.attention.head_count": config["num_attention_heads"],
        "qwen3.attention.head_count_kv": config["num_key_value_heads"],
        "qwen3.attention.key_length": config["head_dim"],
        "qwen3.attention.value_length": config["head_dim"],
        "qwen3.attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "qwen3.rope.freq_base": config["rope_parameters"]["rope_theta"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [CONTROL if token in special else NORMAL for token in tokens],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.eos_token_id": config["eos_token_id"],
        "tokenizer.ggml.padding_token_id": config["pad_token_id"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": (toy / "chat_template.jinja").read_text(),
    }
    metadata |= {key.replace("__", "."): value for key, value in changed.items()}
    tensors = {}
    for name, array in load_file(toy / "model.safetensors").items():
        tensors[_name_in_gguf(name)] = array
    return write_gguf(path, {key: value for key, value in metadata.items() if value is not None}, tensors)


def _name_in_gguf(name: str) -> str:
    plain = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in plain:
        return plain[name]
    _, _, layer, *module, ending = name.split(".")
    return f"blk.{layer}.{_NAMES_OF_QWEN3['.'.join(module)]}.{ending}"


# A SentencePiece vocabulary

PIECES = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]


def sentencepiece(**changed: Any) -> dict[str, Any]:
    """The tokenizer part of a Llama's file: letters, and the words of one sentence."""
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyzTFPCI."]
    words = ["▁T", "he", "▁The", "is", "▁is", "of", "▁of"]
    tokens = [*PIECES, *letters, *words]
    kinds = [2, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(letters) + len(words))]
    said = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(PIECES)
        + [-float(place) for place in range(len(letters) + len(words))],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    said |= {key.replace("__", "."): value for key, value in changed.items()}
    return {key: value for key, value in said.items() if value is not None}
