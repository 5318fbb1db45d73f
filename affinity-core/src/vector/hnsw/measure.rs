//! How near a query is to nodes, many at a time.

use crate::vector::codes::split_scale;
use crate::vector::kernels::{ByteQuery, Kernel};
use crate::vector::metric::Metric;
use crate::vector::row_table::RowTable;

/// The most rows compared in one go: as many as a list of level 0 has at most.
pub(super) const ROWS_MAX: usize = 64;

/// How near one query is to nodes.
pub(in crate::vector) trait Measure: Sync {
    /// What is compared with the query for one node.
    type Row<'a>: Copy
    where
        Self: 'a;

    fn kernel(&self) -> Kernel;

    /// Stands for no row.
    fn blank(&self) -> Self::Row<'_>;

    /// The row of a node; `None` when it has none.
    fn row(&self, node: u32) -> Option<Self::Row<'_>>;

    /// Has the start of a row that will be compared soon fetched from memory.
    fn fetch(&self, row: Self::Row<'_>);

    /// The closeness of each row, larger is nearer: at most [`ROWS_MAX`] rows.
    fn closeness(&self, rows: &[Self::Row<'_>], out: &mut [f32; ROWS_MAX]);
}

/// Vectors as they are.
#[derive(Clone, Copy)]
pub(in crate::vector) struct ExactRows<'a> {
    pub(in crate::vector) rows: &'a RowTable<f32>,
    pub(in crate::vector) kernel: Kernel,
    pub(in crate::vector) metric: Metric,
    pub(in crate::vector) query: &'a [f32],
}

impl<'a> ExactRows<'a> {
    /// The same vectors, compared with that of `node`; `None` when it has none.
    pub(super) fn measured_from(self, node: u32) -> Option<Self> {
        Some(Self { query: self.rows.row(node)?, ..self })
    }

    /// How near two rows are to each other.
    // hot
    #[inline]
    pub(super) fn between(&self, left: &[f32], right: &[f32]) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::Dot => self.kernel.dot(left, right),
            Metric::L2 => -self.kernel.squared_distance(left, right),
        }
    }

    pub(super) fn stored(&self, node: u32) -> Option<&'a [f32]> {
        self.rows.row(node)
    }
}

impl Measure for ExactRows<'_> {
    type Row<'r>
        = &'r [f32]
    where
        Self: 'r;

    fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn blank(&self) -> &[f32] {
        &[]
    }

    #[inline]
    fn row(&self, node: u32) -> Option<&[f32]> {
        self.rows.row(node)
    }

    #[inline]
    fn fetch(&self, row: &[f32]) {
        self.kernel.fetch(&row[..row.len().min(64)]);
    }

    // hot
    #[inline]
    fn closeness(&self, rows: &[&[f32]], out: &mut [f32; ROWS_MAX]) {
        match self.metric {
            Metric::Cosine | Metric::Dot => self.kernel.dot_each(self.query, rows, out),
            Metric::L2 => {
                self.kernel.squared_distance_each(self.query, rows, out);
                out.iter_mut().for_each(|distance| *distance = -*distance);
            }
        }
    }
}

/// Vectors as bytes.
pub(in crate::vector) struct ByteRows<'a> {
    pub(in crate::vector) table: &'a RowTable<u8>,
    pub(in crate::vector) kernel: Kernel,
    pub(in crate::vector) query: &'a ByteQuery,
    pub(in crate::vector) scale: f32,
}

impl Measure for ByteRows<'_> {
    type Row<'r>
        = &'r [u8]
    where
        Self: 'r;

    fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn blank(&self) -> &[u8] {
        &[]
    }

    #[inline]
    fn row(&self, node: u32) -> Option<&[u8]> {
        self.table.row(node)
    }

    #[inline]
    fn fetch(&self, row: &[u8]) {
        self.kernel.fetch(row);
    }

    // hot
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "codes are an estimate")]
    fn closeness(&self, rows: &[&[u8]], out: &mut [f32; ROWS_MAX]) {
        let mut bytes: [&[u8]; ROWS_MAX] = [&[]; ROWS_MAX];
        let mut products = [0; ROWS_MAX];
        bytes.iter_mut().zip(rows).for_each(|(bytes, row)| *bytes = split_scale(row).0);
        self.kernel.dot_bytes_each(self.query, &bytes[..rows.len()], &mut products);
        for ((out, product), row) in out.iter_mut().zip(products).zip(rows) {
            *out = product as f32 * split_scale(row).1 * self.scale;
        }
    }
}

/// Vectors as bits.
pub(in crate::vector) struct BitRows<'a> {
    pub(in crate::vector) table: &'a RowTable<u64>,
    pub(in crate::vector) kernel: Kernel,
    pub(in crate::vector) query: &'a [u64],
}

impl Measure for BitRows<'_> {
    type Row<'r>
        = &'r [u64]
    where
        Self: 'r;

    fn kernel(&self) -> Kernel {
        self.kernel
    }

    fn blank(&self) -> &[u64] {
        &[]
    }

    #[inline]
    fn row(&self, node: u32) -> Option<&[u64]> {
        self.table.row(node)
    }

    #[inline]
    fn fetch(&self, row: &[u64]) {
        self.kernel.fetch(row);
    }

    // hot
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "at most 65,536 bits differ")]
    fn closeness(&self, rows: &[&[u64]], out: &mut [f32; ROWS_MAX]) {
        let mut differing = [0; ROWS_MAX];
        self.kernel.differing_bits_each(self.query, rows, &mut differing);
        out.iter_mut().zip(differing).for_each(|(out, count)| *out = -(count as f32));
    }
}
