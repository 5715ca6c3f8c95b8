"""A starter read back from its GGUF, or from a folder: same tokens, same answers, and nothing else is taken."""

import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer's training packages are not installed")

import gguf  # noqa: E402
from hub_parts.engine import Engine  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from hone_trainer.finetune import base, from_gguf, gguf_file, words  # noqa: E402
from hone_trainer.finetune.base import Base  # noqa: E402
from hone_trainer.finetune.errors import BaseUnreadable, BaseUnsupported  # noqa: E402
from hone_trainer.finetune.spec import Spec  # noqa: E402
from hone_trainer.starter import corpus, export, tokenizer  # noqa: E402
from hone_trainer.starter.initial import initialise  # noqa: E402
from hone_trainer.starter.model import Shape, Starter, packed_mask  # noqa: E402
from hone_trainer.starter.tokenizer import Vocabulary  # noqa: E402

SHIPPED = Path(__file__).parents[3] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
NASTY = [
    "",
    " ",
    "   leading and   many    spaces   ",
    "tabs\tand\r\nCRLF\r\n\r\n\n\n \n end ",
    "emoji 📚 family 👨‍👩‍👧‍👦 flag 🇵🇱 tone 👍🏽",
    "日本語の本を借ります。中文，标点！한국어",
    "digits 1 12 123 1234 12345 1,234.56 ١٢٣ ½ Ⅷ",
    "it's we'LL I'M don't 'tis ''s",
    "Zażółć gęślą jaźń e\u0301 \u00e9 ﬀ ǅ zero\u200bwidth\u00a0nbsp\ufeffbom",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[]<|im_end|>\n<|im_start|><|im_start|>",
    '[{"e":["member","loan"]},{"a":"member","l":{"e-mail":"string"}},{"r":["loan","N:1","member"]}]',
    '"]},{"r":["a","1:N","b"]}] [] ] "," ":"decimal"}} ":"UK","',
    "a_b-c/d\\e{f}[g](h)<i>=j+k*l&m%n$o#p@q!r?s~t`u^v|w",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def shipped() -> Base:
    return base.load(spec(base_gguf=SHIPPED))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(SHIPPED)


def spec(**source: Path) -> Spec:
    return Spec(**source, pairs=Path("pairs.jsonl"), out=Path("out"))


def test_text_has_the_ids_that_llama_cpp_gives_it(shipped: Base, engine: Engine) -> None:
    drawn = [corpus.prompt(sample) for sample in corpus.evaluation_samples(1, "both", 25)]
    for text in [*NASTY, *drawn]:
        assert shipped.vocabulary.encode(text) == engine.tokenize(text), text


def test_the_tokenizer_is_the_one_that_was_trained() -> None:
    trained = tokenizer.train((w for s in corpus.samples(1, -1, 300) for w in s.passage.split()), 200)
    told = json.loads(trained.to_str())
    tokens = sorted(told["model"]["vocab"], key=told["model"]["vocab"].get)
    added = {entry["content"]: entry["special"] for entry in told["added_tokens"]}
    kinds = [1 if token not in added else 3 if added[token] else 4 for token in tokens]
    merges = [(left, right) for left, right in told["model"]["merges"]]
    again = words.vocabulary_of(Path("m"), tokens, kinds, merges).tokenizer
    assert json.loads(again.to_str()) == told
    for text in NASTY:
        assert again.encode(text).ids == trained.encode(text).ids, text


def test_the_probabilities_are_those_of_llama_cpp(shipped: Base, engine: Engine) -> None:
    for sample in corpus.evaluation_samples(1, "names", 12):
        ids = shipped.vocabulary.encode(corpus.prompt(sample))
        tokens = torch.tensor([ids])
        with torch.no_grad():
            ours = shipped.model(tokens, packed_mask(torch.ones_like(tokens)))[0, -1].log_softmax(-1)
        theirs = engine.log_probabilities(ids, shipped.vocabulary.size)
        likely = theirs > -8  # it multiplies in 8 bits, which unlikely tokens show
        assert np.abs(ours.numpy() - theirs)[likely].max() < 0.25
        assert int(ours.argmax()) == int(theirs.argmax())


def test_the_answers_are_those_of_llama_cpp(shipped: Base, engine: Engine) -> None:
    same = 0
    for sample in corpus.evaluation_samples(1, "names", 20):
        ids = shipped.vocabulary.encode(corpus.prompt(sample))
        theirs = engine.greedy(ids, 24)
        same += greedy(shipped, ids, len(theirs)) == theirs
    assert same >= 18  # 8 bits may turn a close decision


def greedy(start: Base, ids: list[int], count: int) -> list[int]:
    found: list[int] = []
    for _ in range(count):
        tokens = torch.tensor([[*ids, *found]])
        with torch.no_grad():
            found.append(int(start.model(tokens, packed_mask(torch.ones_like(tokens)))[0, -1].argmax()))
    return found


def test_weights_are_what_llama_cpp_s_own_reader_reads() -> None:
    ours = gguf_file.read(SHIPPED).tensors
    theirs = gguf.GGUFReader(SHIPPED).tensors
    assert sorted(ours) == sorted(tensor.name for tensor in theirs)
    for tensor in theirs:
        np.testing.assert_array_equal(ours[tensor.name], gguf.dequantize(tensor.data, tensor.tensor_type))


def test_a_folder_gives_back_the_model_that_was_written_into_it(shipped: Base, tmp_path: Path) -> None:
    export.write_folder(tmp_path, shipped.model, shipped.vocabulary)
    again = base.load(spec(base_hf=tmp_path))
    assert again.model.shape == shipped.model.shape
    for name, tensor in shipped.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name
    for text in NASTY:
        assert again.vocabulary.encode(text) == shipped.vocabulary.encode(text)


def tiny(folder: Path) -> Path:
    """A whole model of the family, so small that a test can change each of its parts."""
    vocabulary = Vocabulary(tokenizer.train(["loan", "member", "belongs"] * 3, 4))
    model = Starter(Shape(vocabulary.size, 160, 2, 5, 64), vocabulary.twins)
    initialise(model, 1)
    export.write_folder(folder, model, vocabulary)
    return folder


def test_a_folder_of_another_family_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "hf")
    base.load(spec(base_hf=folder))
    config = json.loads((folder / "config.json").read_text())
    changes: list[dict[str, object]] = [
        {"architectures": ["Qwen2ForCausalLM"]},
        {"num_key_value_heads": 1},
        {"hidden_size": 1 << 40},
        {"hidden_size": "160"},
        {"num_hidden_layers": 3},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e6}},
        {"tie_word_embeddings": False},
        {"attention_bias": True},
    ]
    for change in changes:
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(BaseUnsupported, match="few_shot"):
            base.load(spec(base_hf=folder))


def test_another_tokenizer_or_template_is_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "hf")
    written = json.loads((folder / "tokenizer.json").read_text())
    changes: list[dict[str, object]] = [
        {"normalizer": {"type": "Lowercase"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"added_tokens": written["added_tokens"][1:]},
        {"added_tokens": []},
    ]
    for change in changes:
        (folder / "tokenizer.json").write_text(json.dumps(written | change))
        with pytest.raises(BaseUnsupported):
            base.load(spec(base_hf=folder))
    (folder / "tokenizer.json").write_text(json.dumps(written))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(BaseUnsupported, match="template"):
        base.load(spec(base_hf=folder))


def test_damaged_folders_say_which_file_is_damaged(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        folder = tiny(tmp_path / name)
        (folder / name).write_bytes((folder / name).read_bytes()[:-100])
        with pytest.raises(BaseUnreadable, match=name):
            base.load(spec(base_hf=folder))
        (folder / name).unlink()
        with pytest.raises(BaseUnreadable, match=name):
            base.load(spec(base_hf=folder))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"llama.rope.freq_base", b"llama.rope.freq_bass"),
        (b"\x05\x00\x00\x00\x00\x00\x00\x00llama", b"\x05\x00\x00\x00\x00\x00\x00\x00qwen2"),
        (b"\x06\x00\x00\x00\x00\x00\x00\x00gpt-2", b"\x06\x00\x00\x00\x00\x00\x00\x00gpt-3"),
        (b"blk.4.attn_v.weight", b"blk.9.attn_v.weight"),
        (b"{% for message in messages %}", b"{% for massage in messages %}"),
    ],
)
def test_a_gguf_of_another_family_is_refused(was: bytes, becomes: bytes, tmp_path: Path) -> None:
    data = SHIPPED.read_bytes()
    changed = tmp_path / "changed.gguf"
    if was not in data:
        was, becomes = was.replace(b"\x06\x00", b"\x05\x00", 1), becomes.replace(b"\x06\x00", b"\x05\x00", 1)
    assert was in data
    changed.write_bytes(data.replace(was, becomes))
    with pytest.raises(BaseUnsupported, match="few_shot"):
        base.load(spec(base_gguf=changed))


# The first bytes hold the metadata, then the vocabulary; the last before the weights the tensors' places.
HEAD = SHIPPED.read_bytes()
PLACES = HEAD.index(b"token_embd.weight") - 8
AWKWARD = [0, 1, 255, *(1 << p for p in (16, 20, 31, 32, 40, 62, 63)), (1 << 31) - 1, (1 << 64) - 1]
positions = st.one_of(st.integers(0, 1400), st.integers(PLACES, PLACES + 3000))


def refused_or_read(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    began = time.process_time()
    try:
        from_gguf.describe(path)
    except (BaseUnreadable, BaseUnsupported) as error:
        assert error.detail
    assert time.process_time() - began < 5  # a hang would be seen


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(position=positions, number=st.sampled_from(AWKWARD))
def test_awkward_numbers_anywhere_in_a_gguf_give_our_errors_only(
    position: int, number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "awkward.gguf"
    refused_or_read(path, HEAD[:position] + struct.pack("<Q", number) + HEAD[position + 8 :])


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(edits=st.lists(st.tuples(positions, st.integers(0, 255)), max_size=6), cut=st.integers(0, len(HEAD)))
def test_cut_and_changed_ggufs_give_our_errors_only(
    edits: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    raw = bytearray(HEAD)
    for position, value in edits:
        raw[position] = value
    refused_or_read(tmp_path_factory.getbasetemp() / "cut.gguf", bytes(raw[: cut or None]))


def test_weights_said_to_be_longer_than_the_file_are_not_read(tmp_path: Path) -> None:
    """A thousand tensors that all stand at one place would be a thousand times the file's size in memory."""
    header = struct.pack("<4sIQQ", b"GGUF", 3, 400, 0)
    for number in range(400):
        name = f"t{number}".encode()
        header += struct.pack("<Q", len(name)) + name + struct.pack("<IQIQ", 1, 1 << 20, 0, 0)
    path = tmp_path / "overlapping.gguf"
    path.write_bytes(header + bytes(1 << 22))
    with pytest.raises(BaseUnreadable, match="longer than it is"):
        gguf_file.read(path)


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"GGUF", b"GGUF\x02\x00\x00\x00" + bytes(40), b"<html>" * 100):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(BaseUnreadable):
            base.load(spec(base_gguf=tmp_path / "m.gguf"))
    with pytest.raises(BaseUnreadable, match="No such file"):
        base.load(spec(base_gguf=tmp_path / "none.gguf"))


def test_a_tokenizer_of_a_file_is_as_good_as_the_build_s(shipped: Base, tmp_path: Path) -> None:
    shipped.vocabulary.tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = Vocabulary(Tokenizer.from_file(str(tmp_path / "tokenizer.json")))
    assert [again.encode(text) for text in NASTY] == [shipped.vocabulary.encode(text) for text in NASTY]
