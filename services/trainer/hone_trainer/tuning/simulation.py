"""A training step without memory: the real code on PyTorch's meta device, where tensors have shapes and no content.

What each operation would allocate and what it would compute is counted as it happens, and what is let go is taken
off again. So the count follows whatever the architecture, peft and autograd keep, without a formula for any of them.
Two things have no honest counterpart on the meta device and stand here as what their kernels are known to keep:
attention (q, k, v, the output, one number a row, as FlashAttention does: Dao et al. 2022; and the mask in floating
point) and weights of 4 bit.
"""

import math
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

from hone_trainer.tuning import loss
from hone_trainer.tuning.base import DTYPES
from hone_trainer.tuning.errors import BaseUnfit
from hone_trainer.tuning.settings import Settings

_META = "meta"
_ATTENTION = "hone_counted"
# Far beyond every model there is: a config is a stranger's, and building a billion layers would never end.
_MOST = {
    "num_hidden_layers": 1000, "hidden_size": 1 << 17, "intermediate_size": 1 << 20, "vocab_size": 1 << 23,
    "num_experts": 1024, "num_local_experts": 1024, "n_routed_experts": 1024, "num_attention_heads": 1 << 12,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A micro-batch: rows of so many tokens, all of them trained, which is the worst case."""

    rows: int
    length: int


@dataclass(frozen=True)
class Step:
    """``peak_bytes`` live at most beside weights, gradients and the optimizer, ``kept_bytes`` between forward and
    backward; ``operations`` are floating point, forward and backward."""

    peak_bytes: int
    kept_bytes: int
    operations: float


@dataclass(frozen=True)
class Sizes:
    """What lies in memory whatever the batch: ``weights`` and ``adapter`` count numbers."""

    weights: int
    weights_bytes: int
    adapter: int
    largest: int
    """Numbers of the largest matrix."""


class Unpredictable(Exception):
    """The model's code asks for content on its way, as experts that are chosen for each token do."""


class Blank:
    """A base with its adapter, without their content. Raises BaseUnfit where the base is none that can be built."""

    def __init__(self, folder: Path, settings: Settings, dtype: str, *, four_bit: bool) -> None:
        AttentionInterface.register(_ATTENTION, _attention)
        self._dtype = DTYPES[dtype]
        config = read_config(folder)
        text = getattr(config, "text_config", None) or config
        self.layers: tuple[str, ...] = tuple(getattr(text, "layer_types", None) or ())
        capped = getattr(text, "attn_logit_softcapping", None)
        try:
            with torch.device(_META):
                model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                    config,
                    dtype=self._dtype,
                    attn_implementation="eager" if capped else _ATTENTION,
                    trust_remote_code=False,
                )
                if four_bit:
                    _pack(model, self._dtype)
                model.requires_grad_(False)
                weights = _bytes(model)
                self.model: Any = get_peft_model(
                    model, _adapter_of(settings, four_bit), autocast_adapter_dtype=False
                )
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise BaseUnfit(
                folder, f"has a config.json of which no model can be built: {str(error)[:300]}"
            ) from error
        self.model.config.use_cache = False
        self._vocabulary = int(getattr(text, "vocab_size", 0)) or self._head().out_features
        trained = [each for each in self.model.parameters() if each.requires_grad]
        for each in trained:
            # Under autocast, which the meta device has none of, the adapter computes in the model's dtype.
            each.data = each.data.to(self._dtype)
            each.grad = torch.empty_like(each)  # there from the first micro-batch on
        largest = max((_cells(each) for each in model.modules() if isinstance(each, nn.Linear)), default=0)
        packed = sum(
            _cells(each) - each.weight.numel() for each in model.modules() if isinstance(each, _Packed)
        )
        self.sizes = Sizes(
            weights=sum(each.numel() for each in self.model.parameters() if not each.requires_grad) + packed,
            weights_bytes=weights,
            adapter=sum(each.numel() for each in trained),
            largest=largest,
        )

    def step(self, shape: Shape, *, checkpointing: bool) -> Step:
        """One micro-batch forward and backward, as the loop does it; a second or two for 32 layers.

        Raises Unpredictable.
        """
        try:
            return self._step(shape, checkpointing)
        except (RuntimeError, NotImplementedError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise Unpredictable(str(error)[:200]) from error

    def _step(self, shape: Shape, checkpointing: bool) -> Step:
        model = self.model
        model.train()
        base = model.get_base_model()
        if checkpointing:
            base.activation_checkpointing_enable({"use_reentrant": False})
        try:
            return self._counted(model, shape)
        finally:
            if checkpointing:
                base.activation_checkpointing_disable()
                base.disable_input_require_grads()  # which enabling it enabled

    def _counted(self, model: Any, shape: Shape) -> Step:
        with _Counting(model) as counted:
            batch = _batch(shape)
            hidden = self._hidden(batch)
            trained = hidden[:, :-1].reshape(-1, hidden.shape[-1])
            losses = loss.token_losses(
                trained, batch["labels"][:, 1:].reshape(-1), self._head(), self._vocabulary
            )
            total = (losses * batch["weights"][:, 1:].reshape(-1)).sum()
            del hidden, trained, losses
            kept = counted.now
            total.backward()  # type: ignore[no-untyped-call]
        return Step(counted.peak, kept, counted.operations)

    def _hidden(self, batch: dict[str, Tensor]) -> Tensor:
        mask: Any = batch["mask"]
        if len(set(self.layers)) > 1:  # each kind of layer has its own
            mask = dict.fromkeys(self.layers, mask)
        decoder = self.model.get_base_model().get_decoder()
        found: Tensor = decoder(
            input_ids=batch["input_ids"],
            attention_mask=mask,
            position_ids=batch["position_ids"],
            use_cache=False,
        ).last_hidden_state
        return found

    def _head(self) -> Any:
        return self.model.get_base_model().get_output_embeddings()


def read_config(folder: Path) -> Any:
    """The base's config.json. Raises BaseUnfit, also for sizes that no model has."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise BaseUnfit(folder, f"has a config.json that cannot be read: {str(error)[:300]}") from error
    for part in (config, getattr(config, "text_config", None)):
        for name, most in _MOST.items():
            value = getattr(part, name, None)
            if isinstance(value, int) and not 0 <= value <= most:
                raise BaseUnfit(folder, f"says {name} {value}, and no model has more than {most}")
    return config


def _adapter_of(settings: Settings, four_bit: bool) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=settings.targets if settings.targets == "all-linear" else list(settings.targets),
        use_dora=settings.use_dora and not four_bit,  # it would unpack with bitsandbytes' own kernels
        use_rslora=settings.use_rslora,
        task_type="CAUSAL_LM",
    )


def _batch(shape: Shape) -> dict[str, Tensor]:
    """What `collate` makes, and the mask that attention gets: [rows, 1, length, length]."""
    size = (shape.rows, shape.length)
    names = ("input_ids", "labels", "position_ids", "sequence_ids")
    return {name: torch.zeros(size, dtype=torch.int64, device=_META) for name in names} | {
        "weights": torch.zeros(size, dtype=torch.float32, device=_META),
        "mask": torch.zeros((shape.rows, 1, shape.length, shape.length), dtype=torch.bool, device=_META),
    }


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts bytes that are alive, but for a model's own, and floating-point operations."""

    _active: ClassVar[list["_Counting"]] = []

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.operations = 0.0
        own = [*model.parameters(), *model.buffers()]
        own += [each.grad for each in own if each.grad is not None]
        self._seen: dict[int, Any] = {id(each): each for each in map(Tensor.untyped_storage, own)}

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if operation is torch.ops.aten._local_scalar_dense.default:
            return True  # a question about content: masks that were already built ask whether they are whole
        result = operation(*args, **(kwargs or {}))
        packet = operation._overloadpacket
        if packet in flop_registry:
            self.operations += flop_registry[packet](*args, **(kwargs or {}), out_val=result)
        for each in tree_leaves(result):
            if isinstance(each, Tensor):
                self._alive(each.untyped_storage())
        return result

    def __enter__(self) -> Self:
        self._active.append(self)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._active.remove(self)

    @classmethod
    def tell(cls, operations: float) -> None:
        """What a kernel would compute that has no operation here."""
        for each in cls._active:
            each.operations += operations

    def _alive(self, storage: Any) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._seen:
            return
        self.now += size
        self.peak = max(self.peak, self.now)

        def gone(_: object) -> None:
            self.now -= size
            del self._seen[key]

        self._seen[key] = weakref.ref(storage, gone)


def _attention(
    module: Any,
    query: Tensor,  # [rows, heads, length, width]
    key: Tensor,  # [rows, key heads, length, width]
    value: Tensor,
    attention_mask: Tensor | None,
    **_: Any,
) -> tuple[Tensor, None]:
    """In the place of transformers' `sdpa_attention_forward`: with a mask, keys and values are repeated for each
    head."""
    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = (_repeated(each, groups) for each in (key, value))
    result = _Attention.apply(query, key, value, attention_mask)
    return result.transpose(1, 2).contiguous(), None


def _repeated(heads: Tensor, groups: int) -> Tensor:
    rows, its, length, width = heads.shape
    return heads[:, :, None].expand(rows, its, groups, length, width).reshape(rows, -1, length, width)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        result = query.new_empty((*query.shape[:-1], value.shape[-1]))
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        scores_mask = None if mask is None else mask.to(query.dtype)
        ctx.save_for_backward(query, key, value, result, sums, scores_mask)
        _Counting.tell(_operations(query, key))
        return result

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, _result, sums, _mask = ctx.saved_tensors
        slopes = torch.empty_like(sums)
        collected = query.new_empty(query.shape, dtype=torch.float32)  # kernels add up in fp32
        found = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None
        del slopes, collected
        _Counting.tell(2.5 * _operations(query, key))  # five products of matrices, where forward has two
        return found


def _operations(query: Tensor, key: Tensor) -> float:
    """Of forward, the masked half included: a mask that is given is worked through."""
    rows, heads, length, width = query.shape
    return 4.0 * rows * heads * length * key.shape[2] * width


class _Packed(nn.Linear):
    """A linear layer of 4 bit, its weight unpacked for each product and let go. Its bytes are those of NF4 in blocks
    of 64 with scales of 8 bit, and scales of these in fp32 for every 256 (Dettmers et al. 2023)."""

    def __init__(self, plain: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__(plain.in_features, plain.out_features, plain.bias is not None, _META, dtype)
        blocks = math.ceil(_cells(plain) / 64)
        size = math.ceil(_cells(plain) / 2) + blocks + 4 * math.ceil(blocks / 256)
        self._computed_in = dtype
        self.weight = nn.Parameter(torch.empty(size, dtype=torch.uint8, device=_META), requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = _PackedProduct.apply(input.to(self._computed_in), self)
        return (result if self.bias is None else result + self.bias).clone()  # as peft does for 4 bit

    def unpacked(self) -> Tensor:
        return torch.empty((self.out_features, self.in_features), dtype=self._computed_in, device=_META)


class _PackedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, layer: _Packed) -> Tensor:
        ctx.layer = layer
        return nn.functional.linear(rows, layer.unpacked())

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        return outer[0] @ ctx.layer.unpacked(), None


def _pack(model: Any, dtype: torch.dtype) -> None:
    """All linear layers but the head, as bitsandbytes' integration leaves it."""
    head = model.get_output_embeddings()
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear and layer is not head:
            model.set_submodule(name, _Packed(layer, dtype))


def _cells(layer: nn.Linear) -> int:
    return layer.in_features * layer.out_features


def _bytes(model: nn.Module) -> int:
    """Tied weights count once."""
    own = {id(each.untyped_storage()): each for each in (*model.parameters(), *model.buffers())}
    return sum(each.untyped_storage().nbytes() for each in own.values())
