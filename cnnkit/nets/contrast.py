"""A second objective beside the cross-entropy: two changed copies of a picture, one embedding.

NT-Xent, the normalised temperature-scaled cross-entropy of Chen et al. 2020 (SimCLR, section 2.1),
taken on the embedding itself, without a projection head: its cosine is what people search by.
"""

import tensorflow as tf

# Of the cosines; among those that SimCLR's table 5 tries, and what patternnet was trained with.
TEMPERATURE = 0.2
# Takes a picture's likeness to itself out of the comparison.
_NEVER = 1e9


def nt_xent(embedding: tf.Tensor, temperature: float = TEMPERATURE) -> tf.Tensor:
    """The mean loss, a scalar, of embeddings (2 n, …): row i and row n + i show one picture."""
    rows = tf.shape(embedding)[0]
    unit = tf.math.l2_normalize(tf.reshape(embedding, (rows, -1)), axis=1)
    likeness = tf.matmul(unit, unit, transpose_b=True) / temperature
    likeness -= _NEVER * tf.eye(rows, dtype=likeness.dtype)
    partner = tf.math.floormod(tf.range(rows) + rows // 2, rows)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(partner, likeness)
    return tf.reduce_mean(losses)
