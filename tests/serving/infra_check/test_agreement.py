"""What counts as the same answer."""

import numpy as np

from serving.batching import BatchingOptions
from serving.infra_check.agreement import compare_answers
from serving.infra_check.check_version import warmup_sizes


def answers(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probability = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return logits.argmax(axis=-1).astype(np.uint8), np.rint(probability * 255).astype(np.uint8)


def make_logits() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 40, 40, 3)).astype(np.float32)


def test_the_same_network_agrees() -> None:
    logits = make_logits()
    found = compare_answers(logits, *answers(logits))
    assert found.good
    assert (found.same_class, found.score_difference) == (1.0, 0)


def test_another_class_on_one_pixel_in_a_hundred_does_not() -> None:
    logits = make_logits()
    class_ids, scores = answers(logits)
    class_ids.ravel()[::100] += 1
    found = compare_answers(logits, class_ids, scores)
    assert not found.good
    assert "98.9" in str(found) or "99.0" in str(found)


def test_other_scores_do_not_agree_even_where_the_class_does() -> None:
    logits = make_logits()
    class_ids, scores = answers(logits)
    sharper = answers(logits * 3)[1]
    assert not compare_answers(logits, class_ids, sharper).good
    assert compare_answers(logits, class_ids, scores).good


def test_every_batch_size_that_will_run_is_warmed_up() -> None:
    assert warmup_sizes(BatchingOptions(enabled=False)) == [1]
    assert warmup_sizes(BatchingOptions(max_batch_size=16)) == [1, 16]
    assert warmup_sizes(BatchingOptions(max_batch_size=8, allowed_batch_sizes=(2, 8))) == [2, 8]
