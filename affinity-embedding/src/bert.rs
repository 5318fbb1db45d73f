//! The encoder of BERT: token ids in, one vector per text out.
//!
//! Source: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", NAACL 2019; mean pooling as in
//! Reimers & Gurevych, "Sentence-BERT", EMNLP 2019.

use crate::error::EncoderError;
use crate::folder::Architecture;
use crate::kernels::{
    Finish, LeftBlocks, Matrix, MatrixMut, Panels, add_row, multiply, normalize_layer, normalize_length,
    softmax_rows,
};
use crate::weights::Weights;

/// Inner columns of the feed-forward part computed at once: they stay in the second-level cache between the two
/// products.
const INNER_COLUMNS: usize = 384;

pub(crate) struct Bert {
    hidden_size: usize,
    head_count: usize,
    epsilon: f32,
    /// A row per token of the vocabulary.
    words: Vec<f32>,
    /// A row per position, the embedding of the first token type added.
    positions: Vec<f32>,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

struct LayerNorm {
    gain: Vec<f32>,
    shift: Vec<f32>,
}

struct Layer {
    /// Query, key and value beside each other.
    attention_in: Panels,
    attention_out: Panels,
    attention_norm: LayerNorm,
    /// Up and down, for each slice of the inner columns.
    feed_forward: Vec<(Panels, Panels)>,
    feed_forward_norm: LayerNorm,
}

/// Memory of one forward pass, kept for the next.
#[derive(Default)]
pub(crate) struct Scratch {
    hidden: Vec<f32>,
    sum: Vec<f32>,
    attention_in: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
    keys: Panels,
    values: Panels,
    blocks: LeftBlocks,
}

impl LayerNorm {
    fn load(weights: &Weights<'_>, name: &str, size: usize) -> Result<Self, EncoderError> {
        Ok(Self {
            gain: weights.take(&format!("{name}.weight"), &[size])?,
            shift: weights.take(&format!("{name}.bias"), &[size])?,
        })
    }
}

impl Layer {
    fn load(weights: &Weights<'_>, name: &str, sizes: &Architecture) -> Result<Self, EncoderError> {
        let (hidden, inner) = (sizes.hidden_size, sizes.intermediate_size);
        let linear = |part: &str, outputs: usize, inputs: usize| {
            let matrix = weights.take(&format!("{name}.{part}.weight"), &[outputs, inputs])?;
            let bias = weights.take(&format!("{name}.{part}.bias"), &[outputs])?;
            Ok::<_, EncoderError>((matrix, bias))
        };
        let (mut rows, mut bias) = (Vec::new(), Vec::new());
        for part in ["query", "key", "value"] {
            let (part_rows, part_bias) = linear(&format!("attention.self.{part}"), hidden, hidden)?;
            rows.extend(part_rows);
            bias.extend(part_bias);
        }
        let attention_in = Panels::of_layer(Matrix::new(&rows, hidden), &bias);
        let (rows, bias) = linear("attention.output.dense", hidden, hidden)?;
        let attention_out = Panels::of_layer(Matrix::new(&rows, hidden), &bias);

        let (up, up_bias) = linear("intermediate.dense", inner, hidden)?;
        let (down, down_bias) = linear("output.dense", hidden, inner)?;
        let (up, down) = (Matrix::new(&up, hidden), Matrix::new(&down, inner));
        let no_bias = vec![0.0; hidden];
        let slices = (0..inner).step_by(INNER_COLUMNS).map(|first| {
            let columns = INNER_COLUMNS.min(inner - first);
            let up = up.part((first, columns), (0, hidden));
            let down = down.part((0, hidden), (first, columns));
            let down_bias = if first == 0 { &down_bias } else { &no_bias };
            (Panels::of_layer(up, &up_bias[first..first + columns]), Panels::of_layer(down, down_bias))
        });
        Ok(Self {
            attention_in,
            attention_out,
            attention_norm: LayerNorm::load(weights, &format!("{name}.attention.output.LayerNorm"), hidden)?,
            feed_forward: slices.collect(),
            feed_forward_norm: LayerNorm::load(weights, &format!("{name}.output.LayerNorm"), hidden)?,
        })
    }
}

impl Bert {
    pub(crate) fn load(weights: &Weights<'_>, sizes: &Architecture) -> Result<Self, EncoderError> {
        let hidden = sizes.hidden_size;
        let table = |name: &str, rows: usize| {
            weights.take(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden])
        };
        let mut positions = table("position", sizes.max_position_embeddings)?;
        let types = table("token_type", sizes.type_vocab_size)?;
        for row in positions.chunks_exact_mut(hidden) {
            add_row(row, &types[..hidden]);
        }
        let layers = (0..sizes.num_hidden_layers)
            .map(|layer| Layer::load(weights, &format!("encoder.layer.{layer}"), sizes));
        Ok(Self {
            hidden_size: hidden,
            head_count: sizes.num_attention_heads,
            epsilon: sizes.layer_norm_eps,
            words: table("word", sizes.vocab_size)?,
            positions,
            norm: LayerNorm::load(weights, "embeddings.LayerNorm", hidden)?,
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// Components of a vector.
    pub(crate) fn dimension(&self) -> usize {
        self.hidden_size
    }

    /// One vector of length 1 per text. The texts lie behind each other without padding.
    ///
    /// # Panics
    /// If a text is empty, longer than the positions, or has an id outside the vocabulary.
    pub(crate) fn forward(&self, texts: &[&[u32]], scratch: &mut Scratch) -> Vec<Vec<f32>> {
        self.embed(texts, scratch);
        for layer in &self.layers {
            self.attend(layer, texts, scratch);
            self.feed_forward(layer, scratch);
        }
        let mut rest = scratch.hidden.as_slice();
        let pooled = texts.iter().map(|text| {
            let (rows, later) = rest.split_at(text.len() * self.hidden_size);
            rest = later;
            self.pool(rows)
        });
        pooled.collect()
    }

    fn embed(&self, texts: &[&[u32]], scratch: &mut Scratch) {
        scratch.hidden.clear();
        for text in texts {
            assert!(!text.is_empty(), "a text without tokens");
            for (token, position) in text.iter().zip(0..) {
                let start = scratch.hidden.len();
                scratch.hidden.extend_from_slice(row(&self.words, *token as usize, self.hidden_size));
                add_row(&mut scratch.hidden[start..], row(&self.positions, position, self.hidden_size));
            }
        }
        normalize_layer(&mut scratch.hidden, &self.norm.gain, &self.norm.shift, self.epsilon);
    }

    fn attend(&self, layer: &Layer, texts: &[&[u32]], scratch: &mut Scratch) {
        let Scratch { hidden, sum, attention_in, context, scores, keys, values, blocks, .. } = scratch;
        let size = self.hidden_size;
        let head_size = size / self.head_count;
        // The reference divides by the root before the softmax; so does this, inside it.
        let scale = 1.0 / (head_size as f32).sqrt();
        attention_in.resize(hidden.len() * 3, 0.0);
        context.resize(hidden.len(), 0.0);
        let all = Matrix::new(hidden, size);
        multiply(all, &layer.attention_in, Finish::Store, MatrixMut::new(attention_in, 3 * size), blocks);

        let projected = Matrix::new(attention_in, 3 * size);
        let mut first = 0;
        for text in texts {
            let rows = (first, text.len());
            first += text.len();
            scores.resize(text.len() * text.len(), 0.0);
            for head in 0..self.head_count {
                let columns = |part: usize| (part * size + head * head_size, head_size);
                keys.pack_transposed(projected.part(rows, columns(1)));
                values.pack(projected.part(rows, columns(2)));
                let queries = projected.part(rows, columns(0));
                multiply(queries, keys, Finish::Store, MatrixMut::new(scores, text.len()), blocks);
                softmax_rows(scores, text.len(), scale);
                let out = MatrixMut::new(context, size).part(rows, columns(0));
                multiply(Matrix::new(scores, text.len()), values, Finish::Store, out, blocks);
            }
        }
        sum.clone_from(hidden);
        let out = MatrixMut::new(sum, size);
        multiply(Matrix::new(context, size), &layer.attention_out, Finish::Add, out, blocks);
        std::mem::swap(hidden, sum);
        let norm = &layer.attention_norm;
        normalize_layer(hidden, &norm.gain, &norm.shift, self.epsilon);
    }

    fn feed_forward(&self, layer: &Layer, scratch: &mut Scratch) {
        let Scratch { hidden, sum, inner, blocks, .. } = scratch;
        let size = self.hidden_size;
        let row_count = hidden.len() / size;
        sum.clone_from(hidden);
        for (up, down) in &layer.feed_forward {
            let columns = up.width();
            inner.resize(row_count * columns, 0.0);
            multiply(Matrix::new(hidden, size), up, Finish::Gelu, MatrixMut::new(inner, columns), blocks);
            multiply(Matrix::new(inner, columns), down, Finish::Add, MatrixMut::new(sum, size), blocks);
        }
        std::mem::swap(hidden, sum);
        let norm = &layer.feed_forward_norm;
        normalize_layer(hidden, &norm.gain, &norm.shift, self.epsilon);
    }

    /// The mean of the tokens' rows, at length 1: dividing by their count first would change nothing but rounding.
    fn pool(&self, rows: &[f32]) -> Vec<f32> {
        let mut vector = vec![0.0; self.hidden_size];
        for row in rows.chunks_exact(self.hidden_size) {
            add_row(&mut vector, row);
        }
        normalize_length(&mut vector);
        vector
    }
}

fn row(table: &[f32], row: usize, columns: usize) -> &[f32] {
    &table[row * columns..][..columns]
}
