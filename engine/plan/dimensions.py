"""A decoder's shape, and the exact sizes that follow from it. All counts are parameters."""

from __future__ import annotations

from dataclasses import dataclass

Linears = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Block:
    """Layers that are alike.

    Attributes:
        layers: How many there are.
        linears: Inputs and outputs of each linear map of one layer: what NF4 quantises, and LoRA on
            "all-linear" adapts unless `adapted` says otherwise.
        other: Parameters of one layer in no linear map's weight: biases, norms, convolutions.
        expert: Parameters of one routed expert. Transformers keeps all experts of a layer in one
            stacked tensor, which NF4 leaves as it is.
        experts: Routed experts of one layer.
        active: Routed experts that one token passes through.
        adapted: Parameters that LoRA on "all-linear" gives one layer for each rank, where it is not
            one pair for each linear map: PEFT 0.21 adapts the experts of some architectures.
    """

    layers: int
    linears: Linears
    other: int = 0
    expert: int = 0
    experts: int = 0
    active: int = 0
    adapted: int | None = None

    @property
    def adapter(self) -> int:
        """Parameters of a LoRA adapter of rank 1 on all layers."""
        pairs = sum(a + b for a, b in self.linears) if self.adapted is None else self.adapted
        return self.layers * pairs

    @property
    def linear_parameters(self) -> int:
        """The weights of all linear maps of all layers."""
        return self.layers * sum(a * b for a, b in self.linears)

    @property
    def expert_parameters(self) -> int:
        """The weights of all routed experts of all layers."""
        return self.layers * self.expert * self.experts

    @property
    def parameters(self) -> int:
        """Everything in these layers."""
        return self.linear_parameters + self.expert_parameters + self.layers * self.other

    @property
    def idle(self) -> int:
        """Parameters of the experts that one token passes by."""
        return self.layers * self.expert * (self.experts - self.active)


@dataclass(frozen=True)
class Dimensions:
    """The shape of a decoder, and the sizes that follow from it.

    Attributes:
        layers: Decoder layers.
        hidden: Width of the residual stream.
        ffn: Width inside a feed-forward block; with experts, that of all that one token uses.
        heads: Attention heads.
        kv_heads: Heads that keys and values have.
        head_width: Width of one head.
        vocab: Tokens of the vocabulary.
        context: The longest input in tokens.
        tied: Whether the output head is the embedding itself.
        kind: The architecture, `model_type` of its config.json.
        blocks: The decoder's layers, those that are alike together.
        beside: Layers outside the decoder: a vision tower's.
        other: Parameters in no layer and no table: the last norm, a vision tower's tables.
        exact: Whether the architecture is one whose size is known exactly.
    """

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_width: int
    vocab: int
    context: int
    tied: bool
    kind: str
    blocks: tuple[Block, ...]
    beside: tuple[Block, ...] = ()
    other: int = 0
    exact: bool = True

    @property
    def linears(self) -> Linears:
        """Inputs and outputs of the linear maps of one layer, of the kind there is most of."""
        return max(self.blocks, key=lambda block: block.layers).linears

    @property
    def embedding_parameters(self) -> int:
        """The input table, and the output head where it is a table of its own."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def linear_parameters(self) -> int:
        """Weights that NF4 quantises: all linear maps but the output head."""
        return sum(block.linear_parameters for block in (*self.blocks, *self.beside))

    @property
    def expert_parameters(self) -> int:
        """Weights of the routed experts, which NF4 leaves in 16 bits."""
        return sum(block.expert_parameters for block in self.blocks)

    @property
    def parameters(self) -> int:
        """All parameters of the model; a tied head counts once."""
        layers = sum(block.parameters for block in (*self.blocks, *self.beside))
        return layers + self.embedding_parameters + self.other

    @property
    def active_parameters(self) -> int:
        """Parameters that one token uses: all but the experts it is not routed to."""
        return self.parameters - sum(block.idle for block in self.blocks)

    def linear_adapter_parameters(self, rank: int) -> int:
        """Return the parameters of a LoRA adapter on the linear maps, and on no experts."""
        blocks = (*self.blocks, *self.beside)
        return rank * sum(block.layers * sum(a + b for a, b in block.linears) for block in blocks)

    def adapter_parameters(self, rank: int) -> int:
        """Return the parameters of a LoRA adapter as PEFT makes it for "all-linear"."""
        return rank * sum(block.adapter for block in (*self.blocks, *self.beside))
